"""One network for datasets of different joints, channels, persons and classes.

Its parameters are those of an ordinary network over a vocabulary: all joints by
name, all channels, the most persons, and all classes. Only the input batch
norm, the dependency matrices, the first kernels and the classifier depend on
them (`Recognizer.data_axes`). The network of one dataset has the rows and
columns of its own joints, channels, persons and classes of these arrays, and
all of the others. Gradients go back to where the values came from.

Running statistics of batch norm are kept for each dataset, since a batch has
clips of one dataset. Those of a mixture would fit none of them in evaluation.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from ml_collections import ConfigDict

from unik_jax.errors import UserError
from unik_jax.models.network import Network, network_from_config
from unik_jax.models.remap import DataShape, channel_names
from unik_jax.skeletons.joint_maps import find_counterparts, unite_layouts
from unik_jax.skeletons.layouts import get_layout, register_layout

# The classifier's axes, as in `Recognizer.data_axes`.
_HEAD_AXES: dict[tuple, tuple] = {
  ('params', 'head', 'kernel'): ((), ('classes',)),
  ('params', 'head', 'bias'): (('classes',),),
}


class DatasetNetwork:
  """The network of one dataset, applied to the weights of all of them.

  Attributes:
    net: the dataset's own network.

  Args:
    name: name of the dataset.
    net: its own network.
    axes: maps the path of each array that depends on the data to its axes, as
      `Recognizer.data_axes`.
    indices: maps each data dimension to the dataset's indices in the
      vocabulary.
    sizes: maps each data dimension to its size in the vocabulary.
  """

  def __init__(
    self,
    name: str,
    net: Network,
    axes: Mapping[tuple, tuple],
    indices: Mapping[str, Sequence[int]],
    sizes: Mapping[str, int],
  ):
    self.net, self._name = net, name
    self._indices = {
      path: [_index_axis(factors, indices, sizes) for factors in factored]
      for path, factored in axes.items()
    }

  def select(self, params: Any, stats: Mapping[str, Any]) -> tuple[Any, Any]:
    """Returns the (params, batch_stats) of the dataset's own network.

    Args:
      params: parameters over the vocabulary.
      stats: the batch statistics of each dataset's network, by name.
    """
    return self._take('params', params), stats[self._name]

  def select_stats(self, batch_stats: Any) -> Any:
    """Returns the dataset's part of batch statistics over the vocabulary."""
    return self._take('batch_stats', batch_stats)

  def apply(
    self, params: Any, batch_stats: Any, x_nmtvc: jax.Array, **options: Any
  ) -> tuple[jax.Array, Any]:
    """`Network.apply` with the arguments of `select`.

    Returns:
      Logits of the dataset's classes, and the batch statistics by name, of
      which this dataset's are new.
    """
    own = self.select(params, batch_stats)
    logits, stats = self.net.apply(*own, x_nmtvc, **options)
    return logits, {**batch_stats, self._name: stats}

  def add_stats(self, stats: dict, total: dict, count: dict) -> None:
    """Adds the dataset's statistics to sums over the vocabulary, in place.

    Args:
      stats: statistics of the dataset's network, numpy arrays by path.
      total: sums over the vocabulary by path.
      count: the number of statistics in each sum.
    """
    for path, value in stats.items():
      indices = self._indices.get(('batch_stats', *path), [None])
      where = indices[0] if indices[0] is not None else slice(None)
      total[path][where] += value
      count[path][where] += 1

  def _take(self, tree, values):
    """Returns the dataset's part of each array."""
    flat = flatten_dict(values)
    return unflatten_dict(
      {
        path: _take_part(value, self._indices.get((tree, *path), ()))
        for path, value in flat.items()
      }
    )


class SharedNetwork:
  """The networks of several datasets, with shared parameters.

  It has what training needs of a `Network`.

  Attributes:
    net: the network over the vocabulary.
    networks: the `DatasetNetwork` of each dataset.
    shapes: shapes of (params, batch_stats). The latter are by dataset.

  Args:
    net: the network over the vocabulary.
    shape: its input.
    own: maps each dataset to its network and input. The classifier's columns
      are in the order of the datasets.
  """

  def __init__(
    self,
    net: Network,
    shape: DataShape,
    own: Mapping[str, tuple[Network, DataShape]],
  ):
    self.net = net
    axes = net.abstract.data_axes() | _HEAD_AXES
    sizes = {
      'persons': shape.persons,
      'joints': shape.layout.num_joints,
      'inputs': shape.layout.num_joints,
      'channels': len(shape.channels),
      'classes': net.abstract.head.kernel.shape[-1],
    }
    self.networks: dict[str, DatasetNetwork] = {}
    first_class = 0
    for name, (own_net, data) in own.items():
      joints: Any = find_counterparts(shape.layout, data.layout)
      num_classes = own_net.abstract.head.kernel.shape[-1]
      indices = {
        'persons': range(data.persons),
        'joints': joints,
        'inputs': joints,
        'channels': [shape.channels.index(c) for c in data.channels],
        'classes': range(first_class, first_class + num_classes),
      }
      first_class += num_classes
      network = DatasetNetwork(name, own_net, axes, indices, sizes)
      self.networks[name] = network
    stats = {name: part.net.shapes[1] for name, part in self.networks.items()}
    self.shapes = net.shapes[0], stats

  def init(self, key: jax.Array) -> tuple[Any, Any]:
    """`Network.init`, with the batch statistics of each dataset by name."""
    params, batch_stats = self.net.init(key)
    return params, self.split_stats(batch_stats)

  def split_stats(self, batch_stats: Any) -> dict[str, Any]:
    """Returns each dataset's part of statistics over the vocabulary."""
    return {
      name: network.select_stats(batch_stats)
      for name, network in self.networks.items()
    }

  def pool_stats(self, stats: Mapping[str, Any]) -> Any:
    """Returns statistics over the vocabulary: means over the datasets.

    A network that starts from shared weights, for other data, has them until
    it has seen its own. What no dataset has keeps its initial value.

    Args:
      stats: numpy arrays by dataset.
    """
    shapes = flatten_dict(self.net.shapes[1])
    total = {path: np.zeros(a.shape, a.dtype) for path, a in shapes.items()}
    count = {path: np.zeros(a.shape, int) for path, a in shapes.items()}
    for name, network in self.networks.items():
      network.add_stats(flatten_dict(stats[name]), total, count)
    pooled = {
      path: np.where(n, total[path] / np.maximum(n, 1), path[-1] == 'var')
      for path, n in count.items()
    }
    return unflatten_dict({k: np.float32(v) for k, v in pooled.items()})

  def num_params(self) -> int:
    """Returns the number of trainable values."""
    return self.net.num_params()


def make_shared_network(
  config: ConfigDict, platform: str | None = None
) -> SharedNetwork:
  """Returns the network that `config.datasets` share.

  Args:
    config: the whole config. Its `data` is that of `describe_vocabulary`, and
      its datasets have all their settings.
    platform: as in `network_from_config`.

  Raises:
    UserError: as in `network_from_config`, or the network has a graph.
  """
  check_graph_free(config)

  def of_data(data):
    parts = ConfigDict({'model': config.model, 'data': data})
    shape = DataShape(
      get_layout(data.joints or data.layout),
      data.persons,
      channel_names(data.channels, data.confidence),
    )
    return network_from_config(parts, platform=platform), shape

  own = {name: of_data(data) for name, data in config.datasets.items()}
  net, shape = of_data(config.data)
  return SharedNetwork(net, shape, own)


def describe_vocabulary(config: ConfigDict) -> dict[str, Any]:
  """Returns the `data` settings of the network over the vocabulary.

  A setting that all datasets share is theirs; others have their defaults.
  Registers the layout of all joints.

  Args:
    config: the whole config, whose datasets have all their settings.
  """
  sections = list(config.datasets.values())
  first = sections[0]
  shared = {
    key: value
    for key, value in first.items()
    if key != 'weight' and all(data[key] == value for data in sections)
  }
  layout = unite_layouts(
    [get_layout(data.joints or data.layout) for data in sections]
  )
  register_layout(layout)
  coordinates = max(data.channels - bool(data.confidence) for data in sections)
  confidence = any(data.confidence for data in sections)
  return shared | {
    'name': '+'.join(config.datasets),
    'layout': layout.name,
    'joints': '',
    'classes': (),
    'num_classes': sum(data.num_classes for data in sections),
    'persons': max(data.persons for data in sections),
    'channels': coordinates + confidence,
    'confidence': confidence,
  }


def check_graph_free(config: ConfigDict) -> None:
  """Raises a UserError if a network cannot share its joints with others.

  A graph is that of one layout: matrices of several have no common start, and
  a fixed matrix is no parameter.
  """
  model = config.model
  if model.name == 'unik_pp':
    return
  for key, expected in (('name', 'unik'), ('matrix', 'dependency')):
    if model[key] != expected:
      raise UserError(
        f'config.model.{key}: expected {expected!r} with config.datasets, got'
        f' {model[key]!r}. Only unik_pp, and unik without a graph, are not tied'
        f' to one joint layout: set --config.model.{key}={expected}, or train'
        ' on one dataset'
      )
  if model.dependency_init == 'graph':
    raise UserError(
      "config.model.dependency_init: expected 'code', 'paper', 'identity' or"
      " 'zeros' with config.datasets, got 'graph', which is that of one joint"
      ' layout. Set --config.model.dependency_init=code'
    )


def _index_axis(factors, indices, sizes):
  """Returns the indices along an axis; None for all, in their order.

  Args:
    factors: the axis's data dimensions, slowest-varying first.
    indices: as in `DatasetNetwork`.
    sizes: as in `DatasetNetwork`.
  """
  lengths = [sizes.get(factor, factor) for factor in factors]
  chosen = [
    indices.get(f, range(n)) for f, n in zip(factors, lengths, strict=True)
  ]
  if all(
    list(c) == list(range(n)) for c, n in zip(chosen, lengths, strict=True)
  ):
    return None
  return np.ravel_multi_index(np.ix_(*chosen), lengths).ravel()


def _take_part(array, indices):
  """Returns the rows and columns of an array with these indices."""
  for axis, index in enumerate(indices):
    if index is not None:
      array = jnp.take(
        array, index, axis=axis, unique_indices=True, mode='clip'
      )
  return array
