"""A trained run, opened from its folder: settings, network and weights.

The dataset is not needed: data.json holds what a network has to know about it.
"""

import os
import pathlib
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict

from unik_jax import optim
from unik_jax.config import add_dataset, default_config, is_rocket
from unik_jax.errors import UserError
from unik_jax.models.network import network_from_config
from unik_jax.models.rocket import from_arrays
from unik_jax.models.vocabulary import make_shared_network
from unik_jax.run import checkpoints, hub, packaged, paths, weights_file
from unik_jax.run.data_file import read_data
from unik_jax.run.rocket_file import read_rocket
from unik_jax.runtime.json_files import read_json_table, write_json_table
from unik_jax.skeletons import layouts
from unik_jax.skeletons.layouts import Layout, get_layout
from unik_jax.step import make_init_state


class Run(NamedTuple):
  """A trained model.

  Attributes:
    folder: folder of the run.
    config: settings of the run.
    net: the `Network`; from `load_run` with `networks_only=False` it may be a
      `Rocket`, without params and batch statistics.
    params: trained values, as numpy arrays.
    batch_stats: batch norm's running statistics, as numpy arrays.
    step: optimizer steps taken.
    classes: class names, in label order.
    data_layout: joint layout of clips.
    network_layout: joint layout of the network's input. Differs from
      `data_layout` if `config.data.joints` maps the joints.
    units: units of clips' coordinates.
    image_sizes: the different (width, height) of the training clips, (0, 0) if
      unknown; None for a run that did not record them.
    familiarity: arrays of a `data.familiarity.Familiarity` by name; None for a
      run that did not record them.
  """

  folder: pathlib.Path
  config: ConfigDict
  net: Any
  params: Any
  batch_stats: Any
  step: int
  classes: list[str]
  data_layout: Layout
  network_layout: Layout
  units: str
  image_sizes: list[tuple[int, int]] | None = None
  familiarity: dict[str, np.ndarray] | None = None


def load_run(
  path: str | os.PathLike, *, networks_only: bool = True, shared: bool = False
) -> Run:
  """Opens a run.

  Args:
    path: the --workdir of a run, for its newest checkpoint; its `best`, for
      the best on validation; one of its `checkpoints/STEP`; the folder of an
      exported run; its address on the Hugging Face Hub, hf://owner/name; or
      the name of one in the package, unik-any.
    networks_only: refuse runs of MiniRocket and MultiRocket.
    shared: open a run on several datasets too. Its network is that over the
      vocabulary, to start from, and no one's to predict with.

  Raises:
    UserError: the run is missing or cannot be fetched, its files cannot be
      read, or it is not of a network.
  """
  folder, part, step = _locate(path)
  config = read_config(folder)
  if is_rocket(config) and networks_only:
    raise UserError(
      f'{folder}: expected the run of a network, got one of'
      f' {config.model.name}, which has no weights to export, to start from, or'
      ' to draw. Name the run of a network'
    )
  if config.datasets and not shared:
    own = ''
    if not is_exported(folder):
      first = folder / paths.DATASETS / next(iter(config.datasets))
      own = f'name the run of one of them, such as {first}, or '
    raise UserError(
      f'{folder}: expected a run on one dataset, got one on'
      f' {len(config.datasets)}. To predict, {own}start from it with'
      ' --config.init_from'
    )
  data = read_data(folder)
  for layout in filter(None, (data.network_layout, data.layout)):
    layouts.register_layout(layout)
  if is_rocket(config):
    net = from_arrays(read_rocket(folder), str(folder / paths.ROCKET))
    params, batch_stats, step = {}, {}, 1
  elif part == paths.CHECKPOINTS and step is None and is_exported(folder):
    net = network_from_config(config)
    file = folder / paths.WEIGHTS
    params, batch_stats, step = weights_file.read_weights(file, *net.shapes)
  elif config.datasets:
    for name in config.datasets:
      own = read_data(folder / paths.DATASETS / name)
      for layout in filter(None, (own.network_layout, own.layout)):
        layouts.register_layout(layout)
    whole = make_shared_network(config)
    params, by_dataset, step = _restore(config, whole, folder / part, step)
    net, batch_stats = whole.net, whole.pool_stats(by_dataset)
  else:
    net = network_from_config(config)
    params, batch_stats, step = _restore(config, net, folder / part, step)
  return Run(
    folder=folder,
    config=config,
    net=net,
    params=params,
    batch_stats=batch_stats,
    step=step,
    classes=data.classes,
    data_layout=data.layout,
    network_layout=get_layout(config.data.joints or data.layout.name),
    units=data.units,
    image_sizes=data.image_sizes,
    familiarity=data.familiarity,
  )


def _restore(config, net, folder, step):
  """Returns params, batch_stats and step of a checkpoint, as numpy arrays."""
  _, optimizer = optim.configure_optimizer(config, steps_per_epoch=1)
  init_state = make_init_state(optimizer, ema=config.ema, tune=config.tune)
  abstract = jax.eval_shape(init_state, *net.shapes)
  device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
  shardings = jax.tree.map(lambda _: device, abstract)
  state = checkpoints.restore_checkpoint(folder, abstract, shardings, step)
  return *jax.device_get(state.for_evaluation()), int(state.step)


def _locate(path):
  """Splits a path into a run's folder, its subfolder, and the step or None."""
  if hub.is_address(path):
    return hub.fetch_run(str(path)).folder, paths.CHECKPOINTS, None
  if packaged_run := packaged.find(path):
    return packaged_run, paths.CHECKPOINTS, None
  path = pathlib.Path(path).expanduser().absolute()
  if not (path / paths.CONFIG).exists():
    if path.name in (paths.BEST, paths.CHECKPOINTS):
      return path.parent, path.name, None
    if path.name.isdigit():
      return path.parents[1], path.parent.name, int(path.name)
  return path, paths.CHECKPOINTS, None


def is_exported(folder: pathlib.Path) -> bool:
  """Whether a folder is an exported run: weights instead of checkpoints."""
  checkpoints = folder / paths.CHECKPOINTS
  return (folder / paths.WEIGHTS).exists() and not checkpoints.exists()


def locate_run(path: str | os.PathLike) -> pathlib.Path:
  """Returns the folder of a run.

  Args:
    path: as in `load_run`.

  Raises:
    UserError: there is no run.
  """
  folder, *_ = _locate(path)
  read_config(folder)
  return folder


def find_checkpoint(path: str | os.PathLike) -> str:
  """Returns the path of the checkpoint that `load_run` would open.

  Returns `path` itself if there is no checkpoint, and the address of the newest
  commit, hf://owner/name@COMMIT, for a run on the Hugging Face Hub.

  Args:
    path: as in `load_run`.

  Raises:
    UserError: the run cannot be fetched.
  """
  if hub.is_address(path):
    return hub.fetch_run(str(path)).address
  folder, part, step = _locate(path)
  steps = [
    int(checkpoint.name)
    for checkpoint in (folder / part).glob('*')
    if checkpoint.name.isdigit()
  ]
  if not steps:
    return str(path)
  return str(folder / part / str(max(steps) if step is None else step))


def read_config(folder: pathlib.Path) -> ConfigDict:
  """Reads a run's settings. Settings missing from the file get their default.

  Raises:
    UserError: the folder is not a run's, or has settings that do not exist.
  """
  file = folder / paths.CONFIG
  config = default_config()
  stored = read_json_table(file, 'name the --workdir of a run that has begun')
  try:
    for name, data in stored.pop('datasets', {}).items():
      add_dataset(config, name, **data)
    config.update(stored)
  except (AttributeError, KeyError, TypeError, ValueError) as error:
    raise UserError(f'{file}: not the settings of a run ({error})') from None
  return config


def write_started_from(folder: pathlib.Path, source: str) -> None:
  """Records which weights a run starts from, as started_from.json.

  `init_from` may name a run that trains on, so its newest checkpoint changes.

  Args:
    folder: folder of the run.
    source: path of a checkpoint, of an exported run or of a file of weights; or
      hf://owner/name@COMMIT.

  Raises:
    UserError: the file cannot be written.
  """
  write_json_table(folder / paths.STARTED_FROM, {'source': source})


def read_started_from(folder: pathlib.Path) -> str:
  """Returns the path that `write_started_from` recorded; '' if none."""
  file = folder / paths.STARTED_FROM
  if not file.exists():
    return ''
  return str(read_json_table(file, 'remove it').get('source', ''))
