"""The answers of a run for each clip of a split, as a file."""

import os
import zipfile
from typing import NamedTuple

import numpy as np

from unik_jax import whole
from unik_jax.errors import UserError


class Scores(NamedTuple):
  """A split's answers.

  Attributes:
    ids: (N,) names of the clips.
    labels: (N,) true classes.
    logits: (N, K).
    classes: (K,) names, in label order.
  """

  ids: np.ndarray
  labels: np.ndarray
  logits: np.ndarray
  classes: np.ndarray


def write(
  path: str | os.PathLike, scores: Scores, remedy: str = whole.ROOM
) -> None:
  """Writes scores as .npz, as `whole.writing` does."""
  with whole.writing(path, remedy) as part, part.open('wb') as file:
    np.savez(file, **scores._asdict())


def read(path: str | os.PathLike) -> Scores:
  """Reads what `write` wrote; nothing is unpickled.

  Raises:
    UserError: no such file, or broken.
  """
  try:
    with np.load(path, allow_pickle=False) as file:
      scores = Scores(*(file[name] for name in Scores._fields))
  except FileNotFoundError:
    raise UserError(
      f'{path}: no such file; a run writes it when it has ended, or with'
      ' --config.eval_only=true'
    ) from None
  except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
    raise UserError(
      f'{path}: cannot be read ({error}); evaluate the run again, with'
      ' --config.eval_only=true'
    ) from None
  clips, classes = len(scores.ids), len(scores.classes)
  if scores.logits.shape != (clips, classes) or len(scores.labels) != clips:
    raise UserError(
      f'{path}: {clips} clips and {classes} classes, but scores of shape'
      f' {scores.logits.shape}; evaluate the run again'
    )
  return scores
