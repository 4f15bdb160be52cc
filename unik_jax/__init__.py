"""Skeleton-based action recognition in JAX: UNIK (BMVC 2021) and beyond.

  import unik_jax

  unik_jax.prepare_dataset('skeleton_folder/moves', manual_dir='moves')
  unik_jax.train('own:moves', 'runs/moves')
  model = unik_jax.load('runs/moves')
  for prediction in model.predict('new_clips/'):
    print(prediction.file, prediction.label, prediction.probability)

The names below are the Python API. What they need is imported when first used.
"""

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from ml_collections import ConfigDict

  from unik_jax.configs import load_config
  from unik_jax.data.formats.user.keypoints import ParsedClip
  from unik_jax.data.registry import prepare_dataset
  from unik_jax.errors import UserError
  from unik_jax.models.network import Network
  from unik_jax.predictor.predictor import Prediction, Predictor
  from unik_jax.predictor.stream import Stream
  from unik_jax.skeletons.layouts import Layout, get_layout

__version__ = '0.1.0'

__all__ = [
  'Layout',
  'Network',
  'Prediction',
  'Predictor',
  'Stream',
  'UserError',
  'get_layout',
  'load',
  'load_config',
  'prepare_dataset',
  'read_clip',
  'train',
]

# The module of each name that is not defined here.
_MODULES = {
  'Layout': 'skeletons.layouts',
  'Network': 'models.network',
  'Prediction': 'predictor.predictor',
  'Predictor': 'predictor.predictor',
  'Stream': 'predictor.stream',
  'UserError': 'errors',
  'get_layout': 'skeletons.layouts',
  'load_config': 'configs',
  'prepare_dataset': 'data.registry',
}


def load(run: str | os.PathLike) -> 'Predictor':
  """Opens a trained model for prediction.

    model = unik_jax.load('runs/mine')
    model.predict('clips/')[0].label

  Args:
    run: the --workdir of a run, for its newest checkpoint; its `best`, for the
      best on validation clips; one of its `checkpoints/STEP`; the folder of an
      exported run; or its address on the Hugging Face Hub, hf://owner/name.

  Raises:
    UserError: there is no run, or it cannot be fetched or read.
  """
  from unik_jax.predictor.predictor import load_predictor

  return load_predictor(run)


def train(
  config: 'str | ConfigDict', workdir: str | os.PathLike, **changes: Any
) -> dict[str, Any]:
  """Trains an experiment, and tests it; resumes a run that was stopped.

    config = unik_jax.load_config('synthetic')
    config.epochs = 3
    summary = unik_jax.train(config, 'runs/short')
    print(summary['test']['top1'])

  Args:
    config: settings, or the name of a config, such as 'posetics:bone'.
    workdir: folder for checkpoints, metrics and results.
    **changes: settings to change, as in `epochs=3` or `data={'frames': 32}`.

  Returns:
    The content of summary.json.

  Raises:
    UserError: bad settings or input, before any long work; NaN in training.
  """
  from unik_jax import configs, training
  from unik_jax.errors import UserError, describe_missing_key
  from unik_jax.runtime import compile_cache

  if isinstance(config, str):
    config = configs.load_config(config)
  config = config.copy_and_resolve_references()
  try:
    config.update(changes)
  except (AttributeError, KeyError) as error:
    raise UserError(describe_missing_key(error)) from None
  compile_cache.enable_compile_cache()
  return training.run(config, os.fspath(workdir))


def read_clip(
  path: str | os.PathLike, layout: 'str | Layout | None' = None
) -> 'ParsedClip':
  """Returns the keypoints in a file of any format of docs/own_data.md.

    unik_jax.read_clip('alphapose-results.json').keypoints.shape

  Args:
    path: a file, or a folder of OpenPose's frames.
    layout: joint layout, or its name; only tables without joint names need it.

  Raises:
    UserError: the format is unknown, or the file is damaged.
  """
  from unik_jax.data.formats.user import recordings
  from unik_jax.skeletons.layouts import get_layout

  if isinstance(layout, str):
    layout = get_layout(layout)
  return recordings.parse_clip(recordings.ClipSource(os.fspath(path)), layout)


def __getattr__(name: str) -> Any:
  """Imports a name of the API when it is first used."""
  if name not in _MODULES:
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
  value = getattr(importlib.import_module(f'{__name__}.{_MODULES[name]}'), name)
  globals()[name] = value
  return value


def __dir__() -> list[str]:
  return sorted([*globals(), *__all__])
