"""Starting from other weights: what fits is loaded, what does not is adapted.

A network that knows no graph can go from one set of joints to another: only
its input batch norm, its dependency matrices and the first kernels depend on
the data's persons, joints and channels (`data_axes` of a model). They are
carried over by name; all else is loaded as it is.
"""

import functools
import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from unik_jax.errors import UserError
from unik_jax.models import network
from unik_jax.official.state_dict import from_official
from unik_jax.run import checkpoints, restore
from unik_jax.skeletons import joint_maps
from unik_jax.skeletons.layouts import (
  BUILT_IN,
  LAYOUTS,
  Layout,
  get_layout,
)


class Weights(NamedTuple):
  """A network's values, and what its axes mean.

  Attributes:
    where: the file or run.
    net: the network that they are of.
    values: {'params': ..., 'batch_stats': ...} of numpy arrays.
    layout: of its joints.
    persons: M.
    channels: their names.
    classes: names, in label order; None where they are not known.
  """

  where: str
  net: network.Network
  values: dict[str, Any]
  layout: Layout
  persons: int
  channels: tuple[str, ...]
  classes: list[str] | None = None


class Started(NamedTuple):
  """What to start from.

  Attributes:
    params: float32 arrays.
    batch_stats: likewise.
    report: what was loaded, adapted and left new, a line each.
  """

  params: dict
  batch_stats: dict
  report: list[str]


def loads_head(config: ConfigDict) -> bool:
  """Whether a run takes the classifier of `init_from` too."""
  to_evaluate = config.eval_only and config.init_head != 'new'
  return bool(config.init_from) and (to_evaluate or config.init_head == 'load')


def read(config: ConfigDict) -> Weights | None:
  """The weights that `config.init_from` names; None where it names none.

  Raises:
    UserError: no such file or run, broken, or of another architecture.
  """
  if not config.init_from:
    return None
  path = pathlib.Path(config.init_from).expanduser()
  if not path.exists():
    raise UserError(
      f'{path}: no such run or file; train it first, or name another with'
      ' --config.init_from'
    )
  return _run(path, config) if path.is_dir() else _official(path, config)


def start(source: Weights, config: ConfigDict, *, head: bool) -> Started:
  """A config's network, filled from other weights.

  Args:
    source: of `read`.
    config: of the run that starts.
    head: whether the classifier is loaded too.

  Raises:
    UserError: the classifier is of other classes, or the layouts have no
      joint in common.
  """
  data = config.data
  net = network.from_config(config)
  fresh = _as_values(net.init(jax.random.key(config.seed)))
  layout = get_layout(data.joints or data.layout)
  channels = _channels(data.channels, data.confidence)
  ways = {
    'persons': [min(m, source.persons - 1) for m in range(data.persons)],
    'joints': _joints(source.layout, layout, config.init_joints),
    'channels': [_index(source.channels, name) for name in channels],
  }
  ways['inputs'] = ways['joints']
  joints = source.layout.num_joints
  reach, new_reach = (n - 1 + n % 2 for n in (joints, layout.num_joints))
  shift = (reach - new_reach) // 2  # from middle to middle
  ways['reach'] = [
    tap if 0 <= tap < reach else None for tap in range(shift, new_reach + shift)
  ]
  sizes = {
    'persons': source.persons,
    'joints': joints,
    'inputs': joints,
    'reach': reach,
    'channels': len(source.channels),
  }
  axes = net.abstract.data_axes()
  same = all(w == list(range(sizes[key])) for key, w in ways.items())
  counts = {'loaded': 0, 'adapted': 0}
  filled = _copy(fresh)
  for path, new in _leaves(fresh):
    if path[1] == 'head' and not head:
      continue
    old = _get(source.values, path)
    if path in axes and not same:
      value = _gather(old, new, axes[path], ways, sizes)
      counts['adapted'] += 1
    else:
      value = old
      counts['loaded'] += 1
    if value.shape != new.shape:
      raise UserError(
        f'{source.where}: {"/".join(map(str, path))} is {value.shape}, but this'
        f' network needs {new.shape}'
        + ('; --config.init_head=new starts a new classifier' * head)
      )
    _put(filled, path, np.float32(value))
  report = [f'Started from {source.where}: {counts["loaded"]} arrays as there']
  if counts['adapted']:
    report[0] += f', {counts["adapted"]} adapted to the data:'
    report += list(_differences(source, layout, channels, data.persons, ways))
  if not head:
    report.append(f'  new: the classifier, of {data.num_classes} classes')
  return Started(filled['params'], filled['batch_stats'], report)


def check_classes(source: Weights, classes: list[str]) -> None:
  """Raises a UserError where a loaded classifier would mean other classes."""
  if source.classes not in (None, classes):
    raise UserError(
      f'{source.where} tells {len(source.classes)} classes apart, from'
      f' {source.classes[0]!r} to {source.classes[-1]!r}, and the data has'
      f' {len(classes)}, from {classes[0]!r} to {classes[-1]!r};'
      ' --config.init_head=new trains a new classifier'
    )


def _run(path, config):
  """The weights of a run of ours."""
  run = restore.load_run(path)
  theirs, ours = run.config.model.to_dict(), config.model.to_dict()
  different = [
    f'--config.model.{key}={theirs[key]!r} (here {ours[key]!r})'.replace(
      "'", ''
    )
    for key in theirs
    if theirs[key] != ours[key] and key != 'dtype'
  ]
  if different:
    raise UserError(
      f'{path} has another network; to start from it, set '
      + ', '.join(different)
    )
  data = run.config.data
  return Weights(
    where=str(path),
    net=run.net,
    values=_as_values((run.params, run.batch_stats)),
    layout=run.layout,
    persons=data.persons,
    channels=_channels(data.channels, data.confidence),
    classes=run.classes,
  )


def _official(path, config):
  """The weights in an official state dict, whatever it was trained on."""
  tensors = checkpoints.read_tensors(path)
  tensors = {k.removeprefix('module.'): v for k, v in tensors.items()}
  options = config.model.to_dict()
  model = network.MODELS[options['name']]
  shape = model.official_shape(tensors, options) or {}
  ours = get_layout(config.data.joints or config.data.layout)
  joints = shape.get('num_joints', ours.num_joints)
  layout = _layout_of(joints, config, path)
  net = network.from_config(config, **shape, layout=layout.name)
  shapes = net.shapes
  values = from_official(net.abstract, *shapes, tensors, str(path))
  persons, _, _, channels = net.abstract.input_shape
  data = config.data
  scored = data.confidence and channels == data.channels
  return Weights(
    where=str(path),
    net=net,
    values=_as_values(values),
    layout=layout,
    persons=persons,
    channels=_channels(channels, scored),
  )


def _layout_of(joints, config, path):
  """The layout of a state dict's joints, which it does not name."""
  if config.init_layout:
    layout = get_layout(config.init_layout)
    if layout.num_joints != joints:
      raise UserError(
        f'{path} is of {joints} joints, but config.init_layout is'
        f' {layout.name!r}, of {layout.num_joints}'
      )
    return layout
  ours = get_layout(config.data.joints or config.data.layout)
  fitting = sorted(n for n in BUILT_IN if LAYOUTS[n].num_joints == joints)
  if ours.num_joints == joints:
    return ours
  # The first two are those that the authors train on.
  for name in ('unik_17', 'ntu_25', *fitting[: len(fitting) == 1]):
    if name in fitting:
      return LAYOUTS[name]
  raise UserError(
    f'{path} is of {joints} joints, and does not say which; name their layout'
    ' with --config.init_layout'
    + (f': {" or ".join(fitting)}' if fitting else '')
  )


def _channels(count, confidence):
  names = ('x', 'y', 'z')[: count - bool(confidence)]
  return names + ('confidence',) * bool(confidence)


def _joints(source, target, way):
  if source == target:
    return list(range(target.num_joints))
  if way == 'fresh':
    return joint_maps.find_counterparts(source, target)
  return joint_maps.find_nearest(source, target)


def _index(names, name):
  return names.index(name) if name in names else None


def _gather(old, new, axes, ways, sizes):
  """An array of the new shape, of the old one's parts; else of the new's.

  Each axis is taken apart into what it is made of, and each part goes its way.
  Inputs that stem from one joint share its weight, so that their sum is what
  it was.
  """
  factors = []
  for axis, length in zip(axes, old.shape, strict=True):
    factors += axis or (length,)
  from_shape = [sizes.get(f, f) for f in factors]
  to_ways = [
    ways.get(f, range(n)) for f, n in zip(factors, from_shape, strict=True)
  ]
  taken = old.reshape(from_shape)[
    np.ix_(*[[i or 0 for i in w] for w in to_ways])
  ]
  for n, factor in enumerate(factors):
    if factor == 'inputs':
      shares = [max(ways['inputs'].count(i), 1) for i in ways['inputs']]
      shape = [-1 if m == n else 1 for m in range(len(factors))]
      taken = taken / np.reshape(shares, shape)
  known = functools.reduce(
    np.multiply.outer, [[i is not None for i in way] for way in to_ways]
  )
  return np.where(known, taken, new.reshape(known.shape)).reshape(new.shape)


def _differences(source, layout, channels, persons, ways):
  """What was adapted, for the report."""
  if source.layout != layout:
    same = joint_maps.find_counterparts(source.layout, layout)
    yield (
      f'  joints: {source.layout.name} to {layout.name}, of which'
      f' {sum(place is not None for place in same)} of {len(same)} are there'
    )
    for joint, place, way in zip(
      layout.joints, same, ways['joints'], strict=True
    ):
      if place is None:
        origin = 'new' if way is None else f'as {source.layout.joints[way]}'
        yield f'    {joint}: {origin}'
  if source.channels != channels:
    yield f'  channels: {" ".join(source.channels)} to {" ".join(channels)}'
  if source.persons != persons:
    yield f'  persons: {source.persons} to {persons}'


def _as_values(pair):
  params, batch_stats = jax.device_get(pair)
  return {'params': params, 'batch_stats': batch_stats}


def _leaves(tree: dict, path: tuple = ()) -> Iterator[tuple[tuple, np.ndarray]]:
  for key, value in tree.items():
    if isinstance(value, dict):
      yield from _leaves(value, (*path, key))
    else:
      yield (*path, key), value


def _get(tree, path):
  for key in path:
    tree = tree[key]
  return tree


def _put(tree, path, value):
  _get(tree, path[:-1])[path[-1]] = value


def _copy(tree):
  return {k: _copy(v) if isinstance(v, dict) else v for k, v in tree.items()}
