"""pyskl's and MMAction2's annotation pickles: a whole dataset in one file.

Published by Duan, Wang, Chen and Lin, "PYSKL: Towards Good Practices for
Skeleton Action Recognition", ACM MM 2022. The format is documented at
https://github.com/kennymckormick/pyskl/blob/main/tools/data/README.md:

  {'split': {name: [clip name, ...], ...},
   'annotations': [{'frame_dir': clip name, 'label': 0, 'total_frames': T,
                    'img_shape': (height, width), 'original_shape': ...,
                    'keypoint': [M, T, V, C],
                    'keypoint_score': [M, T, V]}, ...]}

Arrays are often float16. `pyskl_poses` documents the joints, the units and the
other forms of an annotation. Quirks:

- A bare list of annotations, as pyskl's script for a user's videos writes it,
  has no splits. All of it becomes 'train'.
- Where an annotation has a 'filename', splits use that name.
- pyskl skips a clip that is in no split (HMDB51 has some by design), and a name
  in a split that no annotation has. Both are left out here too, and so are
  clips without persons or with only zeros.

A pickle cannot be read in parts, so the whole file has to fit into memory.
"""

import collections
import dataclasses
import os
import pathlib
import re
from typing import NamedTuple

import numpy as np

from unik_jax.data.clips import LeftOut
from unik_jax.data.formats import pyskl_poses, safe_pickle
from unik_jax.data.formats.safe_pickle import describe_value
from unik_jax.errors import UserError

MAX_PERSONS = 2  # per clip; some frames of Kinetics-400 have dozens
_MAX_CLASSES = 10_000  # a larger label is an error
_NTU_NAME = re.compile(r'S\d{3}C\d{3}P(\d{3})R\d{3}A\d{3}')


@dataclasses.dataclass(frozen=True, eq=False)
class Clip:
  """A checked annotation.

  Attributes:
    where: file, record and name, for errors.
    id: the name that splits use.
    splits: all splits of the clip; may be empty.
    label: index of the class.
    subject: from an NTU RGB+D name; -1 for any other name.
    image_size: (width, height) in pixels; zeros if unknown.
    format: format of the keypoints.
    poses: the keypoints, or where to read them.
  """

  where: str
  id: str
  splits: tuple[str, ...]
  label: int
  subject: int
  image_size: tuple[int, int]
  format: pyskl_poses.KeypointFormat
  poses: pyskl_poses.Tracks | pyskl_poses.Packed

  def __str__(self) -> str:
    return self.where


class Annotations(NamedTuple):
  """The content of a file.

  Attributes:
    clips: usable clips.
    bad: (where, error) of annotations with errors.
    left_out: (where, reason) of clips without persons, and of names in splits
      that no annotation has.
    format: format of all clips' keypoints.
    persons: most persons in a frame, at most MAX_PERSONS.
    classes: number of classes: the highest label plus one.
    notes: sentences to show to the user.
  """

  clips: list[Clip]
  bad: list[tuple[str, UserError]]
  left_out: list[tuple[str, str]]
  format: pyskl_poses.KeypointFormat
  persons: int
  classes: int
  notes: list[str]


def load_annotations(
  path: str | os.PathLike, any_joints: bool = False
) -> Annotations:
  """Reads an annotation pickle without running it, and checks each annotation.

  Splits keep their names, with two exceptions. `train1` becomes `split1_train`
  (UCF101 and HMDB51), since the parts of a protocol may differ only after the
  last underscore. A character that is not a letter, digit or underscore becomes
  an underscore.

  Args:
    path: path of the pickle. A folder `kpfiles` is searched for beside it.
    any_joints: whether joints of unknown layouts are read. The layout of 3-D
      joints is then unknown too, except for NTU RGB+D's.

  Raises:
    UserError: the pickle is refused or broken (see `safe_pickle.load_pickle`),
      its contents are malformed, or no clip is usable (the first clip's error).
  """
  data, splits_by_clip = safe_pickle.load_pickle(path), None
  if isinstance(data, dict) and 'annotations' in data:
    if data.get('split') is not None:
      splits_by_clip = _parse_splits(data['split'], path)
    data = data['annotations']
  if not isinstance(data, list) or not data:
    raise UserError(
      f"{path}: no list of annotations. Expected a pickle of {{'split': {{name:"
      " [clip names]}, 'annotations': [{'frame_dir': ..., 'label': ...,"
      " 'keypoint': ..., ...}, ...]}"
    )
  kpfiles = pathlib.Path(path).parent.glob('kpfiles/*')
  kpfiles = {file.name: str(file) for file in kpfiles}

  clips, bad, left_out, numbers = [], [], [], {}
  for number, record in enumerate(data):
    where = f'{path}, record {number}'
    try:
      name = _parse_name(record, where)
      where = f'{where} ({name})'
      if numbers.setdefault(name, number) != number:
        raise UserError(
          f'{where}: record {numbers[name]} has this name too. Remove one'
        )
      splits = (
        ['train'] if splits_by_clip is None else splits_by_clip.get(name, [])
      )
      clip = _parse_clip(record, where, name, splits, kpfiles, any_joints)
      if clips and clip.format != clips[0].format:
        raise UserError(
          f'{where}: expected {clips[0].format}, as in the first record, got'
          f' {clip.format}. Use separate files'
        )
      clips.append(clip)
    except UserError as error:
      bad.append((where, error))
    except LeftOut as reason:
      left_out.append((where, str(reason)))
  for name, splits in (splits_by_clip or {}).items():
    if name not in numbers:
      reason = f'clip {name!r} has no annotation'
      left_out.append((f'{path}, split {splits[0]}', reason))
  if bad and not clips:
    raise bad[0][1]
  if not clips:
    raise UserError(
      f'{path}: no usable clip; {len(left_out)} left out, the first because:'
      f' {left_out[0][1]}'
    )
  return Annotations(
    clips,
    bad,
    left_out,
    format=clips[0].format,
    persons=min(MAX_PERSONS, max(clip.poses.persons for clip in clips)),
    classes=1 + max(clip.label for clip in clips),
    notes=_note_empty_classes(clips) + _note_3d(clips[0].format),
  )


def _note_empty_classes(clips):
  """Returns a note if labels are skipped, as where they begin at 1."""
  used = {clip.label for clip in clips}
  if not (empty := sorted(set(range(max(used))) - used)):
    return []
  if min(used) == 1:
    return [
      f'labels are from 1 to {max(used)}, but should begin at 0: class 0 has no'
      ' clip. Subtract 1 if that is not intended'
    ]
  some = ', '.join(map(str, empty[:5])) + ', ...' * (len(empty) > 5)
  return [f'no clip has the label {some}: {len(empty)} classes are empty']


def _note_3d(keypoint_format):
  if keypoint_format.channels - keypoint_format.confidence == 2:
    return []
  if keypoint_format.units == 'metres':
    return []
  return [
    'joints have x, y and z. They count as those of'
    f' {keypoint_format.layout!r}: use skeleton_folder if they are others'
  ]


def read_keypoints(clip: Clip, persons: int) -> np.ndarray:
  """Returns the keypoints of one clip.

  Args:
    clip: from `load_annotations`.
    persons: most persons to return. The first in the file's order are kept.

  Returns:
    (M, T, V, C) float32, with the confidence as last channel if there is one.

  Raises:
    LeftOut: every coordinate is zero.
    UserError: its kpfile cannot be read, or has other keypoints than the
      annotation says.
  """
  # A number beyond float32 becomes infinite, and `check_clip` rejects it.
  with np.errstate(over='ignore', invalid='ignore'):
    keypoints = clip.poses.read(persons, str(clip))
    if not keypoints[..., :2].any():  # the confidence may be nonzero
      raise LeftOut('every coordinate is zero')
  return keypoints


def _parse_splits(splits, path):
  """Returns a defaultdict: a list of splits by clip name."""
  if not isinstance(splits, dict):
    raise UserError(f"{path}: 'split': expected a dict of lists by split name")
  splits_by_clip = collections.defaultdict(list)
  originals = {}
  for original, members in splits.items():
    where = f'{path}, split {describe_value(original)}'
    if isinstance(members, np.ndarray) and members.ndim == 1:
      members = members.tolist()
    groups = list | tuple | set | frozenset
    if not isinstance(original, str) or not isinstance(members, groups):
      raise UserError(
        f'{where}: expected a name with a list of clips, got'
        f' {describe_value(members)}. Correct it'
      )
    for member in members:
      if not isinstance(member, str):
        raise UserError(
          f'{where}: expected the name of a clip, got {describe_value(member)}.'
          ' Correct it'
        )
    if not original:
      raise UserError(f'{where}: expected a name for the split, got none')
    name = _to_split_name(original)
    if originals.setdefault(name, original) != original:
      raise UserError(
        f'{where}: would be written as {name!r}, as split {originals[name]!r}.'
        ' Rename one'
      )
    for member in dict.fromkeys(members):
      splits_by_clip[member].append(name)
  return splits_by_clip


def _to_split_name(name):
  if match := re.fullmatch(r'(train|val|test)(\d+)', name):
    return f'split{match[2]}_{match[1]}'
  name = re.sub(r'\W', '_', name, flags=re.ASCII)
  # 'all' is TFDS's name for all splits together.
  return 'all_clips' if name == 'all' else name


def _parse_clip(record, where, name, splits, kpfiles, any_joints):
  poses, keypoint_format = pyskl_poses.parse_poses(
    record, where, kpfiles, any_joints
  )
  ntu_name = _NTU_NAME.fullmatch(name)
  return Clip(
    where=where,
    id=name,
    splits=tuple(splits),
    label=_parse_label(record, where),
    subject=int(ntu_name[1]) if ntu_name else -1,
    image_size=_parse_image_size(record, where),
    format=keypoint_format,
    poses=poses,
  )


def _parse_name(record, where):
  name = None
  if isinstance(record, dict):
    name = record.get('filename', record.get('frame_dir'))
  if not isinstance(name, str) or not name:
    raise UserError(
      f"{where}: expected a dict with a 'frame_dir' that names the clip, got"
      f' {describe_value(record)}'
    )
  try:
    name.encode()
  except UnicodeEncodeError:
    raise UserError(f'{where}: name {name!a} is not UTF-8. Rename it') from None
  return name


def _parse_label(record, where):
  label = record.get('label')
  if not pyskl_poses.is_integer(label) or not 0 <= label < _MAX_CLASSES:
    raise UserError(
      f'{where}: label: expected an integer from 0 to {_MAX_CLASSES - 1},'
      f' got {describe_value(label)}. Correct it'
    )
  return int(label)


def _parse_image_size(record, where):
  """Returns (width, height) of the file's (height, width)."""
  shape = record.get('img_shape')
  if shape is None:
    return 0, 0
  if isinstance(shape, np.ndarray) and shape.shape == (2,):
    shape = shape.tolist()
  sizes = shape if isinstance(shape, list | tuple) else [shape]
  are_integers = all(map(pyskl_poses.is_integer, sizes))
  if len(sizes) != 2 or not are_integers or not _is_size(sizes):
    values = ', '.join(map(describe_value, sizes[:4]))
    raise UserError(
      f"{where}: 'img_shape': expected (height, width) in pixels, got"
      f' ({values}). Correct it, or remove it'
    )
  return int(sizes[1]), int(sizes[0])


def _is_size(sizes):
  return 0 < min(sizes) <= max(sizes) < 2**31
