"""Skeleton-based action recognition in JAX: UNIK (BMVC 2021) and beyond."""

import os
import typing

if typing.TYPE_CHECKING:
  from unik_jax.predict.predictor import Predictor

__version__ = '0.1.0'


def load(path: str | os.PathLike) -> 'Predictor':
  """Opens a trained model, to answer for clips of one's own.

    model = unik_jax.load('runs/mine')
    model.predict(keypoints)[0].label

  Args:
    path: the --workdir of a run, for its newest checkpoint; its `best`, for
      the best on validation; or one of its `checkpoints/STEP`.

  Returns:
    A `unik_jax.predict.predictor.Predictor`.

  Raises:
    UserError: no run there, or its files cannot be read.
  """
  # Imported here, so that importing unik_jax takes no time.
  from unik_jax.predict import predictor

  return predictor.load(path)
