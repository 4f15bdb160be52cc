"""The files of a dataset, lying in a folder or packed in zip archives there."""

import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import zipfile
from collections.abc import Callable
from typing import Any

from unik_jax.errors import UserError

FETCH_AGAIN = 'extract or download it again'
_MAX_BYTES = 1 << 30  # of a member; more is an error, or meant to do harm
_LOCAL_HEADER = 30  # bytes before a member's name


@dataclasses.dataclass(frozen=True, order=True)
class RawFile:
  """A file, or a member of a .zip archive.

  Attributes:
    path: of the file, or of the archive.
    member: the name within the archive; '' for a file of its own.
  """

  path: str
  member: str = ''

  @property
  def name(self) -> str:
    """The name without its folders."""
    return os.path.basename(self.member or self.path)

  @property
  def stem(self) -> str:
    """The name without its folders and suffix."""
    return os.path.splitext(self.name)[0]

  def __str__(self) -> str:
    return f'{self.path}: {self.member}' if self.member else self.path

  def read_bytes(self) -> bytes:
    """The content; a UserError where it cannot be read."""
    try:
      if self.member:
        return _read_member(self.path, self.member)
      return pathlib.Path(self.path).read_bytes()
    except Exception as error:  # zipfile raises what a broken archive leads to
      raise _unreadable(self, error) from None


@functools.lru_cache(maxsize=8)
def _open_archive(path):
  """Returns an archive, and the offset where each member must have ended.

  Cached in each process: an archive's index may have 100,000 entries.
  """
  archive = zipfile.ZipFile(path)
  members = sorted(archive.infolist(), key=lambda info: info.header_offset)
  starts = [info.header_offset for info in members]
  ends = [*starts[1:], archive.start_dir] if starts else []
  return archive, dict(zip(members, ends, strict=True))


def _read_member(path, member):
  archive, ends = _open_archive(path)
  info = archive.getinfo(member)
  if info.file_size > _MAX_BYTES:
    raise ValueError(
      f'it would unpack to {info.file_size} bytes; the limit is {_MAX_BYTES}'
    )
  # Some releases of Python 3.11 and 3.12 do not check this, and fail later, or
  # not at all. A character of a name is a byte or more.
  start = info.header_offset + _LOCAL_HEADER + len(member)
  if start + info.compress_size > ends[info]:
    raise ValueError(
      f'its {info.compress_size} bytes overlap the next member or the index'
    )
  with archive.open(info) as stream:
    return stream.read(info.file_size)  # no more, even if there is more


def _unreadable(where, error):
  reason = str(error) or type(error).__name__
  return UserError(f'{where}: cannot be read ({reason}); {FETCH_AGAIN}')


def find_files(
  folder: str | os.PathLike,
  suffix: str | tuple[str, ...],
  on_bad: Callable[
    [str], contextlib.AbstractContextManager
  ] = contextlib.nullcontext,
) -> list[RawFile]:
  """All files with a suffix below a folder, and in the zip archives there.

  Args:
    folder: searched through, links included; hidden files and folders, and
      `__MACOSX`, are not. A folder to which several links lead is searched
      once.
    suffix: such as '.skeleton', or several of them.
    on_bad: makes a context, of a path, in which that file or archive is looked
      at, and which may keep a UserError from ending the search, as
      `ClipBuilder.may_skip` does.

  Returns:
    Files in the order of their names.

  Raises:
    UserError: an archive is broken, or has a member whose name leads out of
      it; the name of an archive, or of a file with the suffix, is not UTF-8.
  """
  files, visited = [], set()
  for root, folders, names in os.walk(
    folder, onerror=_refuse, followlinks=True
  ):
    real = os.path.realpath(root)
    if real in visited:
      folders.clear()
      continue
    visited.add(real)
    folders[:] = sorted(filter(_is_seen, folders))
    for name in filter(_is_seen, names):
      path = os.path.join(root, name)
      if name.endswith(suffix):
        with on_bad(path):
          _check_utf8(path)
          files.append(RawFile(path))
      elif name.lower().endswith('.zip'):
        with on_bad(path):
          _check_utf8(path)
          files += _members(path, suffix)
  return sorted(files, key=lambda file: (file.name, file))


def _refuse(error):
  raise UserError(f'{error.filename}: cannot be listed ({error.strerror})')


def _is_seen(name):
  return not name.startswith('.') and name != '__MACOSX'


def _check_utf8(path):
  # Python stands lone surrogates in for bytes that it cannot decode.
  try:
    path.encode()
  except UnicodeEncodeError:
    shown = os.fsencode(path)
    raise UserError(f'{shown}: name is not UTF-8; rename the file') from None


def _members(path, suffix):
  try:
    with zipfile.ZipFile(path) as archive:
      names = archive.namelist()
  except Exception as error:  # as in read_bytes
    raise _unreadable(path, error) from None
  files = []
  for name in names:
    check_member(name, path)
    parts = pathlib.PurePosixPath(name).parts
    if name.endswith(suffix) and all(map(_is_seen, parts)):
      files.append(RawFile(path, name))
  return files


def check_member(name: str, archive: str) -> None:
  """Refuses an archive for what one of its members is called.

  Raises:
    UserError: the name leads out of the archive, or is not UTF-8.
  """
  # Nothing is ever extracted, so this would be harmless here; but such an
  # archive is not what its name says.
  parts = pathlib.PurePosixPath(name.replace('\\', '/')).parts
  is_absolute = name.startswith(('/', '\\')) or ':' in ''.join(parts[:1])
  if '..' in parts or is_absolute:
    raise UserError(
      f'{archive}: member {name!r} leads out of the archive; do not trust it,'
      ' and get it again from its authors'
    )
  _check_utf8(f'{archive}: {name}')


def read_text(file: RawFile) -> str:
  """A UTF-8 text (with or without a byte order mark).

  Raises:
    UserError: cannot be read, or is not UTF-8.
  """
  return decode_text(file.read_bytes(), str(file))


def decode_text(content: bytes, where: str) -> str:
  """As `read_text`, of what has been read already."""
  try:
    return content.decode('utf-8-sig')
  except UnicodeDecodeError as error:
    raise UserError(
      f'{where}: byte {error.start} is not UTF-8 text; {FETCH_AGAIN}'
    ) from None


def read_json(file: RawFile, **options) -> Any:
  """The value of a JSON file.

  Args:
    file: to be read.
    **options: of `json.loads`.

  Raises:
    UserError: cannot be read, not UTF-8, or not JSON, with the place.
  """
  return parse_json(file.read_bytes(), str(file), **options)


def parse_json(content: bytes, where: str, **options) -> Any:
  """As `read_json`, of what has been read already."""
  text = decode_text(content, where)
  try:
    return json.loads(text, **options)
  except json.JSONDecodeError as error:
    raise UserError(
      f'{where}: cut short or not JSON, at line {error.lineno}, column'
      f' {error.colno} ({error.msg}); {FETCH_AGAIN}'
    ) from None
  except ValueError:  # as int() has it of more than 4,300
    raise UserError(
      f'{where}: an integer of thousands of digits; {FETCH_AGAIN}'
    ) from None
  except RecursionError:
    raise UserError(
      f'{where}: lists nested without end; {FETCH_AGAIN}'
    ) from None
