"""Initial weights of a run: another run's, or an official state dict.

A network that knows no graph can move from one joint layout to another. Only
its input batch norm, dependency matrices and first kernels depend on the
data's persons, joints and channels (a model's `data_axes`). Those arrays are
mapped by name; all others are loaded unchanged.
"""

import pathlib
from typing import Any, NamedTuple

import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from ml_collections import ConfigDict

from unik_jax.errors import UserError
from unik_jax.models.network import Network, network_from_config
from unik_jax.models.remap import DataShape, Remap, channel_names
from unik_jax.official import registry
from unik_jax.official.convert import from_official, to_official
from unik_jax.official.tensor_files import read_tensors, write_tensors
from unik_jax.run import hub, packaged
from unik_jax.run.data_scale import DataScale, Sizes, explain_other_scale
from unik_jax.run.restore import find_checkpoint, load_run
from unik_jax.run.workdir import has_checkpoint, read_begun_config
from unik_jax.skeletons.layouts import BUILT_IN, LAYOUTS, Layout, get_layout


class Weights(NamedTuple):
  """A network's values, and the data that its axes belong to.

  Attributes:
    where: the file, checkpoint or exported run.
    net: the network of the values.
    values: {'params': ..., 'batch_stats': ...}, nested dicts of numpy arrays.
    layout: joint layout of the network's input.
    persons: number of persons, M.
    channels: names of the channels.
    classes: class names in label order; None if not known.
    scale: scale of the training clips; None if not known.
  """

  where: str
  net: Network
  values: dict[str, Any]
  layout: Layout
  persons: int
  channels: tuple[str, ...]
  classes: list[str] | None = None
  scale: DataScale | None = None


class InitialWeights(NamedTuple):
  """Other weights, adapted to a run's network.

  Attributes:
    params: nested dict of float32 arrays.
    batch_stats: nested dict of float32 arrays.
    report: lines that say what was loaded, adapted and left new.
  """

  params: dict
  batch_stats: dict
  report: list[str]


class Start(NamedTuple):
  """A run's settings, network and initial weights, before training.

  Attributes:
    config: settings of the run, with `data.joints` filled in if
      `init_joints='data'`.
    net: the run's network.
    stored: settings of the run that has begun in the workdir, or None.
    source: the weights that `init_from` names. None if the run starts from
      random weights, or uses its own checkpoint.
    initial: `source` adapted to the run's network, or None.
    with_head: whether the classifier of `source` is used.
  """

  config: ConfigDict
  net: Network
  stored: dict[str, Any] | None
  source: Weights | None
  initial: InitialWeights | None
  with_head: bool


def resolve(
  config: ConfigDict, workdir: str | pathlib.Path, platform: str | None = None
) -> Start:
  """Decides what a run starts from, and reads it.

  Args:
    config: settings of the run.
    workdir: folder of the run; it may hold a run to resume.
    platform: platform of the mesh, for `network_from_config`.

  Raises:
    UserError: as in `read_weights`, `adapt_weights` and `network_from_config`;
      or `save_official` is set for a model without official code.
  """
  stored, source = read_begun_config(workdir), None
  # A resumed run uses its own checkpoint, not `init_from`.
  is_own = bool(stored) and stored.get('init_from') == config.init_from
  uses_own = is_own and (config.eval_only or has_checkpoint(workdir))
  with_head = _loads_head(config) and not uses_own
  reads = with_head or not (uses_own or config.eval_only)
  if config.init_from and reads:
    # The run named by `init_from` may still be training. Naming its newest
    # checkpoint now makes what is loaded and what is recorded the same.
    pinned = config.copy_and_resolve_references()
    pinned.init_from = find_checkpoint(config.init_from)
    source = read_weights(pinned)
  if config.init_from and config.init_joints == 'data':
    joints = None
    if source:
      joints = source.layout.name
    elif stored and is_own:
      joints = stored['data']['joints']
    if joints is not None:
      config = config.copy_and_resolve_references()
      config.data.joints = joints
  net = network_from_config(config, platform=platform)
  if config.save_official:
    registry.list_tensors(net.abstract)  # raises if the model has none
  initial = adapt_weights(source, config, head=with_head) if source else None
  return Start(config, net, stored, source, initial, with_head)


def _loads_head(config):
  """Whether the classifier of `init_from` is used, by default or setting."""
  default = 'load' if config.eval_only else 'new'
  return bool(config.init_from) and (config.init_head or default) == 'load'


def read_weights(config: ConfigDict) -> Weights:
  """Reads the weights that `config.init_from` names.

  Raises:
    UserError: the file or run is missing or broken, cannot be fetched, or has
      another architecture.
  """
  if hub.is_address(config.init_from) or packaged.find(config.init_from):
    return _read_run(config.init_from, config)
  path = pathlib.Path(config.init_from).expanduser()
  if not path.exists():
    raise UserError(
      f'config.init_from: {path}: no such run or file. Train it first, or name'
      f' another. The package has {", ".join(packaged.names()) or "none"}.'
    )
  return (
    _read_run(str(path), config)
    if path.is_dir()
    else _read_official(path, config)
  )


def adapt_weights(
  source: Weights, config: ConfigDict, *, head: bool
) -> InitialWeights:
  """Fills a run's network from other weights.

  Args:
    source: weights, as from `read_weights`.
    config: settings of the run that starts.
    head: whether the classifier is loaded too. Without it, the classifier gets
      random weights.

  Raises:
    UserError: the classifier has other classes, or the layouts have no joint
      in common.
  """
  net = network_from_config(config)
  values = _flatten(net.init(jax.random.key(config.seed)))
  source_values = flatten_dict(source.values)
  data = config.data
  remap = Remap(
    DataShape(source.layout, source.persons, source.channels),
    DataShape(
      get_layout(data.joints or data.layout),
      data.persons,
      channel_names(data.channels, data.confidence),
    ),
    fresh=config.init_joints == 'fresh',
  )
  axes = net.abstract.data_axes()
  counts = {'loaded': 0, 'adapted': 0}
  for path, new in values.items():
    if path[1] == 'head' and not head:
      continue
    value = source_values[path]
    if path in axes and remap.changes:
      value = remap(value, new, axes[path])
      counts['adapted'] += 1
    else:
      counts['loaded'] += 1
    if value.shape != new.shape:
      raise UserError(
        f'{source.where}: {"/".join(map(str, path))}: expected shape'
        f' {new.shape}, got {value.shape}.'
        + (' --config.init_head=new starts a new classifier.' * head)
      )
    values[path] = np.float32(value)
  report = [f'Started from {source.where}: {counts["loaded"]} arrays unchanged']
  if counts['adapted']:
    report[0] += f', {counts["adapted"]} adapted to the data:'
    report += [f'  {line}' for line in remap.differences()]
  if not head:
    report.append(f'  new: the classifier, of {data.num_classes} classes')
  return InitialWeights(**unflatten_dict(values), report=report)


def describe_start(
  start: Start, units: str, image_sizes: Sizes | None = None
) -> list[str]:
  """Returns lines on the initial weights, with a note on another scale.

  Args:
    start: from `resolve`; without initial weights there are no lines.
    units: units of the data.
    image_sizes: the different sizes of the data's images, if known.
  """
  if not start.initial or not start.source:
    return []
  lines = list(start.initial.report)
  here = DataScale(start.config.data, units, image_sizes)
  if note := explain_other_scale(here, start.source.scale):
    lines.append(f'note: {start.source.where}: {note}')
  return lines


def check_classes(source: Weights, classes: list[str]) -> None:
  """Raises a UserError if a loaded classifier has other classes than the data.

  Args:
    source: weights whose classifier is loaded.
    classes: class names of the data, in label order.
  """
  if source.classes is not None and source.classes != classes:
    raise UserError(
      f'{source.where}: expected the {len(classes)} classes of the data,'
      f' {classes[0]!r} to {classes[-1]!r}, got {len(source.classes)},'
      f' {source.classes[0]!r} to {source.classes[-1]!r}.'
      ' --config.init_head=new trains a new classifier.'
    )


def write_official(
  path: str, net: Network, params: Any, batch_stats: Any
) -> None:
  """Writes weights as an official state dict, on the first process only.

  Args:
    path: file to write, as in `tensor_files.write_tensors`; '' for none.
    net: the network.
    params: parameters of the network.
    batch_stats: batch statistics of the network.

  Raises:
    UserError: the file cannot be written.
  """
  if path and jax.process_index() == 0:
    weights = jax.device_get((params, batch_stats))
    write_tensors(path, to_official(net.abstract, *weights))


def _read_run(where, config):
  """Reads the weights of a run of unik_jax."""
  run = load_run(where, shared=True)
  stored, options = run.config.model.to_dict(), config.model.to_dict()
  changes = [
    f'--config.model.{key}={stored[key]!r} (here {options[key]!r})'.replace(
      "'", ''
    )
    for key in stored
    if stored[key] != options[key] and key != 'dtype'
  ]
  if changes:
    raise UserError(
      f'{where}: its network has other settings. To start from it, set '
      + ', '.join(changes)
    )
  data = run.config.data
  return Weights(
    where=where,
    net=run.net,
    values={'params': run.params, 'batch_stats': run.batch_stats},
    layout=run.network_layout,
    persons=data.persons,
    channels=channel_names(data.channels, data.confidence),
    classes=run.classes,
    scale=DataScale(data, run.units, run.image_sizes),
  )


def _read_official(path, config):
  """Reads an official state dict, trained on any data."""
  tensors = read_tensors(path)
  tensors = {k.removeprefix('module.'): v for k, v in tensors.items()}
  options = config.model.to_dict()
  shape = registry.data_shape(options['name'], tensors, options) or {}
  layout = get_layout(config.data.joints or config.data.layout)
  num_joints = shape.get('num_joints', layout.num_joints)
  layout = _layout_with(num_joints, config, path)
  net = network_from_config(config, **shape, layout=layout.name)
  params, batch_stats = from_official(
    net.abstract, *net.shapes, tensors, str(path)
  )
  persons, _, _, channels = net.abstract.input_shape
  data = config.data
  has_confidence = data.confidence and channels == data.channels
  return Weights(
    where=str(path),
    net=net,
    values={'params': params, 'batch_stats': batch_stats},
    layout=layout,
    persons=persons,
    channels=channel_names(channels, has_confidence),
  )


def _layout_with(num_joints, config, path):
  """Guesses the layout of a state dict, which does not name it."""
  if config.init_layout:
    layout = get_layout(config.init_layout)
    if layout.num_joints != num_joints:
      raise UserError(
        f'config.init_layout: expected a layout of {num_joints} joints, as in'
        f' {path}, got {layout.name!r} of {layout.num_joints}'
      )
    return layout
  layout = get_layout(config.data.joints or config.data.layout)
  if layout.num_joints == num_joints:
    return layout
  names = sorted(n for n in BUILT_IN if LAYOUTS[n].num_joints == num_joints)
  # The authors train on these two.
  for name in ('unik_17', 'ntu_25'):
    if name in names:
      return LAYOUTS[name]
  if len(names) == 1:
    return LAYOUTS[names[0]]
  raise UserError(
    f'{path} has {num_joints} joints and does not name their layout. Set'
    ' --config.init_layout' + (f': {" or ".join(names)}' if names else '')
  )


def _flatten(weights):
  params, batch_stats = jax.device_get(weights)
  return flatten_dict({'params': params, 'batch_stats': batch_stats})
