"""The answers of a run for each clip of a split, as a file."""

import os
import zipfile
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from unik_jax.errors import UserError
from unik_jax.runtime import atomic_files

# Whichever file it is: evaluating writes none of the validation split.
_AGAIN = (
  'The command that made it writes it again: of a run that has ended, without'
  ' training further'
)


class Scores(NamedTuple):
  """A split's answers.

  Attributes:
    ids: (N,) names of the clips.
    labels: (N,) true classes.
    logits: (N, K).
    classes: (K,) names, in label order.
    split: that the clips are of; '' where it is not known.
    views: of a clip, whose answers were averaged; 0 likewise.
  """

  ids: np.ndarray
  labels: np.ndarray
  logits: np.ndarray
  classes: np.ndarray
  split: str = ''
  views: int = 0


def write(
  path: str | os.PathLike, scores: Scores, remedy: str = atomic_files.ROOM
) -> None:
  """Writes scores as .npz, as `whole.writing` does."""
  with atomic_files.atomic_write(path, remedy) as part, part.open('wb') as file:
    np.savez(file, **scores._asdict())


def read(path: str | os.PathLike) -> Scores:
  """Reads what `write` wrote; nothing is unpickled.

  Raises:
    UserError: no such file, or broken.
  """
  try:
    with np.load(path, allow_pickle=False) as file:
      scores = Scores(*(file[name] for name in Scores._fields[:4]))
      if 'split' in file:  # files of old have neither
        scores = scores._replace(
          split=str(file['split']), views=int(file['views'])
        )
  except FileNotFoundError:
    raise UserError(
      f'{path}: no such file; a run writes it when it has ended. {_AGAIN}'
    ) from None
  except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
    raise UserError(
      f'{path}: cannot be read ({error}); remove it. {_AGAIN}'
    ) from None
  clips, classes = len(scores.ids), len(scores.classes)
  if scores.logits.shape != (clips, classes) or len(scores.labels) != clips:
    raise UserError(
      f'{path}: {clips} clips and {classes} classes, but scores of shape'
      f' {scores.logits.shape}; remove it. {_AGAIN}'
    )
  return scores


def align(
  found: Sequence[Scores],
  names: Sequence[str],
  remedy: str = 'evaluate one on the split of the other, with'
  ' --config.eval_only=true, and name the scores/evaluation.npz that it writes',
) -> list[Scores]:
  """Answers to the same clips, in the order of the first.

  Args:
    found: answers of each run.
    names: of the runs, for errors.
    remedy: where they are of other clips.

  Raises:
    UserError: the clips, their labels or the classes differ.
  """
  first, *others = found
  for name, other in zip(names, found, strict=True):
    ids, counts = np.unique(other.ids, return_counts=True)
    if (counts > 1).any():
      raise UserError(f'{name}: clip {ids[counts.argmax()]!s} is there twice')
  out = [first]
  for name, other in zip(names[1:], others, strict=True):
    if list(other.classes) != list(first.classes):
      raise UserError(
        f'{name} and {names[0]} are of different classes:'
        f' {_difference(other.classes, first.classes)}; fuse runs of the same'
        ' data'
      )
    if set(other.ids) != set(first.ids):
      raise UserError(
        f'{name} and {names[0]} are over different clips:'
        f' {_difference(other.ids, first.ids)}; {remedy}'
      )
    place = {clip: row for row, clip in enumerate(other.ids)}
    order = [place[clip] for clip in first.ids]
    labels = other.labels[order]
    if (wrong := labels != first.labels).any():
      clip = wrong.argmax()
      raise UserError(
        f'{name} and {names[0]} have different labels for {wrong.sum()} clips;'
        f' the first, {first.ids[clip]}, is'
        f' {first.classes[labels[clip]]!s} in one and'
        f' {first.classes[first.labels[clip]]!s} in the other'
      )
    out.append(first._replace(logits=other.logits[order]))
  return out


def _difference(ours, theirs):
  """How two lists of names differ, in words."""
  extra, missing = (
    [n for n in a if n not in set(b)]
    for a, b in ((ours, theirs), (theirs, ours))
  )
  words = [f'{len(ours)} and {len(theirs)}']
  if extra:
    words.append(f'{len(extra)} only in the former, such as {extra[0]!s}')
  if missing:
    words.append(f'{len(missing)} only in the latter, such as {missing[0]!s}')
  if not (extra or missing):
    words.append('the same in another order')
  return ', '.join(words)
