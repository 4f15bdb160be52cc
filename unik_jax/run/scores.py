"""A run's logits for every clip of a split, as a file."""

import io
import os
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from unik_jax.errors import UserError
from unik_jax.runtime.atomic_files import ROOM, as_sentence, atomic_write

_AGAIN = (
  'The command that made it writes it again; a finished run is not trained'
  ' further.'
)


class Scores(NamedTuple):
  """The logits of a split.

  Attributes:
    ids: (N,) names of the clips.
    labels: (N,) true classes.
    logits: (N, K).
    classes: (K,) class names, in label order.
    split: the split of the clips; '' if not known.
    views: samplings of each clip whose probabilities were averaged; 0 if not
      known.
    seen: (N,) whether each clip is also in training, itself or as an identical
      clip; None if none is, or if not known.
  """

  ids: np.ndarray
  labels: np.ndarray
  logits: np.ndarray
  classes: np.ndarray
  split: str = ''
  views: int = 0
  seen: np.ndarray | None = None


def write_scores(
  path: str | os.PathLike, scores: Scores, remedy: str = ROOM
) -> None:
  """Writes scores as compressed .npz, atomically.

  Args:
    path: file to write.
    scores: the logits and what they belong to.
    remedy: the fix, for the error if the file cannot be written.

  Raises:
    UserError: the file cannot be written.
  """
  arrays = {k: v for k, v in scores._asdict().items() if v is not None}
  with atomic_write(path, remedy) as part, part.open('wb') as file:
    np.savez_compressed(file, **arrays)


def read_scores(path: str | os.PathLike) -> Scores:
  """Reads what `write_scores` wrote. Nothing is unpickled.

  Raises:
    UserError: the file is missing or broken.
  """
  try:
    # From memory: NumPy leaves a broken file open.
    content = io.BytesIO(pathlib.Path(path).read_bytes())
    with np.load(content, allow_pickle=False) as file:
      scores = Scores(*(file[name] for name in Scores._fields[:4]))
      if 'split' in file:  # files of older versions have neither
        scores = scores._replace(
          split=str(file['split']), views=int(file['views'])
        )
      if 'seen' in file:
        scores = scores._replace(seen=file['seen'].astype(bool))
  except FileNotFoundError:
    raise UserError(
      f'{path}: no such file. A run writes it when it has finished. {_AGAIN}'
    ) from None
  except Exception as error:  # numpy raises many kinds for a broken file
    raise UserError(
      f'{path}: cannot be read ({error}). Remove it. {_AGAIN}'
    ) from None
  clips, classes = len(scores.ids), len(scores.classes)
  if scores.logits.shape != (clips, classes) or len(scores.labels) != clips:
    raise UserError(
      f'{path}: expected logits of shape {(clips, classes)} and {clips} labels,'
      f' got {scores.logits.shape} and {len(scores.labels)}. Remove it.'
      f' {_AGAIN}'
    )
  if scores.seen is not None and scores.seen.shape != (clips,):
    raise UserError(
      f'{path}: expected `seen` of shape {(clips,)}, got {scores.seen.shape}.'
      f' Remove it. {_AGAIN}'
    )
  return scores


def drop_clips(scores: Scores, ids: np.ndarray) -> Scores:
  """Returns the scores of the other clips.

  Args:
    scores: the scores.
    ids: names of the clips to drop.
  """
  rows = ~np.isin(scores.ids, ids)
  return scores._replace(
    ids=scores.ids[rows],
    labels=scores.labels[rows],
    logits=scores.logits[rows],
    seen=None if scores.seen is None else scores.seen[rows],
  )


def join_seen(runs: Sequence[Scores]) -> np.ndarray | None:
  """Returns (N,) whether some run has each clip in training; None if none has.

  Args:
    runs: scores of the same clips in the same order, from `align_scores`.
  """
  known = [scores.seen for scores in runs if scores.seen is not None]
  return np.any(known, axis=0) if known else None


def align_scores(
  runs: Sequence[Scores],
  names: Sequence[str],
  remedy: str = 'evaluate one of them on the split of the other with'
  ' --config.eval_only=true, and name the scores/evaluation.npz that it writes',
) -> list[Scores]:
  """Brings the scores of several runs into the clip order of the first.

  Args:
    runs: scores of each run.
    names: name of each run, for errors.
    remedy: the fix, for the error if the clips differ.

  Raises:
    UserError: the clips, their labels or the classes differ.
  """
  for name, scores in zip(names, runs, strict=True):
    ids, counts = np.unique(scores.ids, return_counts=True)
    if (counts > 1).any():
      raise UserError(
        f'{name}: expected each clip once, got {ids[counts.argmax()]!s} twice'
      )
  first, *others = runs
  aligned = [first]
  for name, other in zip(names[1:], others, strict=True):
    if list(other.classes) != list(first.classes):
      raise UserError(
        f'{name} and {names[0]} have different classes:'
        f' {_difference(other.classes, first.classes)}. Use runs of the same'
        ' data.'
      )
    if set(other.ids) != set(first.ids):
      raise UserError(
        f'{name} and {names[0]} have different clips:'
        f' {_difference(other.ids, first.ids)}.'
        f' {as_sentence(remedy)}'
      )
    row_of = {clip: row for row, clip in enumerate(other.ids)}
    order = [row_of[clip] for clip in first.ids]
    labels = other.labels[order]
    if (differs := labels != first.labels).any():
      clip = differs.argmax()
      raise UserError(
        f'{name} and {names[0]} have different labels for {differs.sum()}'
        f' clips. The first, {first.ids[clip]}, is'
        f' {first.classes[labels[clip]]!s} in one and'
        f' {first.classes[first.labels[clip]]!s} in the other.'
      )
    seen = None if other.seen is None else other.seen[order]
    aligned.append(first._replace(logits=other.logits[order], seen=seen))
  return aligned


def pool_scores(parts: Sequence[Scores]) -> Scores:
  """Returns the scores of several splits as those of one split.

  Args:
    parts: scores of different clips with the same classes, such as those of the
      folds of a cross-validation.
  """
  if len(parts) == 1:
    return parts[0]
  seen = [
    np.zeros(len(part.ids), bool) if part.seen is None else part.seen
    for part in parts
  ]
  return Scores(
    ids=np.concatenate([part.ids for part in parts]),
    labels=np.concatenate([part.labels for part in parts]),
    logits=np.concatenate([part.logits for part in parts]),
    classes=parts[0].classes,
    views=parts[0].views,
    seen=np.concatenate(seen) if np.any(np.concatenate(seen)) else None,
  )


def _difference(names, other_names):
  """Says how two lists of names differ."""
  extra, missing = (
    [name for name in a if name not in set(b)]
    for a, b in ((names, other_names), (other_names, names))
  )
  phrases = [f'{len(names)} and {len(other_names)}']
  if extra:
    phrases.append(f'{len(extra)} only in the former, such as {extra[0]!s}')
  if missing:
    phrases.append(f'{len(missing)} only in the latter, such as {missing[0]!s}')
  if not (extra or missing):
    phrases.append('the same in another order')
  return ', '.join(phrases)
