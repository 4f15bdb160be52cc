"""Enrolled actions of a run: added, removed and listed."""

import itertools
import os
from collections.abc import Iterator

import numpy as np

from unik_jax.config import is_rocket
from unik_jax.errors import UserError
from unik_jax.predictor.clip_flags import Clips
from unik_jax.predictor.nearest_mean import fit_means
from unik_jax.predictor.predictor import Prediction
from unik_jax.run import paths
from unik_jax.run.enrolled_file import Enrolled, read_enrolled, write_enrolled
from unik_jax.run.restore import locate_run

_MIN_CLIPS = 2  # for a limit


def enroll(clips: Clips, label: str) -> list[Prediction]:
  """Enrolls an action in the run of the clips' model.

  Clips of the same action that were enrolled before are replaced.

  Args:
    clips: of the action.
    label: its name.

  Returns:
    Predictions for the clips, from before.

  Raises:
    UserError: the label is empty or a class of the run; there is only one clip;
      two clips are identical; actions were enrolled with other weights of the
      run; or a file cannot be read or written.
  """
  model, records = clips.model, clips.records
  folder = model.run.folder
  if is_rocket(model.run.config):
    raise UserError(
      f'{folder}: expected the run of a network, whose features new actions are'
      f' compared by, got one of {model.run.config.model.name}, which has none.'
      ' Name the run of a network'
    )
  if not label.strip() or label in model.classes:
    raise UserError(
      f'LABEL: expected a name that is not a class of {folder}, got {label!r}.'
      ' Choose another name'
    )
  if len(records) < _MIN_CLIPS:
    raise UserError(
      f'{label}: expected at least {_MIN_CLIPS} clips, got {len(records)}.'
      ' The distance between them tells which other clips are of the action;'
      ' five or more are better'
    )
  for one, other in itertools.combinations(records, 2):
    if np.array_equal(one['keypoints'], other['keypoints']):
      raise UserError(
        f'{clips.sources[other["clip"]]}: identical to'
        f' {clips.sources[one["clip"]]}. Name each clip once'
      )
  known = read_enrolled(folder)
  known = known and known.without(label)
  if known and len(known.labels) and known.weights != model.weights:
    raise UserError(
      f'{folder / paths.ENROLLED}: expected actions of the weights that --run'
      f' names, got some of other weights of this run:'
      f' {", ".join(sorted(set(known.labels.tolist())))}. Remove them with'
      ' --remove, then enroll them again'
    )
  predictions = model.predict_records(records, layout=clips.layout)
  labels = np.array([label] * len(records))
  features = np.stack([prediction.features for prediction in predictions])
  if known:
    labels = np.concatenate([known.labels, labels])
    features = np.concatenate([known.features, features])
  write_enrolled(folder, Enrolled(labels, features, model.weights))
  return predictions


def remove(run: str | os.PathLike, label: str) -> None:
  """Removes an enrolled action of a run.

  Args:
    run: as in `restore.load_run`.
    label: name of the action.

  Raises:
    UserError: there is no such action, or the file cannot be read or written.
  """
  folder = locate_run(run)
  known = read_enrolled(folder)
  names = [] if known is None else sorted(set(known.labels.tolist()))
  if known is None or label not in names:
    raise UserError(
      f'--remove: expected one of the enrolled actions'
      f' ({", ".join(names) or "none"}), got {label!r}'
    )
  write_enrolled(folder, known.without(label))


def describe(run: str | os.PathLike) -> Iterator[str]:
  """Yields a line for each enrolled action of a run.

  Args:
    run: as in `restore.load_run`.

  Raises:
    UserError: there is no run, or the file cannot be read.
  """
  folder = locate_run(run)
  known = read_enrolled(folder)
  if known is None:
    yield f'{folder}: no enrolled actions'
    return
  fitted = fit_means(known.labels, known.features)
  for name, limit in zip(fitted.labels, fitted.limits, strict=True):
    count = int((known.labels == name).sum())
    yield f'{name}: {count} clips, limit {limit:.4f}'
