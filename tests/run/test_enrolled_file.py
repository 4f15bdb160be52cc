"""enrolled.npz: written, read, deleted, damaged."""

import numpy as np
import pytest

from unik_jax.errors import UserError
from unik_jax.run import paths
from unik_jax.run.digests import digest_weights
from unik_jax.run.enrolled_file import (
  Enrolled,
  read_enrolled,
  write_enrolled,
)

ENROLLED = Enrolled(
  np.array(['wave', 'wave', 'bow', 'bow']),
  np.arange(12, dtype=np.float32).reshape(4, 3),
  'digest',
)


def test_round_trip(tmp_path):
  assert read_enrolled(tmp_path) is None
  write_enrolled(tmp_path, ENROLLED)
  read = read_enrolled(tmp_path)
  assert read.labels.tolist() == ['wave', 'wave', 'bow', 'bow']
  np.testing.assert_array_equal(read.features, ENROLLED.features)
  assert read.weights == 'digest'
  write_enrolled(tmp_path, read.without('wave'))
  left = read_enrolled(tmp_path)
  assert left.labels.tolist() == ['bow', 'bow']
  np.testing.assert_array_equal(left.features, ENROLLED.features[2:])
  write_enrolled(tmp_path, left.without('bow'))
  assert not any(tmp_path.iterdir())


def test_damage_is_an_error(tmp_path):
  file = tmp_path / paths.ENROLLED
  write_enrolled(tmp_path, ENROLLED)
  whole = file.read_bytes()
  file.write_bytes(whole[: len(whole) // 2])
  with pytest.raises(UserError, match='enrolled.npz.*Delete it'):
    read_enrolled(tmp_path)
  file.write_bytes(b'')
  with pytest.raises(UserError, match='enrolled.npz'):
    read_enrolled(tmp_path)


@pytest.mark.parametrize(
  'changes',
  [
    {'labels': np.array(['wave'])},
    {'labels': np.arange(4)},
    {'features': np.full((4, 3), np.nan)},
    {'features': np.zeros(4)},
    {'labels': None},
  ],
)
def test_other_content_is_an_error(tmp_path, changes):
  arrays = ENROLLED._asdict() | changes
  arrays = {name: array for name, array in arrays.items() if array is not None}
  np.savez(tmp_path / paths.ENROLLED, **arrays)
  with pytest.raises(UserError, match='enrolled.npz'):
    read_enrolled(tmp_path)


def test_a_digest_tells_weights_apart():
  params, stats = {'a': np.float32([1, 2])}, {'b': np.float32([3])}
  other = {'a': np.float32([1, 2.5])}
  assert digest_weights(params, stats) == digest_weights(dict(params), stats)
  assert digest_weights(params, stats) != digest_weights(other, stats)
