"""Clips as a user's folder or manifest lists them, before any is read."""

import dataclasses
import pathlib
import unicodedata

from unik_jax.data import raw_files
from unik_jax.data.formats.user import recordings
from unik_jax.errors import UserError

# By the names that people give them.
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
class Entry:
  """A clip as it is listed.

  Attributes:
    id: unique in the dataset.
    source: of the clip.
    label: name of its class.
    subject: name of who acts; '' where unknown.
    split: 'train', 'val' or 'test'; '' where nothing says.
    where: the place that lists it, to be named in errors.
  """

  id: str
  source: recordings.Source
  label: str
  subject: str
  split: str
  where: str


def files_in(root: pathlib.Path) -> list[raw_files.RawFile]:
  """All files below a folder, but for hidden ones and Python's."""
  return [
    file
    for file in raw_files.find_files(root, '')
    if '__pycache__' not in pathlib.Path(file.path).relative_to(root).parts
  ]


def check_spelling(names: dict[str, Entry], key: str) -> None:
  """Raises a UserError where two names are one but for case."""
  seen = {}
  for name, entry in sorted(names.items(), key=lambda item: item[0]):
    plain = ' '.join(unicodedata.normalize('NFC', name).casefold().split())
    other = seen.setdefault(plain, name)
    if other != name:
      raise UserError(
        f'{entry.where}: {key} {name!r}, but in {names[other].where} {other!r};'
        ' write both the same way'
      )


def label_of(name: str, where: str) -> str:
  """The class of that name, in one line."""
  # TFDS keeps class names as lines.
  name = ' '.join(name.split())
  if not name:
    raise UserError(f'{where}: the label is blank')
  return name
