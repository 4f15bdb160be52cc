"""A run's folder, opened again: its settings, its network and its weights.

Nothing of the dataset is needed: what a model must know of it is kept beside
the checkpoints, in data.json.
"""

import json
import os
import pathlib
from typing import Any, NamedTuple

import jax
from ml_collections import ConfigDict

from unik_jax import optim
from unik_jax.config import default_config
from unik_jax.errors import UserError
from unik_jax.models.network import Network, network_from_config
from unik_jax.run import checkpoints
from unik_jax.runtime import atomic_files
from unik_jax.skeletons import layouts
from unik_jax.skeletons.layouts import (
  Layout,
  get_layout,
  layout_from_dict,
)
from unik_jax.step import make_begin

CONFIG, DATA, STARTED = 'config.json', 'data.json', 'started_from.json'


class Run(NamedTuple):
  """A trained model.

  Attributes:
    folder: of the run.
    config: its settings.
    net: its network.
    params: trained values, numpy arrays.
    batch_stats: likewise.
    step: optimizer steps taken.
    classes: names, in label order.
    source: layout of the joints that clips come with.
    layout: of those that the network sees; another one with `data.joints`.
    units: of the coordinates that clips come in.
  """

  folder: pathlib.Path
  config: ConfigDict
  net: Network
  params: Any
  batch_stats: Any
  step: int
  classes: list[str]
  source: Layout
  layout: Layout
  units: str


def load_run(path: str | os.PathLike) -> Run:
  """Opens a run by its folder.

  Args:
    path: the --workdir of a run, for its newest checkpoint; its `best`, for
      the best on validation; or one of its `checkpoints/STEP`.

  Raises:
    UserError: no run there, or its files cannot be read.
  """
  folder, part, step = _place(path)
  config = read_config(folder)
  about = _read(folder / DATA, f'run the command that made {folder} once more')
  try:
    source = layout_from_dict(about['layout'], str(folder / DATA))
    classes, units = list(about['classes']), str(about['units'])
    if mapped := about.get('network_layout'):
      layouts.register_layout(layout_from_dict(mapped, str(folder / DATA)))
  except (KeyError, TypeError) as error:
    raise UserError(
      f'{folder / DATA}: no {error} in it; run the command that made'
      f' {folder} once more to have it written again'
    ) from None
  layouts.register_layout(source)
  net = network_from_config(config)
  _, optimizer = optim.configure_optimizer(config, steps_per_epoch=1)
  begin = make_begin(optimizer, ema=config.ema, tune=config.tune)
  here = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
  target = jax.tree.map(
    lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=here),
    jax.eval_shape(begin, *net.shapes),
  )
  state = checkpoints.newest_of(folder / part, target, step)
  params, batch_stats = jax.device_get(state.for_evaluation())
  return Run(
    folder=folder,
    config=config,
    net=net,
    params=params,
    batch_stats=batch_stats,
    step=int(state.step),
    classes=classes,
    source=source,
    layout=get_layout(config.data.joints or source.name),
    units=units,
  )


def _place(path):
  """The folder of a run, which of its checkpoints, and the step, if any."""
  path = pathlib.Path(path).expanduser().absolute()
  if not (path / CONFIG).exists():
    if path.name in ('best', 'checkpoints'):
      return path.parent, path.name, None
    if path.name.isdigit():
      return path.parents[1], path.parent.name, int(path.name)
  return path, 'checkpoints', None


def newest(path: str | os.PathLike) -> str:
  """The checkpoint that `load` would open; the path itself without one."""
  folder, part, step = _place(path)
  found = (folder / part).glob('*')
  steps = [int(p.name) for p in found if p.name.isdigit()]
  if not steps:
    return str(path)
  return str(folder / part / str(max(steps) if step is None else step))


def write_started(folder: pathlib.Path, source: str) -> None:
  """Keeps which weights a run starts from, for they may move on meanwhile.

  Args:
    folder: of the run.
    source: a checkpoint, or a file.

  Raises:
    UserError: it cannot be written.
  """
  with atomic_files.atomic_write(folder / STARTED) as part:
    part.write_text(json.dumps({'source': source}) + '\n')


def read_started(folder: pathlib.Path) -> str:
  """What `write_started` wrote; '' where it was not told."""
  if not (folder / STARTED).exists():
    return ''
  return str(_read(folder / STARTED, 'remove it').get('source', ''))


def read_config(folder: pathlib.Path) -> ConfigDict:
  """The settings of a run; those that it does not know have their default.

  Raises:
    UserError: the folder is no run's, or has settings that are not known.
  """
  remedy = 'name the --workdir of a run that has begun'
  config, stated = default_config(), _read(folder / CONFIG, remedy)
  try:
    config.update(stated)
  except (AttributeError, KeyError, TypeError, ValueError) as error:
    raise UserError(
      f'{folder / CONFIG}: not the settings of a run ({error})'
    ) from None
  return config


def write_data(
  folder: pathlib.Path, info: Any, classes: list[str], joints: str = ''
) -> None:
  """Keeps what a model must know of its data, as data.json.

  Args:
    folder: of the run.
    info: the prepared dataset's, of TFDS.
    classes: names, in label order.
    joints: the layout that the joints are mapped to; '' for none.

  Raises:
    UserError: it cannot be written.
  """
  table = {
    'dataset': f'{info.full_name}',
    'classes': classes,
    'layout': get_layout(info.metadata['layout']).to_dict(),
    'units': info.metadata['units'],
  }
  if joints:
    table['network_layout'] = get_layout(joints).to_dict()
  with atomic_files.atomic_write(folder / DATA) as part:
    part.write_text(json.dumps(table, indent=1) + '\n')


def _read(path, remedy):
  if not path.exists():
    raise UserError(f'{path}: no such file; {remedy}')
  try:
    table = json.loads(path.read_text())
  except ValueError as error:
    raise UserError(f'{path}: not JSON ({error}); {remedy}') from None
  if not isinstance(table, dict):
    raise UserError(f'{path}: not a table of settings; {remedy}')
  return table
