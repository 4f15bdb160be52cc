"""Which of the forms of JSON a file has."""

from typing import Any

from unik_jax.data import raw_files
from unik_jax.data.formats.user import (
  alphapose,
  coco,
  mediapipe,
  mmpose,
  openpose,
)
from unik_jax.data.formats.user.people import Found
from unik_jax.errors import UserError


def parse_json(
  file: raw_files.RawFile,
  persons: int = 2,
  image_size: tuple[int, int] | None = None,
) -> Found:
  """The clip in a JSON file.

  Args:
    file: to be read.
    persons: how many are kept.
    image_size: (width, height), where the file does not say.

  Raises:
    UserError: no JSON, no form that is known, or as the form's `parse`.
  """
  return parse(load(file), str(file), persons, image_size)


def parse(
  data: Any,
  where: str,
  persons: int = 2,
  image_size: tuple[int, int] | None = None,
) -> Found:
  """As `parse_json`, of a value that `load` has read."""
  if alphapose.is_it(data):
    return alphapose.parse(data, where, persons)
  if coco.is_it(data):
    return coco.parse(data, where, persons)
  if mmpose.is_it(data):
    return mmpose.parse(data, where, persons)
  if mediapipe.is_it(data):
    return mediapipe.parse(data, where, persons, image_size)
  if isinstance(data, dict) and 'people' in data:
    raise UserError(
      f'{where}: a single frame of OpenPose; a clip is a folder of such files,'
      f' named *{openpose.SUFFIX}'
    )
  raise UserError(
    f'{where}: JSON of no form that is known; it is {describe(data)}. Looked'
    ' for were: a list of objects with image_id and keypoints (AlphaPose, COCO'
    ' results); an object with images and annotations (COCO keypoints); frames'
    ' with frame_id and instances (MMPose); a list of frames, each a list of'
    ' landmarks with x and y, also under "frames" (MediaPipe)'
  )


def load(file: raw_files.RawFile) -> Any:
  """The value of the file, integers as floats; a UserError if it has none."""
  try:
    return raw_files.read_json(file, parse_int=float)
  except UserError as error:
    if 'Extra data' not in str(error):
      raise
    raise UserError(
      f'{file}: several JSON values one after the other, as in JSON Lines;'
      ' write them as one list: [..., ...]'
    ) from None


def describe(data: Any, depth: int = 4) -> str:
  """What a value of JSON is, for a message: 'a list of lists of numbers'."""
  if isinstance(data, dict):
    keys = ', '.join(repr(key[:40]) for key in list(data)[:6])
    more = ', ...' if len(data) > 6 else ''
    text = f'an object with keys {keys}{more}' if data else 'an empty object'
    if len(data) == 1 and depth:
      (value,) = data.values()
      text += f', which holds {describe(value, depth - 1)}'
    return text
  if isinstance(data, list):
    if not data or not depth:
      return 'a list' if data else 'an empty list'
    return f'a list of {len(data)}, the first {describe(data[0], depth - 1)}'
  return {str: 'text', float: 'a number', bool: 'true or false'}.get(
    type(data), 'null'
  )
