"""Results of Ultralytics' pose models (YOLO), as JSON and as label files.

`Results.to_json()` gives the bodies of a frame. A clip is a list of frames:

  [[{"name": "person", "confidence": 0.9, "box": {...}, "track_id": 1,
     "keypoints": {"x": [...], "y": [...], "visible": [...]}}, ...], ...]

`save_txt=True` writes VIDEO_FRAME.txt for each frame with a body. A line is a
body: class, box (4 values), x y [confidence] of each joint, [confidence of the
body], [track]. x and y are fractions of the image.
"""

import itertools
import os
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from unik_jax.data import raw_files
from unik_jax.data.formats.user import alphapose
from unik_jax.data.formats.user.frame_names import place_frames
from unik_jax.data.formats.user.keypoints import NobodySeenError, ParsedClip
from unik_jax.data.formats.user.tracking import track_persons
from unik_jax.errors import UserError

SUFFIX = '.txt'
_BOX = 5  # values before the joints: class, x, y, width, height
_NAME = re.compile(r'.*\d\.txt')  # of a frame's file


def is_ultralytics(data: Any) -> bool:
  """Returns whether a JSON value has this format: one frame, or a list."""
  if not isinstance(data, list):
    return False
  first = next((value for value in data if value), None)
  if isinstance(first, list):
    first = first[0]
  points = first.get('keypoints') if isinstance(first, dict) else None
  return isinstance(points, dict) and {'x', 'y'} <= points.keys()


def parse_ultralytics(data: list, where: str, persons: int = 2) -> ParsedClip:
  """Returns the clip of a list of frames.

  Persons are identified by `track_id`, or else linked from frame to frame
  (`track_persons`).

  Args:
    data: the JSON value, integers as floats.
    where: the file, for errors.
    persons: maximum number of persons.

  Returns:
    (M, T, V, C): x, y in pixels (fractions if so written), and confidence if
    the model has one.

  Raises:
    UserError: a frame or a body has another form, or there is no person.
  """
  poses, frames, ids = [], [], []
  for t, bodies in enumerate(data):
    if not isinstance(bodies, list):
      raise UserError(
        f'{where}, record {t}: expected a list of the bodies in a frame. Write'
        ' a list of frames: [json.loads(r.to_json()) for r in results]'
      )
    for m, body in enumerate(bodies):
      poses.append(_parse_body(body, f'{where}, frame {t}, body {m}', poses))
      frames.append(t)
      ids.append(body.get('track_id'))
  if not poses:
    raise NobodySeenError.in_file(where, len(data))
  clip = track_persons(
    np.stack(poses),
    np.array(frames),
    None if None in ids else list(map(str, ids)),
    length=len(data),
    persons=persons,
    confidence=poses[0].shape[1] == 3,
  )
  return _make_clip(clip, 'pixels', ())


def _parse_body(body, where, before):
  """Returns (V, C) of a body, with as many joints and channels as before."""
  points = body.get('keypoints') if isinstance(body, dict) else None
  try:
    columns = [points[key] for key in ('x', 'y')]
    columns += [points['visible']] if 'visible' in points else []
    pose = np.array(columns, np.float64).T
  except (TypeError, KeyError, ValueError):
    pose = np.zeros(0)
  if pose.ndim != 2 or not pose.size:
    raise UserError(
      f'{where}: expected keypoints with lists x and y, and visible of the same'
      ' length. Write the file again'
    )
  if before and pose.shape != before[0].shape:
    raise UserError(
      f'{where}: expected {before[0].shape[0]} joints with'
      f' {before[0].shape[1]} channels, as before, got {pose.shape[0]} with'
      f' {pose.shape[1]}. Use one model per clip'
    )
  return pose


def _make_clip(clip, units, notes):
  layout = alphapose.LAYOUTS.get(clip.shape[2], '')
  return ParsedClip(clip, clip.shape[-1] == 3, layout, units, notes=notes)


def is_frame_file(folder: str, name: str) -> bool:
  """Returns whether a file's first line is a label line of a pose model."""
  if not _NAME.fullmatch(name):
    return False
  try:
    with open(os.path.join(folder, name), encoding='ascii') as file:
      line = file.readline(100_000).split()
    return len(line) > _BOX + 4 and all(map(np.isfinite, map(float, line)))
  except (OSError, ValueError):
    return False


def read_frames(
  folder: str,
  names: Sequence[str],
  where: str,
  persons: int = 2,
  joints: int | None = None,
) -> ParsedClip:
  """Returns the clip in the label files of a video's frames.

  Args:
    folder: folder of the files.
    names: names of the files.
    where: the clip, for errors.
    persons: maximum number of persons.
    joints: number of joints, if the user states the layout.

  Returns:
    (M, T, V, C): x, y as fractions of the image, and confidence if the model
    has one.

  Raises:
    UserError: a file has other lines, or no joint is seen.
  """
  indices, notes = place_frames([n.removesuffix(SUFFIX) for n in names], where)
  rows, frames, width = [], [], 0
  for name, frame in zip(names, indices, strict=True):
    file = raw_files.RawFile(os.path.join(folder, name))
    text = file.read_bytes().decode('ascii', 'replace')
    for n, line in enumerate(filter(str.strip, text.split('\n')), 1):
      try:
        values = [float(word) for word in line.split()]
      except ValueError:
        values = []
      width = width or len(values)
      if len(values) != width or width <= _BOX:
        raise UserError(
          f'{file}, line {n}: expected {width or "some"} numbers: class, box'
          f' and x y of each joint, got {line[:80]!r}'
        )
      rows.append(values)
      frames.append(frame)
  if not rows:
    raise NobodySeenError.in_file(where, len(names))
  poses, ids = _split_columns(np.array(rows)[:, _BOX:], joints, where)
  clip = track_persons(
    poses,
    np.array(frames),
    ids,
    length=int(indices.max()) + 1,
    persons=persons,
    confidence=poses.shape[2] == 3,
  )
  return _make_clip(clip, 'fractions', notes)


def _split_columns(values, expected, where):
  """Returns (N, V, C) poses, and the track of each body or None.

  The lines do not say which values they have. Joints with a confidence, and a
  number of joints that is expected, or that a layout has, are taken first.
  """
  readings = []
  known = (expected,) if expected else alphapose.LAYOUTS
  for channels, extra in itertools.product((3, 2), range(3)):
    joints, rest = divmod(values.shape[1] - extra, channels)
    if joints > 0 and not rest:
      readings.append((joints not in known, -channels, extra, joints))
  if not readings:
    raise UserError(
      f'{where}: expected x y, or x y confidence, of each joint, got'
      f' {values.shape[1]} values'
    )
  _, _, extra, joints = min(readings)
  used = values.shape[1] - extra
  poses = values[:, :used].reshape(len(values), joints, -1)
  extra = values[:, used:]
  # The confidence of a body comes first, and its track last.
  is_track = extra.shape[1] == 2 or (
    extra.shape[1] == 1 and (extra % 1 == 0).all() and (extra >= 1).all()
  )
  ids = list(map(str, extra[:, -1])) if is_track else None
  return poses, ids
