"""DeepLabCut's tables of tracked points, .csv and .h5.

Mathis et al., Nature Neuroscience 2018, and Lauer et al., Nature Methods 2022.
A row is a frame. Columns have a name at each of three or four levels: scorer,
individuals (with several animals), bodyparts, and coords, which are x, y and
likelihood. In a .csv the levels are the first rows. A .h5 is a table of pandas;
hdf5.py reads it without unpickling.
"""

import collections
import csv
import io
from collections.abc import Sequence

import numpy as np

from unik_jax.data.formats.user.keypoints import NobodySeenError, ParsedClip
from unik_jax.data.formats.user.named_points import register_points
from unik_jax.errors import UserError

LEVELS = ('scorer', 'individuals', 'bodyparts', 'coords')
_AXES = ('x', 'y', 'z', 'likelihood')


def is_deeplabcut(content: bytes) -> bool:
  """Returns whether a .csv file has DeepLabCut's header."""
  return content.removeprefix(b'\xef\xbb\xbf').startswith(b'scorer,')


def parse_csv(content: bytes, where: str) -> ParsedClip:
  """Returns the clip in a .csv file.

  Raises:
    UserError: the header lacks a level, a row has other columns, a value is
      not a number, or as in `assemble_clip`.
  """
  try:
    rows = list(csv.reader(io.StringIO(content.decode('utf-8-sig'))))
  except (UnicodeDecodeError, csv.Error) as error:
    raise UserError(f'{where}: not a table ({error})') from None
  header = {}
  while rows and rows[0] and rows[0][0] in LEVELS:
    row = rows.pop(0)
    header[row[0]] = row
  for level in ('bodyparts', 'coords'):
    if level not in header:
      raise UserError(
        f"{where}: expected a row {level!r} in DeepLabCut's header, got none"
      )
  individuals = header.get('individuals', [''] * len(header['coords']))
  names = list(
    zip(individuals, header['bodyparts'], header['coords'], strict=False)
  )
  # The first columns have the frame, or the folder and name of an image.
  used = [n for n, name in enumerate(names) if name[2] in _AXES]
  values = np.empty((len(rows), len(used)))
  first = len(header) + 1
  for t, row in enumerate(rows):
    if len(row) != len(names):
      raise UserError(
        f'{where}, line {t + first}: expected {len(names)} values, got'
        f' {len(row)}'
      )
    for k, n in enumerate(used):
      try:
        values[t, k] = float(row[n]) if row[n] else np.nan
      except ValueError:
        raise UserError(
          f'{where}, line {t + first}: {"_".join(names[n])}: expected a number,'
          f' got {row[n]!r}'
        ) from None
  return assemble_clip([names[n] for n in used], values, where)


def assemble_clip(
  columns: Sequence[tuple[str, str, str]], values: np.ndarray, where: str
) -> ParsedClip:
  """Returns the clip in a table.

  Args:
    columns: (individual, body part, coordinate) of each column; the individual
      is '' with a single animal.
    values: (T, number of columns).
    where: the file, for errors.

  Returns:
    (M, T, V, C): x, y in pixels, or x, y, z; and the likelihood if there is
    one. An animal without a value in a frame is absent.

  Raises:
    UserError: there are no columns, an animal lacks a coordinate of a body
      part, or nothing is seen.
  """
  place = {name: n for n, name in enumerate(columns)}
  axes = [axis for axis in _AXES if any(name[2] == axis for name in columns)]
  parts: dict[str, list[str]] = {}
  for individual, part, _ in columns:
    known = parts.setdefault(individual, [])
    if part not in known:
      known.append(part)
  if not parts or axes[:2] != ['x', 'y']:
    raise UserError(
      f'{where}: expected columns of x and y for each body part, as DeepLabCut'
      f' writes, got {", ".join(axes) or "none"}'
    )
  # The points that most animals have: `single` has those of no individual.
  counts = collections.Counter(map(tuple, parts.values()))
  joints = max(counts, key=lambda own: (counts[own], len(own)))
  others = [name for name, own in parts.items() if tuple(own) != joints]
  clips = []
  for individual in parts:
    if individual in others:
      continue
    wanted = [(individual, part, axis) for part in joints for axis in axes]
    if missing := [name for name in wanted if name not in place]:
      raise UserError(
        f'{where}: expected a column {"_".join(filter(None, missing[0]))!r}, as'
        ' other body parts have, got none'
      )
    own = values[:, [place[name] for name in wanted]]
    clips.append(own.reshape(len(values), len(joints), len(axes)))
  clip = np.stack(clips)
  if not np.isfinite(clip[..., :2]).any():
    raise NobodySeenError.in_file(where, len(values))
  notes = [
    f'{name!r} has other body parts than the other animals, and is skipped'
    for name in others
  ]
  return ParsedClip(
    clip,
    axes[-1] == 'likelihood',
    register_points(joints, [], where).name,
    '' if 'z' in axes else 'pixels',
    notes=tuple(notes),
  )
