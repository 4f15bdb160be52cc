"""Atomic file writes."""

import contextlib
import os
import pathlib
from collections.abc import Iterator

from unik_jax.errors import UserError

ROOM = 'free some space, or name a path that can be written to'


def as_sentence(remedy: str) -> str:
  """Returns a remedy as a sentence: with a capital and a final period."""
  return f'{remedy[0].upper()}{remedy[1:].rstrip(".")}.'


@contextlib.contextmanager
def atomic_write(
  path: str | os.PathLike, remedy: str = ROOM
) -> Iterator[pathlib.Path]:
  """Writes a file's new content beside it, then replaces the file at once.

    with atomic_write(path) as part:
      part.write_text(text)

  If the body fails, the file keeps its old content and `part` is removed.

  Args:
    path: the file. Its folder is created if missing.
    remedy: the fix, for the error; its first letter is capitalised there.

  Yields:
    The path to write to, in the same folder.

  Raises:
    UserError: the file cannot be written.
  """
  path = pathlib.Path(path)
  part = path.with_name(path.name + '.part')
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    yield part
    os.replace(part, path)
  except OSError as error:
    reason = error.strerror or error
    raise UserError(
      f'{path}: cannot be written ({reason}). {as_sentence(remedy)}'
    ) from error
  finally:
    with contextlib.suppress(OSError):  # after success it is already gone
      part.unlink()
