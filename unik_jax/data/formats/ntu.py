"""NTU RGB+D 60 and 120: Kinect v2 skeletons of 25 joints, as text.

Published by Shahroudy, Liu, Ng and Wang, "NTU RGB+D: A Large Scale Dataset for
3D Human Activity Analysis", CVPR 2016, and Liu et al., "NTU RGB+D 120", TPAMI
2019: https://rose1.ntu.edu.sg/dataset/actionRecognition/. The names of files,
the joints and the lists of incomplete samples are documented at
https://github.com/shahroudy/NTURGB-D.

A clip is `SsssCcccPpppRrrrAaaa.skeleton` (setup, camera, performer,
replication, action). `ntu_text` parses its content, `ntu_tracks` finds the
persons in it, and `ntu_actions` has the classes and protocols. Coordinates are
metres in camera coordinates (y up, z away from the camera), at 30 frames a
second, layout 'ntu_25'.
"""

import re
from typing import NamedTuple

import numpy as np

from unik_jax.data import raw_files
from unik_jax.data.formats import ntu_text, ntu_tracks
from unik_jax.data.formats.clip_names import RESTORE_NAME, check_ranges
from unik_jax.errors import UserError

_NAME = re.compile(r'S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})', re.ASCII)
_MAX = {'setup': 32, 'camera': 3, 'subject': 106, 'action': 120}
_TRACKING = {
  'body': ntu_tracks.track_by_body,
  'slot': ntu_tracks.track_by_slot,
}


class ClipName(NamedTuple):
  """The parts of a clip's name. All count from 1."""

  setup: int
  camera: int
  subject: int
  replication: int
  action: int


def parse_clip_name(name: str, where: str) -> ClipName:
  """Parses a name such as S001C002P003R002A013, with or without .skeleton.

  Args:
    name: name of the clip.
    where: the file, for errors.

  Raises:
    UserError: the name has another form, or a number that the dataset does not
      have.
  """
  match = _NAME.fullmatch(name.removesuffix('.skeleton'))
  if not match:
    raise UserError(
      f'{where}: expected a name of the form SsssCcccPpppRrrrAaaa (setup,'
      f' camera, performer, replication, action), got {name!r}. {RESTORE_NAME}'
    )
  clip_name = ClipName(*map(int, match.groups()))
  check_ranges(clip_name, _MAX, where)
  return clip_name


def parse_missing_list(text: str, where: str) -> set[str]:
  """Returns the clip names in the authors' list of incomplete samples.

  The list is NTU_RGBD_samples_with_missing_skeletons.txt or
  NTU_RGBD120_samples_with_missing_skeletons.txt.

  Args:
    text: some lines of prose, then a name per line.
    where: the file, for errors.

  Raises:
    UserError: a name is cut short, or there is no name.
  """
  names = set()
  for number, line in enumerate(text.splitlines(), 1):
    name = line.strip().removesuffix('.skeleton')
    if re.match(r'S\d', name):
      parse_clip_name(name, f'{where}, line {number}')
      names.add(name)
  if not names:
    raise UserError(
      f'{where}: expected names of clips (SsssCcccPpppRrrrAaaa), got none.'
      ' Download it again'
    )
  return names


def read_skeletons(
  source: raw_files.RawFile, *, tracking: str = 'body'
) -> np.ndarray:
  """Returns the keypoints of one clip's two most active persons.

  Args:
    source: the .skeleton file.
    tracking: 'body' for `ntu_tracks.track_by_body`, 'slot' for
      `ntu_tracks.track_by_slot`.

  Returns:
    (2, T, 25, 3) float32 metres; zeros where a person is absent.

  Raises:
    UserError: as in `ntu_text.parse_bodies`, or no frame has a body.
  """
  bodies = ntu_text.parse_bodies(source.read_bytes(), str(source))
  if not len(bodies.joints):
    raise UserError(
      f'{source}: no body in any of its {bodies.num_frames} frames. Put the'
      " authors' list of such clips into the manual folder"
      ' (NTU_RGBD120_samples_with_missing_skeletons.txt), or remove the file'
    )
  return _TRACKING[tracking](bodies)
