"""Annotation pickles of pyskl and MMAction2: a dataset's skeletons in a file.

Duan, Wang, Chen and Lin, "PYSKL: Towards Good Practices for Skeleton Action
Recognition", ACM MM 2022. The form, by their tools/data/README.md:

  {'split': {name: [clip name, ...], ...},
   'annotations': [{'frame_dir': clip name, 'label': 0, 'total_frames': T,
                    'img_shape': (height, width), 'original_shape': ...,
                    'keypoint': [M, T, V, C],
                    'keypoint_score': [M, T, V]}, ...]}

often with arrays of float16; `pyskl_poses` has the other forms of an
annotation. A bare list of annotations, as their script for own videos writes
it, has no splits; all of it becomes 'train'. Where an annotation has a
'filename', that is the name by which splits go, as in both code bases. They
pass over a clip that is in no split, which in HMDB51 there are by design, and
over a name in a split that is in no annotation. Both are left out here too, and
so are clips with nobody in them or nothing but zeros.

The file has to be in memory as a whole: a pickle cannot be read in parts.
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

MAX_PERSONS = 2  # of clips that have more; some frames of k400 have dozens
_MOST_CLASSES = 10_000  # a label beyond is a slip
_NTU_NAME = re.compile(r'S\d{3}C\d{3}P(\d{3})R\d{3}A\d{3}')


@dataclasses.dataclass(frozen=True, eq=False)
class Clip:
  """A checked annotation.

  Attributes:
    where: file, record and name, for errors.
    id: the name by which splits go.
    splits: all that have the clip, possibly none.
    label: the class.
    subject: who acts, by NTU RGB+D's names; -1 with any other.
    image_size: (width, height) in pixels, zeros where unknown.
    form: of the keypoints.
    poses: the keypoints, or where they are.
  """

  where: str
  id: str
  splits: tuple[str, ...]
  label: int
  subject: int
  image_size: tuple[int, int]
  form: pyskl_poses.Form
  poses: pyskl_poses.Tracks | pyskl_poses.Packed

  def __str__(self) -> str:
    return self.where


class Annotations(NamedTuple):
  """The content of a file.

  Attributes:
    clips: those that can be used.
    bad: (where, error) of those that are wrong.
    left_out: (where, reason) of those with nobody in them, and of names in
      splits that no annotation has.
    form: of all clips.
    persons: the most in a frame, or MAX_PERSONS if that is less.
    classes: the highest label and one.
  """

  clips: list[Clip]
  bad: list[tuple[str, UserError]]
  left_out: list[tuple[str, str]]
  form: pyskl_poses.Form
  persons: int
  classes: int


def load_annotations(path: str | os.PathLike) -> Annotations:
  """Reads an annotation pickle, safely, and checks each annotation.

  Splits keep their names, but `train1` becomes `split1_train` (UCF101 and
  HMDB51; parts of one protocol differ after the last underscore alone), and
  what is not a letter, digit or underscore becomes an underscore.

  Args:
    path: of the pickle; a folder `kpfiles` is looked for beside it.

  Raises:
    UserError: refused or broken (`safe_pickle.load_pickle`), of another form,
      or without any usable clip (the first one's error).
  """
  data, splits_of = safe_pickle.load_pickle(path), None
  if isinstance(data, dict) and 'annotations' in data:
    if data.get('split') is not None:
      splits_of = _splits_of(data['split'], path)
    data = data['annotations']
  if not isinstance(data, list) or not data:
    raise UserError(
      f'{path}: no list of annotations in it; this reads pickles of the form'
      " {'split': {name: [clip names]}, 'annotations': [{'frame_dir': ...,"
      " 'label': ..., 'keypoint': ..., ...}, ...]}"
    )
  kpfiles = pathlib.Path(path).parent.glob('kpfiles/*')
  kpfiles = {file.name: str(file) for file in kpfiles}

  clips, bad, left_out, numbers = [], [], [], {}
  for number, record in enumerate(data):
    where = f'{path}, record {number}'
    try:
      name = _name(record, where)
      where = f'{where} ({name})'
      if numbers.setdefault(name, number) != number:
        raise UserError(
          f'{where}: record {numbers[name]} has this name too; remove one'
        )
      splits = ['train'] if splits_of is None else splits_of.get(name, [])
      poses, form = pyskl_poses.parse_poses(record, where, kpfiles)
      if clips and form != clips[0].form:
        raise UserError(
          f'{where}: {form}, where the file starts with {clips[0].form}; keep'
          ' them in separate files'
        )
      clip = Clip(
        where=where,
        id=name,
        splits=tuple(splits),
        label=_label(record, where),
        subject=_subject(name),
        image_size=_image_size(record, where),
        form=form,
        poses=poses,
      )
      clips.append(clip)
    except UserError as error:
      bad.append((where, error))
    except LeftOut as reason:
      left_out.append((where, str(reason)))
  for name, splits in (splits_of or {}).items():
    if name not in numbers:
      reason = f'clip {name!r} has no annotation'
      left_out.append((f'{path}, split {splits[0]}', reason))
  if bad and not clips:
    raise bad[0][1]
  if not clips:
    raise UserError(
      f'{path}: no clip in it that can be used; {len(left_out)} left out, the'
      f' first since: {left_out[0][1]}'
    )
  return Annotations(
    clips,
    bad,
    left_out,
    form=clips[0].form,
    persons=min(MAX_PERSONS, max(clip.poses.persons for clip in clips)),
    classes=1 + max(clip.label for clip in clips),
  )


def read_keypoints(clip: Clip, persons: int) -> np.ndarray:
  """The keypoints of one clip.

  Args:
    clip: of `load_annotations`.
    persons: the most that are wanted; the first in the file's order are kept.

  Returns:
    (M, T, V, C) float32, the confidence as last channel where there is one.

  Raises:
    LeftOut: they are nothing but zeros.
    UserError: its kpfile cannot be read, or has other keypoints in it than
      the annotation says.
  """
  # What float32 cannot hold becomes infinite, which `check_clip` finds.
  with np.errstate(over='ignore', invalid='ignore'):
    keypoints = clip.poses.read(persons, str(clip))
    if not keypoints[..., :2].any():  # a confidence may be there all the same
      raise LeftOut('every coordinate is zero')
  return keypoints


def _splits_of(splits, path):
  """The names of splits, by clip."""
  if not isinstance(splits, dict):
    raise UserError(f"{path}: 'split' is no dict of lists by split name")
  splits_of = collections.defaultdict(list)
  originals = {}
  for original, members in splits.items():
    where = f'{path}, split {describe_value(original)}'
    if isinstance(members, np.ndarray) and members.ndim == 1:
      members = members.tolist()
    groups = list | tuple | set | frozenset
    if not isinstance(original, str) or not isinstance(members, groups):
      raise UserError(f'{where}: no list of clips under a name; correct it')
    for member in members:
      if not isinstance(member, str):
        raise UserError(
          f'{where}: {describe_value(member)}, where the name of a clip is due;'
          ' correct it'
        )
    if not original:
      raise UserError(f'{where}: a split without a name; give it one')
    name = _split_name(original)
    if originals.setdefault(name, original) != original:
      raise UserError(
        f'{where}: would be written as {name!r}, as split {originals[name]!r}'
        ' is; rename one'
      )
    for member in dict.fromkeys(members):
      splits_of[member].append(name)
  return splits_of


def _split_name(name):
  if match := re.fullmatch(r'(train|val|test)(\d+)', name):
    return f'split{match[2]}_{match[1]}'
  name = re.sub(r'\W', '_', name, flags=re.ASCII)
  return 'all_clips' if name == 'all' else name  # TFDS's name for every split


def _name(record, where):
  name = None
  if isinstance(record, dict):
    name = record.get('filename', record.get('frame_dir'))
  if not isinstance(name, str) or not name:
    raise UserError(f"{where}: no dict with a 'frame_dir' that names the clip")
  try:
    name.encode()
  except UnicodeEncodeError:
    raise UserError(f'{where}: name {name!a} is not UTF-8; rename it') from None
  return name


def _label(record, where):
  label = record.get('label')
  if not pyskl_poses.is_integer(label) or not 0 <= label < _MOST_CLASSES:
    raise UserError(
      f'{where}: label: expected an integer from 0 to {_MOST_CLASSES - 1},'
      f' got {describe_value(label)}. Correct it'
    )
  return int(label)


def _subject(name):
  match = _NTU_NAME.fullmatch(name)
  return int(match[1]) if match else -1


def _image_size(record, where):
  """(width, height) of the file's (height, width)."""
  shape = record.get('img_shape')
  if shape is None:
    return 0, 0
  if isinstance(shape, np.ndarray) and shape.shape == (2,):
    shape = shape.tolist()
  sizes = shape if isinstance(shape, list | tuple) else [shape]
  known = len(sizes) == 2 and all(map(pyskl_poses.is_integer, sizes))
  if not known or not 0 < min(sizes) <= max(sizes) < 2**31:
    shown = ', '.join(map(describe_value, sizes[:4]))
    raise UserError(
      f"{where}: 'img_shape': expected (height, width) in pixels, got"
      f' ({shown}). Correct it, or leave it out'
    )
  return int(sizes[1]), int(sizes[0])
