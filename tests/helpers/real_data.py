"""The real recorded sets in ../shared/data, which no repository may hold."""

import pathlib
import tarfile

import pytest

FOLDER = pathlib.Path(__file__).parents[3] / 'shared' / 'data'


def extract(name, folder):
  """Extracts an archive of ../shared/data; skips the test without it.

  Args:
    name: such as 'sbu.tar.xz'.
    folder: where to.

  Returns:
    The folder.
  """
  archive = FOLDER / name
  if not archive.exists():
    pytest.skip(f'the real files are missing: {archive}')
  with tarfile.open(archive) as tar:
    tar.extractall(folder, filter='data')
  return folder
