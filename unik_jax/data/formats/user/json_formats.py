"""JSON files of pose estimators: their format is detected from the content."""

from typing import Any

from unik_jax.data import raw_files
from unik_jax.data.formats.user import (
  alphapose,
  coco,
  holistic,
  mediapipe,
  mmpose,
  openpose,
  ultralytics,
)
from unik_jax.data.formats.user.keypoints import ParsedClip
from unik_jax.errors import UserError


def parse_json(
  file: raw_files.RawFile,
  persons: int = 2,
  image_size: tuple[int, int] | None = None,
  confidence: bool | None = None,
  joints: int | None = None,
) -> ParsedClip:
  """Returns the clip in a JSON file.

  Args:
    file: the file.
    persons: maximum number of persons.
    image_size: (width, height), for files that do not state it.
    confidence: whether the last number of landmarks without keys is a
      confidence; None means that the fourth of four is.
    joints: expected number of joints. With 33, the body's landmarks are read of
      files that have hands too.

  Raises:
    UserError: the file is not JSON, its format is unknown, or the format's
      parser refuses it.
  """
  return parse_json_value(
    load_json(file), str(file), persons, image_size, confidence, joints
  )


def parse_json_value(
  data: Any,
  where: str,
  persons: int = 2,
  image_size: tuple[int, int] | None = None,
  confidence: bool | None = None,
  joints: int | None = None,
) -> ParsedClip:
  """Same as `parse_json`, for a value from `load_json`."""
  if alphapose.is_alphapose(data):
    return alphapose.parse_alphapose(data, where, persons)
  if ultralytics.is_ultralytics(data):
    return ultralytics.parse_ultralytics(data, where, persons)
  if coco.is_coco(data):
    return coco.parse_coco(data, where, persons)
  if mmpose.is_mmpose(data):
    return mmpose.parse_mmpose(data, where, persons)
  if holistic.is_holistic(data) and joints != 33:
    merged = holistic.merge_parts(data, where)
    clip = mediapipe.parse_mediapipe(merged, where, persons, image_size)
    notes = (*clip.notes, holistic.NOTE)
    return clip._replace(layout=holistic.LAYOUT, notes=notes)
  if mediapipe.is_mediapipe(data):
    return mediapipe.parse_mediapipe(
      data, where, persons, image_size, confidence
    )
  if alphapose.is_poseflow(data):
    return alphapose.parse_poseflow(data, where, persons)
  if alphapose.is_by_person(data):
    return alphapose.parse_by_person(data, where, persons)
  if isinstance(data, dict) and 'people' in data:
    raise UserError(
      f'{where}: expected a clip, got a single frame of OpenPose. End the names'
      f' of the frames with {openpose.SUFFIX}, and name their folder'
    )
  raise UserError(
    f'{where}: unknown JSON format. Expected a list of objects with image_id'
    ' and keypoints (AlphaPose, COCO results), an object with images and'
    ' annotations (COCO keypoints), frames with frame_id and instances'
    ' (MMPose), bodies by frame (PoseFlow) or by person and frame, a list of'
    ' frames of bodies (Ultralytics), or a list of frames, also under "frames",'
    ' each a list of landmarks with x and y (MediaPipe); got'
    f' {describe_json(data)}'
  )


def load_json(file: raw_files.RawFile) -> Any:
  """Returns a file's value with integers as floats; UserError if not JSON."""
  try:
    return raw_files.read_json(file, parse_int=float)
  except UserError as error:
    if 'Extra data' not in str(error):
      raise
    raise UserError(
      f'{file}: expected one JSON value, got several, as in JSON Lines. Write'
      ' them as one list: [..., ...]'
    ) from None


def describe_json(data: Any, depth: int = 4) -> str:
  """Describes a JSON value for an error, as in 'a list of 3, the first text'.

  Args:
    data: the value.
    depth: levels of nesting to describe.
  """
  if isinstance(data, dict):
    keys = ', '.join(repr(key[:40]) for key in list(data)[:6])
    more = ', ...' if len(data) > 6 else ''
    text = f'an object with keys {keys}{more}' if data else 'an empty object'
    if len(data) == 1 and depth:
      (value,) = data.values()
      text += f', which holds {describe_json(value, depth - 1)}'
    return text
  if isinstance(data, list):
    if not data or not depth:
      return 'a list' if data else 'an empty list'
    first = describe_json(data[0], depth - 1)
    return f'a list of {len(data)}, the first {first}'
  return {str: 'text', float: 'a number', bool: 'true or false'}.get(
    type(data), 'null'
  )
