"""The fitted MiniRocket or MultiRocket of a run: rocket.npz, plain arrays."""

import io
import pathlib
from collections.abc import Mapping

import numpy as np

from unik_jax.errors import UserError
from unik_jax.run import paths
from unik_jax.runtime.atomic_files import atomic_write

_REMEDY = 'Run the command that made it once more: it is fitted again'


def write_rocket(
  folder: pathlib.Path, arrays: Mapping[str, np.ndarray]
) -> None:
  """Writes rocket.npz, atomically.

  Args:
    folder: folder of the run.
    arrays: from `models.rocket.to_arrays`.

  Raises:
    UserError: the file cannot be written.
  """
  with atomic_write(folder / paths.ROCKET) as part, part.open('wb') as file:
    np.savez(file, **arrays)


def read_rocket(folder: pathlib.Path) -> dict[str, np.ndarray]:
  """Reads rocket.npz. Nothing is unpickled.

  Args:
    folder: folder of the run.

  Raises:
    UserError: the file is missing or broken.
  """
  file = folder / paths.ROCKET
  try:
    # From memory: numpy leaves a broken file open.
    content = io.BytesIO(file.read_bytes())
    with np.load(content, allow_pickle=False) as arrays:
      return {name: arrays[name] for name in arrays}
  except FileNotFoundError:
    raise UserError(f'{file}: no such file. {_REMEDY}') from None
  except Exception as error:  # numpy raises many kinds for a broken file
    raise UserError(
      f'{file}: cannot be read ({error}). Delete it. {_REMEDY}'
    ) from None
