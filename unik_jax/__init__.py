"""Skeleton-based action recognition in JAX: UNIK (BMVC 2021) and beyond."""

import os
import typing

if typing.TYPE_CHECKING:
  from unik_jax.predictor.predictor import Predictor

__version__ = '0.1.0'


def load(path: str | os.PathLike) -> 'Predictor':
  """Opens a trained model for prediction.

    model = unik_jax.load('runs/mine')
    model.predict([keypoints])[0].label

  Args:
    path: the --workdir of a run, for its newest checkpoint; its `best`, for
      the best on validation clips; or one of its `checkpoints/STEP`.

  Returns:
    A `unik_jax.predictor.predictor.Predictor`.

  Raises:
    UserError: there is no run, or its files cannot be read.
  """
  # Imported here, so that `import unik_jax` stays fast.
  from unik_jax.predictor.predictor import load_predictor

  return load_predictor(path)
