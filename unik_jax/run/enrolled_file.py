"""The actions that were enrolled in a run: enrolled.npz."""

import io
import pathlib
from typing import NamedTuple

import numpy as np

from unik_jax.errors import UserError
from unik_jax.run import paths
from unik_jax.runtime.atomic_files import atomic_write


class Enrolled(NamedTuple):
  """Enrolled clips, as a run's network sees them.

  Attributes:
    labels: (N,) action of each clip.
    features: (N, D) features of each clip, which the classifier gets.
    weights: digest of the weights that computed them, from
      `digests.digest_weights`.
  """

  labels: np.ndarray
  features: np.ndarray
  weights: str

  def without(self, label: str) -> 'Enrolled':
    """Returns the clips of the other actions."""
    kept = self.labels != label
    return self._replace(labels=self.labels[kept], features=self.features[kept])


def read_enrolled(folder: pathlib.Path) -> Enrolled | None:
  """Reads a run's enrolled.npz; None without the file.

  Raises:
    UserError: the file is broken.
  """
  file = folder / paths.ENROLLED
  if not file.exists():
    return None
  try:
    # From memory: numpy leaves a broken file open.
    content = io.BytesIO(file.read_bytes())
    with np.load(content, allow_pickle=False) as arrays:
      enrolled = Enrolled(
        arrays['labels'], arrays['features'], str(arrays['weights'])
      )
    _check(*enrolled)
  except Exception as error:  # numpy raises many kinds for a broken file
    raise UserError(
      f'{file}: cannot be read ({error}). Delete it, and enroll its actions'
      ' again'
    ) from None
  return enrolled


def _check(labels, features, _):
  if labels.dtype.kind != 'U' or features.dtype.kind != 'f':
    raise ValueError('expected names and features')
  if labels.ndim != 1 or features.ndim != 2 or len(labels) != len(features):
    raise ValueError('expected one row of features for each label')
  if not np.isfinite(features).all():
    raise ValueError('expected finite features')


def write_enrolled(folder: pathlib.Path, enrolled: Enrolled) -> None:
  """Writes a run's enrolled.npz, or deletes it if no action is left.

  Raises:
    UserError: the file cannot be written.
  """
  file = folder / paths.ENROLLED
  if not len(enrolled.labels):
    file.unlink(missing_ok=True)
    return
  with atomic_write(file) as part, part.open('wb') as opened:
    np.savez(opened, **enrolled._asdict())
