"""COCO's keypoint annotations, as annotation tools and PoseTrack have them.

  {"images": [{"id": 1, "file_name": "000001.jpg", "width": 640,
               "height": 480}, ...],
   "annotations": [{"image_id": 1, "track_id": 3,
                    "keypoints": [x, y, v, ...]}, ...]}

A file is one clip, its images the frames. v is 0 for a joint that is not
labelled, 1 for one that is hidden, 2 for one that can be seen.
"""

import re
from typing import Any

import numpy as np

from unik_jax.data.formats.user import alphapose, people
from unik_jax.data.formats.user.people import Found
from unik_jax.errors import UserError


def is_it(data: Any) -> bool:
  """Whether the value of a JSON file is of this form."""
  return isinstance(data, dict) and {'images', 'annotations'} <= data.keys()


def parse(data: dict, where: str, persons: int = 2) -> Found:
  """One clip.

  Frames are in the order of their file names (numbers in them by value), or
  of their ids where names are missing. Persons are told apart by `track_id`,
  also among the `attributes` as CVAT has it, and else by where they are
  (`people.tracks`). Annotations without keypoints are not read.

  Args:
    data: the value of the JSON file, integers as floats.
    where: the file, to be named in errors.
    persons: how many are kept.

  Returns:
    (M, T, V, 3): x, y in pixels and v (or whatever the file has for it).

  Raises:
    UserError: images of several videos or sizes, or without an id, an
      annotation of no image or not of the form, or nobody at all.
  """
  images = _dicts(data['images'], f'{where}, images')
  _check_one_video(images, where)
  frame = _order(images, where)
  sizes = [(image.get('width'), image.get('height')) for image in images]
  if other := [size for size in sizes if size != sizes[0]]:
    raise UserError(
      f'{where}: images of sizes {sizes[0]} and {other[0]}; a file holds the'
      ' frames of one clip: write one for each'
    )
  poses, times, ids = [], [], []
  for n, body in enumerate(
    _dicts(data['annotations'], f'{where}, annotations')
  ):
    if 'keypoints' not in body:
      continue
    place = f'{where}, annotation {n}'
    image = body.get('image_id')
    if not isinstance(image, float | str) or image not in frame:
      raise UserError(f'{place}: image_id {image!r} is not among the images')
    expected = len(poses[0]) if poses else None
    poses.append(people.body(body['keypoints'], place, expected))
    times.append(frame[image])
    attributes = body.get('attributes')
    nested = attributes if isinstance(attributes, dict) else {}
    ids.append(body.get('track_id', nested.get('track_id')))
  if not poses:
    raise people.Nobody(
      f'{where}: nobody is seen in any of {len(images)} frames; remove this'
      ' clip',
      len(images),
    )
  clip = people.tracks(
    np.stack(poses),
    np.array(times),
    None if None in ids else list(map(str, ids)),
    length=len(images),
    persons=persons,
    confidence=True,
  )
  return Found(
    clip,
    True,
    alphapose.LAYOUTS.get(clip.shape[2], ''),
    'pixels',
    people.image_size(sizes[0], where),
  )


def _dicts(values, where):
  if isinstance(values, list) and all(isinstance(v, dict) for v in values):
    return values
  raise UserError(f'{where}: a list of objects is due; write the file again')


def _check_one_video(images, where):
  videos = {str(image.get('video_id')) for image in images}
  if len(videos) > 1:
    raise UserError(
      f'{where}: images of {len(videos)} videos (video_id); a file holds one'
      ' clip: write one for each video'
    )
  names = [image.get('file_name') for image in images]
  people.check_one_video([n for n in names if isinstance(n, str)], where)


def _order(images, where):
  """Frame of each image by its id."""
  ids = [image.get('id') for image in images]
  if len(set(map(str, ids))) < len(ids) or not all(
    isinstance(i, float | str) for i in ids
  ):
    raise UserError(f'{where}: images need an id each, a number or text')
  names = [image.get('file_name') for image in images]
  keys = [(isinstance(i, str), i) for i in ids]
  if all(isinstance(name, str) for name in names):
    # Numbers by value: 10.jpg comes after 9.jpg.
    parts = [re.split('([0-9]{1,18})', name) for name in names]
    keys = [
      [int(part) if n % 2 else part for n, part in enumerate(each)]
      for each in parts
    ]
  order = sorted(range(len(ids)), key=keys.__getitem__)
  return {ids[i]: frame for frame, i in enumerate(order)}
