"""What a run keeps of its data: data.json and familiarity.npz."""

import io
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from unik_jax.errors import UserError
from unik_jax.run import paths
from unik_jax.runtime.atomic_files import as_sentence, atomic_write
from unik_jax.runtime.json_files import read_json_table, write_json_table
from unik_jax.skeletons.layouts import Layout, get_layout, layout_from_dict


class RunData(NamedTuple):
  """The data of a run, as its folder describes it.

  Attributes:
    layout: joint layout of clips.
    classes: class names, in label order.
    units: units of clips' coordinates.
    network_layout: layout to which joints are mapped; None for no mapping.
    image_sizes: the different (width, height) of the training clips, (0, 0) if
      unknown; None for a run that did not record them.
    familiarity: arrays of a `data.familiarity.Familiarity` by name; None for a
      run that did not record them.
    fingerprint: of the files of the prepared dataset; '' in older runs.
  """

  layout: Layout
  classes: list[str]
  units: str
  network_layout: Layout | None = None
  image_sizes: list[tuple[int, int]] | None = None
  familiarity: dict[str, np.ndarray] | None = None
  fingerprint: str = ''


def read_data(folder: pathlib.Path) -> RunData:
  """Reads data.json and familiarity.npz.

  Raises:
    UserError: data.json is missing, or a file is broken.
  """
  file = folder / paths.DATA
  remedy = f'run the command that made {folder} once more'
  table = read_json_table(file, remedy)
  try:
    sizes, mapped = table.get('image_sizes'), table.get('network_layout')
    if sizes is not None:
      sizes = [(int(width), int(height)) for width, height in sizes]
    data = RunData(
      layout=layout_from_dict(table['layout'], str(file)),
      classes=list(table['classes']),
      units=str(table['units']),
      network_layout=layout_from_dict(mapped, str(file)) if mapped else None,
      image_sizes=sizes,
      fingerprint=str(table.get('fingerprint', '')),
    )
  except (KeyError, TypeError, ValueError) as error:
    raise UserError(
      f'{file}: expected layout, classes and units, got {error!r}.'
      f' {as_sentence(remedy)}'
    ) from None
  familiarity = _read_familiarity(folder / paths.FAMILIARITY, remedy)
  return data._replace(familiarity=familiarity)


def describes_data(folder: pathlib.Path, fingerprint: str) -> bool:
  """Whether both files are there and whole, and of these data.

  Args:
    folder: folder of the run.
    fingerprint: of the files of the prepared dataset.
  """
  try:
    data = read_data(folder)
  except UserError:
    return False
  return data.familiarity is not None and data.fingerprint == fingerprint


def write_data(
  folder: pathlib.Path,
  info: Any,
  classes: list[str],
  joints: str = '',
  image_sizes: Sequence[tuple[int, int]] | None = None,
  familiarity: dict[str, np.ndarray] | None = None,
  fingerprint: str = '',
) -> None:
  """Writes data.json, and familiarity.npz before it.

  Args:
    folder: folder of the run.
    info: TFDS's `DatasetInfo` of the prepared dataset.
    classes: class names, in label order.
    joints: name of the layout to which joints are mapped; '' for none.
    image_sizes: the different sizes of the training clips' images, if known.
    familiarity: as in `RunData`.
    fingerprint: as in `RunData`.

  Raises:
    UserError: a file cannot be written.
  """
  if familiarity:
    _write_familiarity(folder / paths.FAMILIARITY, familiarity)
  table = {
    'dataset': f'{info.full_name}',
    'fingerprint': fingerprint,
    'classes': classes,
    'layout': get_layout(info.metadata['layout']).to_dict(),
    'units': info.metadata['units'],
  }
  if image_sizes is not None:
    sizes = [list(size) for size in image_sizes]
    stated = info.metadata.get('image_size')
    table['image_sizes'] = [stated] if stated and sizes == [[0, 0]] else sizes
  if joints:
    table['network_layout'] = get_layout(joints).to_dict()
  write_json_table(folder / paths.DATA, table)


def _write_familiarity(file, arrays):
  with atomic_write(file) as part, part.open('wb') as opened:
    np.savez(opened, **arrays)


def _read_familiarity(file, remedy):
  """Returns the arrays of familiarity.npz; None without the file."""
  if not file.exists():
    return None
  try:
    # From memory: numpy leaves a broken file open.
    content = io.BytesIO(file.read_bytes())
    with np.load(content, allow_pickle=False) as arrays:
      return {name: arrays[name] for name in arrays}
  except Exception as error:  # numpy raises many kinds for a broken file
    raise UserError(
      f'{file}: cannot be read ({error}). {as_sentence(remedy)}'
    ) from None
