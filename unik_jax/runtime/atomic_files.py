"""Files that are there whole or not at all, whatever happens meanwhile."""

import contextlib
import os
import pathlib
from collections.abc import Iterator

from unik_jax.errors import UserError

ROOM = 'make room, or name a place that can be written to'


@contextlib.contextmanager
def atomic_write(
  path: str | os.PathLike, remedy: str = ROOM
) -> Iterator[pathlib.Path]:
  """A place for a file's new content, which then replaces the file at once.

    with atomic_write(path) as part:
      part.write_text(text)

  Where that fails, the file stays as it was, and the place is cleared.

  Args:
    path: of the file; its folder is made if missing.
    remedy: what a user can do where it cannot be written.

  Yields:
    The path to write to, beside the file.

  Raises:
    UserError: it cannot be written.
  """
  path = pathlib.Path(path)
  part = path.with_name(path.name + '.part')
  try:
    path.parent.mkdir(parents=True, exist_ok=True)
    yield part
    os.replace(part, path)
  except OSError as error:
    reason = error.strerror or error
    raise UserError(f'{path} cannot be written ({reason}); {remedy}') from error
  finally:
    with contextlib.suppress(OSError):  # as a rule it is gone by now
      part.unlink()
