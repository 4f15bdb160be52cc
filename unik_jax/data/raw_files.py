"""Raw dataset files, in folders and in zip archives that are not extracted.

The first step of the data: `formats` parses the files that are found here.
"""

import contextlib
import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import zipfile
from collections.abc import Callable, Iterable
from typing import Any

from unik_jax.errors import UserError

FETCH_AGAIN = 'Extract or download it again'
_MAX_BYTES = 1 << 30  # of a member; a larger one is an error or an attack
_LOCAL_HEADER = 30  # bytes before a member's name


@dataclasses.dataclass(frozen=True, order=True)
class RawFile:
  """A file, or a member of a .zip archive.

  Attributes:
    path: path of the file, or of the archive.
    member: name within the archive; '' for a file outside archives.
  """

  path: str
  member: str = ''

  @property
  def name(self) -> str:
    """The file name without folders."""
    return os.path.basename(self.member or self.path)

  @property
  def stem(self) -> str:
    """The file name without folders and suffix."""
    return os.path.splitext(self.name)[0]

  def __str__(self) -> str:
    return f'{self.path}: {self.member}' if self.member else self.path

  def read_bytes(self) -> bytes:
    """Returns the content.

    Raises:
      UserError: the file cannot be read.
    """
    try:
      if self.member:
        return _read_member(self.path, self.member)
      return pathlib.Path(self.path).read_bytes()
    except Exception as error:  # zipfile raises any type for a broken archive
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
  return UserError(f'{where}: cannot be read ({reason}). {FETCH_AGAIN}')


def find_files(
  folder: str | os.PathLike,
  suffix: str | tuple[str, ...],
  on_bad: Callable[
    [str], contextlib.AbstractContextManager
  ] = contextlib.nullcontext,
) -> list[RawFile]:
  """Finds all files with a suffix below a folder and in its zip archives.

  Symbolic links are followed; a folder that several links lead to is searched
  once. Hidden files and folders and `__MACOSX` are ignored.

  Args:
    folder: searched recursively.
    suffix: such as '.skeleton', or several suffixes.
    on_bad: maps a path to a context manager. Each file or archive is checked
      inside it, so it can keep a UserError from ending the search
      (`ClipBuilder.may_skip` does).

  Returns:
    Files sorted by file name.

  Raises:
    UserError: an archive is broken or has a member that leads out of it; or
      the name of an archive, or of a file with the suffix, is not UTF-8.
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
  # Python represents undecodable bytes as lone surrogates.
  try:
    path.encode()
  except UnicodeEncodeError:
    shown = os.fsencode(path)
    raise UserError(f'{shown}: name is not UTF-8; rename the file') from None


def _members(path, suffix):
  try:
    with zipfile.ZipFile(path) as archive:
      names = archive.namelist()
  except Exception as error:  # see read_bytes
    raise _unreadable(path, error) from None
  files = []
  for name in names:
    check_member(name, path)
    parts = pathlib.PurePosixPath(name).parts
    if name.endswith(suffix) and all(map(_is_seen, parts)):
      files.append(RawFile(path, name))
  return files


def check_member(name: str, archive: str) -> None:
  """Checks the name of an archive's member.

  Raises:
    UserError: the name leads out of the archive, or is not UTF-8.
  """
  # Harmless here, since nothing is extracted, but a sign of an attack.
  parts = pathlib.PurePosixPath(name.replace('\\', '/')).parts
  is_absolute = name.startswith(('/', '\\')) or ':' in ''.join(parts[:1])
  if '..' in parts or is_absolute:
    raise UserError(
      f'{archive}: member {name!r} leads out of the archive; do not trust it.'
      ' Get it again from its authors'
    )
  _check_utf8(f'{archive}: {name}')


def fingerprint_files(
  folder: pathlib.Path, paths: Iterable[pathlib.Path]
) -> str:
  """Returns a hash of files' names, sizes and times; '' for no files.

  Args:
    folder: folder that the names are relative to.
    paths: paths of the files, in any order.
  """
  if not (paths := sorted(paths)):
    return ''
  digest = hashlib.sha256()
  for path in paths:
    stat = path.stat()
    name = os.fsencode(path.relative_to(folder))
    digest.update(b'%s %d %d\n' % (name, stat.st_size, stat.st_mtime_ns))
  return digest.hexdigest()


def read_text(file: RawFile) -> str:
  """Returns a UTF-8 text, without its byte order mark.

  Raises:
    UserError: the file cannot be read, or is not UTF-8.
  """
  return decode_text(file.read_bytes(), str(file))


def decode_text(content: bytes, where: str) -> str:
  """Decodes content that was read already, as `read_text` does."""
  try:
    return content.decode('utf-8-sig')
  except UnicodeDecodeError as error:
    raise UserError(
      f'{where}: byte {error.start} is not UTF-8 text. {FETCH_AGAIN}'
    ) from None


def read_json(file: RawFile, **options) -> Any:
  """Returns the value of a JSON file.

  Args:
    file: the file to read.
    **options: passed to `json.loads`.

  Raises:
    UserError: the file cannot be read, or is not UTF-8 or JSON; names the
      place.
  """
  return parse_json(file.read_bytes(), str(file), **options)


def parse_json(content: bytes, where: str, **options) -> Any:
  """Parses content that was read already, as `read_json` does."""
  text = decode_text(content, where)
  try:
    return json.loads(text, **options)
  except json.JSONDecodeError as error:
    raise UserError(
      f'{where}: cut short or not JSON, at line {error.lineno}, column'
      f' {error.colno} ({error.msg}). {FETCH_AGAIN}'
    ) from None
  except ValueError:  # int() refuses more than 4,300 digits
    raise UserError(
      f'{where}: an integer of thousands of digits. {FETCH_AGAIN}'
    ) from None
  except RecursionError:
    raise UserError(
      f'{where}: lists nested without end. {FETCH_AGAIN}'
    ) from None
