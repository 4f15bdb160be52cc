"""Runs within the package, to start from: unik-any."""

import os
import pathlib

import unik_jax

_FOLDER = pathlib.Path(unik_jax.__file__).parent / 'weights'


def find(run: str | os.PathLike) -> pathlib.Path | None:
  """Returns the folder of a packaged run; None for any other path.

  Args:
    run: its name alone, without a folder.
  """
  name = os.fspath(run)
  return _FOLDER / name if name in names() else None


def names() -> list[str]:
  """Returns the names of all packaged runs."""
  # None, without an error, if an installation lacks the folder.
  return sorted(path.name for path in _FOLDER.glob('*') if path.is_dir())
