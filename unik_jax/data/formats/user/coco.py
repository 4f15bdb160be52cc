"""COCO's keypoint annotations, as annotation tools and PoseTrack write them.

  {"images": [{"id": 1, "file_name": "000001.jpg", "width": 640,
               "height": 480}, ...],
   "annotations": [{"image_id": 1, "track_id": 3,
                    "keypoints": [x, y, v, ...]}, ...]}

A file is one clip, and its images are the frames. v is 0 for a joint without a
label, 1 for a hidden joint, 2 for a visible one.
"""

from typing import Any

import numpy as np

from unik_jax.data.formats.user import alphapose
from unik_jax.data.formats.user.fields import parse_body, parse_image_size
from unik_jax.data.formats.user.frame_names import place_frames
from unik_jax.data.formats.user.keypoints import NobodySeenError, ParsedClip
from unik_jax.data.formats.user.tracking import track_persons
from unik_jax.errors import UserError


def is_coco(data: Any) -> bool:
  """Returns whether a JSON value has this format."""
  return isinstance(data, dict) and {'images', 'annotations'} <= data.keys()


def parse_coco(data: dict, where: str, persons: int = 2) -> ParsedClip:
  """Returns the clip of images and annotations.

  Every image is a frame. Frames are in the order of their file names
  (`place_frames`), or of their ids if names are missing. Persons are identified
  by `track_id`, also within `attributes`, where CVAT writes it, and otherwise
  linked from frame to frame (`track_persons`). Annotations without keypoints
  are skipped.

  Args:
    data: the JSON value, integers as floats.
    where: the file, for errors.
    persons: maximum number of persons.

  Returns:
    (M, T, V, 3): x, y in pixels, and v (or the file's value in its place).

  Raises:
    UserError: images of several videos or sizes or without an id, an
      annotation of an unknown image or of another form, or no person.
  """
  images = _check_objects(data['images'], f'{where}, images')
  _check_one_video(images, where)
  frame_by_id, notes = _order_images(images, where)
  sizes = [(image.get('width'), image.get('height')) for image in images]
  if other := [size for size in sizes if size != sizes[0]]:
    raise UserError(
      f'{where}: expected images of one size, got {sizes[0]} and {other[0]}.'
      ' Write one file per clip'
    )
  poses, times, ids = [], [], []
  for n, body in enumerate(
    _check_objects(data['annotations'], f'{where}, annotations')
  ):
    if body.get('keypoints') in (None, []):
      continue
    place = f'{where}, annotation {n}'
    image = body.get('image_id')
    if not isinstance(image, float | str) or image not in frame_by_id:
      raise UserError(f'{place}: image_id {image!r} is not among the images')
    expected = len(poses[0]) if poses else None
    poses.append(parse_body(body['keypoints'], place, expected))
    times.append(frame_by_id[image])
    attributes = body.get('attributes')
    nested = attributes if isinstance(attributes, dict) else {}
    ids.append(body.get('track_id', nested.get('track_id')))
  if not poses:
    raise NobodySeenError.in_file(where, len(images))
  clip = track_persons(
    np.stack(poses),
    np.array(times),
    None if None in ids else list(map(str, ids)),
    length=len(images),
    persons=persons,
    confidence=True,
  )
  return ParsedClip(
    clip,
    True,
    alphapose.LAYOUTS.get(clip.shape[2], ''),
    'pixels',
    parse_image_size(sizes[0], where),
    notes=notes,
  )


def _check_objects(values, where):
  if isinstance(values, list) and all(isinstance(v, dict) for v in values):
    return values
  raise UserError(f'{where}: expected a list of objects. Write the file again')


def _check_one_video(images, where):
  videos = {str(image.get('video_id')) for image in images}
  if len(videos) > 1:
    raise UserError(
      f'{where}: video_id: expected one video, got {len(videos)}. Write one'
      ' file per video'
    )


def _order_images(images, where):
  """Returns the frame index of each image by its id, and notes."""
  ids = [image.get('id') for image in images]
  if len(set(map(str, ids))) < len(ids) or not all(
    isinstance(i, float | str) for i in ids
  ):
    raise UserError(
      f'{where}: id: expected a different number or text for each image'
    )
  names = [image.get('file_name') for image in images]
  keys, notes = [(isinstance(i, str), i) for i in ids], ()
  if names and all(isinstance(name, str) for name in names):
    keys, notes = place_frames(names, where)
  order = sorted(range(len(ids)), key=keys.__getitem__)
  return {ids[i]: frame for frame, i in enumerate(order)}, notes
