"""Annotation pickles of pyskl and MMAction2: clips of any joints.

The files are read as plain data (`safe_pickle`). The dataset `pyskl` prepares
files with several protocols.
"""

import functools
import os

from unik_jax.data.clips import LeftOut
from unik_jax.data.formats import pyskl
from unik_jax.data.formats.user.keypoints import NobodySeenError, ParsedClip
from unik_jax.errors import UserError

SUFFIX = '.pkl'


def list_clips(path: str) -> list[str]:
  """Returns the index of each annotation in a file, also of bad ones.

  Raises:
    UserError: as in `load_file`.
  """
  annotations = load_file(path)
  return [str(n) for n in range(len(annotations.clips) + len(annotations.bad))]


def load_file(path: str) -> pyskl.Annotations:
  """Returns a file's annotations.

  Raises:
    UserError: the file is no annotation pickle, or none can be used.
  """
  return _load(path, os.stat(path).st_mtime_ns)


@functools.lru_cache(maxsize=1)
def _load(path, changed):
  """Returns a file's annotations, kept for its other clips."""
  del changed
  return pyskl.load_annotations(path, any_joints=True)


def read_annotation(path: str, clip: str, persons: int = 2) -> ParsedClip:
  """Returns the clip of an annotation.

  Args:
    path: the file.
    clip: from `list_clips`. Bad annotations come last.
    persons: maximum number of persons; the first in the file's order are kept.

  Raises:
    UserError: the annotation is bad, or nobody is in it.
  """
  annotations = load_file(path)
  index = int(clip)
  if index >= len(annotations.clips):
    _, error = annotations.bad[index - len(annotations.clips)]
    raise UserError(error)
  found = annotations.clips[index]
  try:
    keypoints = pyskl.read_keypoints(found, persons)
  except LeftOut as error:
    raise NobodySeenError(f'{found}: {error}. Remove this clip') from None
  kind = found.format
  return ParsedClip(
    keypoints.astype(float),
    kind.confidence,
    kind.layout,
    kind.units if kind.units in ('pixels', 'metres') else '',
    found.image_size if all(found.image_size) else None,
  )
