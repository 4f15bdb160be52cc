"""Predictions as JSON, as a table, and drawn on videos."""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from unik_jax.data.formats.user.recordings import ClipSource
from unik_jax.data.formats.video import overlay, poses
from unik_jax.predictor.inputs import is_video

if TYPE_CHECKING:  # imports JAX
  from unik_jax.predictor.predictor import Prediction


def to_json_fields(prediction: 'Prediction | None') -> dict[str, Any]:
  """Returns the fields of JSON.

  They are label, probability, top, unfamiliar and enrolled of a `Prediction`.

  Args:
    prediction: None if nobody is seen; then all are None, and top is empty.
  """
  if prediction is None:
    empty = ('label', 'probability', 'unfamiliar', 'enrolled')
    return {'top': [], **dict.fromkeys(empty)}
  probability, match = prediction.probability, prediction.enrolled
  return {
    'label': prediction.label,
    'probability': None if probability is None else round(probability, 6),
    'top': [[name, round(p, 6)] for name, p in prediction.top],
    'unfamiliar': prediction.unfamiliar,
    'enrolled': match
    and {'distance': round(match.distance, 6), 'limit': round(match.limit, 6)},
  }


def format_json_lines(
  sources: Sequence[ClipSource], predictions: Sequence['Prediction']
) -> Iterator[str]:
  """Yields a line of JSON per prediction.

  Args:
    sources: the clips.
    predictions: for the clips.
  """
  for prediction in predictions:
    person = prediction.person
    yield json.dumps(
      {'file': str(sources[prediction.clip])}
      | ({} if person is None else {'person': person})
      | to_json_fields(prediction)
    )


def format_table(
  sources: Sequence[ClipSource], predictions: Sequence['Prediction']
) -> Iterator[str]:
  """Yields the lines of a table, its header first.

  Args:
    sources: the clips.
    predictions: for the clips.
  """
  rows = [('file', 'person', 'prediction', 'probability', 'next best')]
  for prediction in predictions:
    others = prediction.top[prediction.enrolled is None :]
    rows.append(
      (
        str(sources[prediction.clip]),
        str(prediction.person),
        prediction.label,
        _certainty(prediction, '.1%'),
        ', '.join(f'{label} {p:.1%}' for label, p in others),
      )
    )
  together = all(prediction.person is None for prediction in predictions)
  # Without --each_person, or with one class, a column would be empty.
  columns = [
    column
    for column in zip(*rows, strict=True)
    if any(column[1:]) and not (together and column[0] == 'person')
  ]
  widths = [max(map(len, column)) for column in columns]
  for row in zip(*columns, strict=True):
    cells = (c.ljust(w) for c, w in zip(row, widths, strict=True))
    yield '  '.join(cells).rstrip()


def _certainty(prediction, form):
  """Returns the probability, or that the action is an enrolled one."""
  if prediction.probability is None:
    return 'enrolled'
  return format(prediction.probability, form)


def write_videos(
  sources: Sequence[ClipSource],
  predictions: Sequence['Prediction'],
  draw: str,
  save: str,
  say: Callable[[str], None],
) -> None:
  """Draws predictions on videos, and saves their keypoints.

  Args:
    sources: the clips; those that are no videos are skipped.
    predictions: for the clips.
    draw: folder for videos with skeletons and predictions; '' for none.
    save: folder for keypoints; '' for none.
    say: is called with each message for the user.

  Raises:
    UserError: a file cannot be written.
  """
  for n in sorted({prediction.clip for prediction in predictions}):
    if not is_video(sources[n]):
      continue
    path = sources[n].path
    video = poses.estimate_poses(path)
    if video.note:
      say(f'note: {video.note}')
    say(
      f'{path}: {video.keypoints.shape[1]} frames,'
      f' {video.milliseconds:.0f} ms each to find poses'
    )
    if save:
      say(f'keypoints: {poses.save_keypoints(path, save)}')
    if draw:
      lines = [
        ('' if one.person is None else f'person {one.person}: ')
        + f'{one.label} {_certainty(one, ".0%")}'
        for one in predictions
        if one.clip == n
      ]
      say(f'drawn: {overlay.draw_video(path, lines, draw)}')
