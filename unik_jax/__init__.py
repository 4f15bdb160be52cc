"""Skeleton-based action recognition in JAX: UNIK (BMVC 2021) and beyond.

  import unik_jax

  unik_jax.prepare_dataset('skeleton_folder/moves', manual_dir='moves')
  unik_jax.train('own:moves', 'runs/moves')
  model = unik_jax.load('runs/moves')
  for prediction in model.predict('new_clips/'):
    print(prediction.file, prediction.label, prediction.probability)

The names below are the Python API. They are imported when first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
  from unik_jax.api import load, read_clip, train
  from unik_jax.configs import load_config
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

# The module of each name.
_MODULES = {
  'Layout': 'skeletons.layouts',
  'Network': 'models.network',
  'Prediction': 'predictor.predictor',
  'Predictor': 'predictor.predictor',
  'Stream': 'predictor.stream',
  'UserError': 'errors',
  'get_layout': 'skeletons.layouts',
  'load': 'api',
  'load_config': 'configs',
  'prepare_dataset': 'data.registry',
  'read_clip': 'api',
  'train': 'api',
}


def __getattr__(name: str) -> Any:
  """Imports a name of the API when it is first used."""
  if name not in _MODULES:
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
  value = getattr(importlib.import_module(f'{__name__}.{_MODULES[name]}'), name)
  globals()[name] = value
  return value


def __dir__() -> list[str]:
  return sorted([*globals(), *__all__])
