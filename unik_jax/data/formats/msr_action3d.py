"""MSR-Action3D's files: text skeletons of 20 Kinect v1 joints.

Li, Zhang and Liu, "Action Recognition Based on a Bag of 3D Points", CVPRW
2010. A clip is `aAA_sSS_eEE_skeleton3D.txt` (action, subject, execution):
rows of `x y z confidence` in metres, 20 rows a frame. `files_used.mat` names
the 557 of 567 sequences that the protocol uses.
"""

import contextlib
import gzip
import io
import pathlib
import re
import tarfile
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from unik_jax.data import raw_files
from unik_jax.data.formats.matlab import read_mat_fields
from unik_jax.data.raw_files import FETCH_AGAIN
from unik_jax.errors import UserError

LABELS = [
  'high arm wave',
  'horizontal arm wave',
  'hammer',
  'hand catch',
  'forward punch',
  'high throw',
  'draw x',
  'draw tick',
  'draw circle',
  'hand clap',
  'two hand wave',
  'side boxing',
  'bend',
  'forward kick',
  'side kick',
  'jogging',
  'tennis swing',
  'tennis serve',
  'golf swing',
  'pickup and throw',
]
JOINTS = 20
_NAME = re.compile(r'a(\d\d)_s(\d\d)_e(\d\d)')
_SUFFIX = '_skeleton3D.txt'
_USED = 'files_used.mat'


def parse_clip_name(name: str, where: str) -> tuple[int, int]:
  """(action, subject), both from 1, of a name such as a01_s02_e03."""
  match = _NAME.fullmatch(name)
  if not match:
    raise UserError(f'{where}: name is not of the form aAA_sSS_eEE')
  action, subject, _ = map(int, match.groups())
  if not 1 <= action <= len(LABELS) or not 1 <= subject <= 10:
    raise UserError(f'{where}: actions go from 1 to 20, subjects from 1 to 10')
  return action, subject


def parse_skeleton(content: bytes, where: str) -> np.ndarray:
  """One clip.

  Args:
    content: of the text file.
    where: the file, to be named in errors.

  Returns:
    (T, 20, 4) float32: x, y, z in metres, and confidence.

  Raises:
    UserError: empty, cut short, not numbers, or a row of another length.
  """
  remedy = 'extract or download it again'
  try:
    lines = content.decode('ascii').splitlines()
  except UnicodeDecodeError as error:
    raise UserError(
      f'{where}: byte {error.start} is not text; {remedy}'
    ) from None
  rows = []
  for number, line in enumerate(lines, 1):
    fields = line.split()
    if not fields:
      continue
    try:
      row = [float(field) for field in fields]
    except ValueError:
      raise UserError(
        f'{where}, line {number}: not numbers: {line.strip()[:40]!r}; {remedy}'
      ) from None
    if len(row) != 4:
      raise UserError(
        f'{where}, line {number}: {len(row)} values where x y z confidence'
        f' are due; {remedy}'
      )
    rows.append(row)
  if not rows:
    raise UserError(f'{where}: the file is empty; {remedy}')
  if len(rows) % JOINTS:
    raise UserError(
      f'{where}, line {len(lines)}: {len(rows)} rows are not whole frames of'
      f' {JOINTS} joints; the file is cut short or has other joints; {remedy}'
    )
  return np.asarray(rows, np.float32).reshape(-1, JOINTS, 4)


class SkeletonText(NamedTuple):
  """A clip's file, read but not parsed."""

  name: str
  content: bytes

  def __str__(self) -> str:
    return self.name


def read_skeleton(text: SkeletonText) -> np.ndarray:
  """(1, T, 20, 4) of a clip's file, as `parse_skeleton`."""
  return parse_skeleton(text.content, text.name)[None]


def read_used_files(
  folder: pathlib.Path,
  on_bad: Callable[
    [str], contextlib.AbstractContextManager
  ] = contextlib.nullcontext,
) -> dict[str, bytes]:
  """The used clips' contents by name, from `msraction3d.tar.gz` or its files.

  Args:
    folder: holds the archive, or anywhere below it the extracted files.
    on_bad: passed to `raw_files.find_files` to search for extracted files.

  Returns:
    Contents by clip name (aAA_sSS_eEE), in the order of the names.

  Raises:
    UserError: nothing there, a broken archive or one with a member whose name
      leads out of it, a name that is not UTF-8, or a used file is missing.
  """
  archive = pathlib.Path(folder) / 'msraction3d.tar.gz'
  if archive.exists():
    contents = _from_archive(archive)
  else:
    wanted = raw_files.find_files(folder, (_SUFFIX, _USED), on_bad)
    contents = {file.name: file.read_bytes() for file in wanted}
  if _USED not in contents:
    raise UserError(
      f'{folder}: neither msraction3d.tar.gz nor files_used.mat beside the'
      f' extracted aAA_sSS_eEE{_SUFFIX} files; get the archive from its'
      ' authors and put it there as it is'
    )
  names = _parse_used_names(contents[_USED], f'{folder}: {_USED}')
  missing = [name for name in names if name + _SUFFIX not in contents]
  if missing:
    raise UserError(
      f'{folder}: {len(missing)} of {len(names)} clips are missing, the first'
      f' of them {missing[0]}{_SUFFIX}; extract the archive again'
    )
  return {name: contents[name + _SUFFIX] for name in names}


def _parse_used_names(content, where):
  cells = read_mat_fields(content, where, ['files_used'])['files_used']
  try:
    return sorted(str(cell[0]).strip() for cell in cells.ravel())
  except (IndexError, TypeError):
    raise UserError(
      f'{where}: files_used: expected a column of names; {FETCH_AGAIN}'
    ) from None


def _from_archive(archive):
  try:
    # Read to the end first: only there does gzip compare its checksum.
    whole = io.BytesIO(gzip.decompress(archive.read_bytes()))
    with tarfile.open(fileobj=whole) as tar:
      names = tar.getnames()
      contents = {
        pathlib.PurePath(member.name).name: tar.extractfile(member).read()
        for member in tar
        if member.isfile() and member.name.endswith((_SUFFIX, _USED))
      }
  except Exception as error:  # tarfile raises what a broken archive leads to
    raise UserError(
      f'{archive}: cannot be read ({error}); download it again'
    ) from error
  for name in names:
    raw_files.check_member(name, str(archive))
  return contents
