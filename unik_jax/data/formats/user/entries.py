"""A dataset's clips as a folder or a manifest lists them, before reading."""

import dataclasses
import pathlib
import re
import unicodedata
from collections.abc import Mapping

from unik_jax.data import raw_files
from unik_jax.data.formats.user.recordings import ClipSource
from unik_jax.errors import UserError

# Common spellings of each split's name.
SPLITS = {
  'train': 'train',
  'training': 'train',
  'val': 'val',
  'valid': 'val',
  'validation': 'val',
  'test': 'test',
  'testing': 'test',
}


@dataclasses.dataclass(frozen=True)
class ClipEntry:
  """A listed clip.

  Attributes:
    id: unique in the dataset.
    source: the clip's file.
    label: name of its class.
    subject: name of the person who acts; '' if unknown.
    split: 'train', 'val' or 'test'; '' if not given.
    where: the place that lists it, for errors.
  """

  id: str
  source: ClipSource
  label: str
  subject: str
  split: str
  where: str


def list_files(root: pathlib.Path) -> list[raw_files.RawFile]:
  """Returns all files below a folder except hidden ones and Python's cache."""
  return [
    file
    for file in raw_files.find_files(root, '')
    if '__pycache__' not in pathlib.Path(file.path).relative_to(root).parts
  ]


def check_spelling(places: Mapping[str, str], key: str) -> None:
  """Raises a UserError if two names may be one, written in two ways.

  They may if they differ only by case, by spaces, hyphens and underscores
  between words, by encoding, by zeros before a number, or as 1 and 1.0 do.

  Args:
    places: for each name, a place that has it, for errors.
    key: what the names are, for errors: 'label' or 'subject'.
  """
  seen = {}
  for name, place in sorted(places.items()):
    plain = ' '.join(unicodedata.normalize('NFC', name).casefold().split())
    plain = re.sub(r'(?<=[^\W_])[ _-]+(?=[^\W_])', ' ', plain)
    plain = re.sub(r'(?<![\d.])0+(?=\d)', '', plain)
    plain = re.sub(r'^(\d+)\.0*$', r'\1', plain)
    other = seen.setdefault(plain, name)
    if other != name:
      raise UserError(
        f'{place}: {key} {name!r}, but in {places[other]} {other!r}.'
        ' Write both the same way'
      )


def parse_label(name: str, where: str) -> str:
  """Returns a class name on one line; raises a UserError if it is blank."""
  # TFDS stores class names as lines of a file.
  name = ' '.join(name.split())
  if not name:
    raise UserError(f'{where}: label: expected a class name, got blank text')
  return name
