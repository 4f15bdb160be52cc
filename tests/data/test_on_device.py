"""Batches built on devices equal those of the host, on any mesh."""

import itertools

import jax
import numpy as np
import pytest
from helpers.random_clips import RANDOM, make_config, make_records

from unik_jax.data.mesh_batches import MeshBatches
from unik_jax.runtime import sharding

CASES = {
  'crop': {'sampling': 'crop', 'stream': 'joint_motion'},
  'random': {**RANDOM, 'stream': 'bone_motion'},
  'linear': {'sampling': 'linear', 'frames': 11, 'stream': 'bone'},
  'augmented': {
    **{'sampling': 'linear', 'frames': 11, 'window': 0.5, 'stretch': 0.5},
    **{'rotate': 0.3, 'rotate_x': 1.0, 'rotate_z': 0.5, 'flip': 0.5},
    **{'drop_joints': 0.2, 'drop_limb': 0.5, 'fit_axes': True},
    'stream': 'bone_motion',
  },
  'random frames': {'sampling': 'random', 'stretch': 0.3, 'flip': 1.0},
  'confidence': {'channels': 4, 'confidence': True, 'sampling': 'repeat'},
  'views': {'sampling': 'uniform', 'test_clips': 3},
  'crops': {'sampling': 'crop', 'test_crops': 2, 'frames': 4},
  'whole clips': {'sampling': 'repeat', 'test_frames': -1, 'frames': 3},
}


def both(case, devices, *, train, on_device='float32', **settings):
  """Yields the same batches, built on the host and on some devices."""
  records = make_records(19, persons=2, frames=(3, 30))
  records[3]['keypoints'][1] = 0
  mesh = sharding.make_mesh((-1, 1), jax.devices()[:devices])
  for dtype in ('', on_device):
    config = make_config(persons=2, **CASES[case], on_device=dtype, **settings)
    source = MeshBatches(records, config, mesh, train=train)
    if train:
      batches = source.train_batches(batch_size=8, seed=1, start=3)
      batches = itertools.islice(batches, 3)
    else:
      batches = source.eval_batches(batch_size=8)
    yield [jax.device_get(batch) for batch in batches]


@pytest.mark.slow
@pytest.mark.parametrize('devices', [1, 8])
@pytest.mark.parametrize('train', [True, False])
@pytest.mark.parametrize('case', CASES)
def test_batches_equal_those_of_the_host(case, train, devices):
  host, device = both(case, devices, train=train)
  assert len(host) >= 3
  for result, expected in zip(device, host, strict=True):
    assert result.keys() == expected.keys()
    for key in expected:
      assert result[key].dtype == expected[key].dtype
      np.testing.assert_allclose(
        result[key], expected[key], rtol=1e-5, atol=2e-6
      )


def test_linear_on_devices_keeps_the_ends_of_presence():
  records = make_records(8, persons=2, frames=(3, 30))
  for record in records:
    record['keypoints'][1, 1:] = 0  # a person in the first frame only
    record['keypoints'][0, 2, 5] = 0
  mesh = sharding.make_mesh((-1, 1), jax.devices()[:1])
  host, device = (
    next(
      MeshBatches(
        records,
        make_config(
          persons=2,
          sampling='linear',
          frames=11,
          normalize='none',
          on_device=dtype,
        ),
        mesh,
        train=False,
      ).eval_batches(batch_size=8)
    )
    for dtype in ('', 'float32')
  )
  np.testing.assert_allclose(device['x'], host['x'], rtol=1e-5, atol=2e-6)
  for x, record in zip(host['x'], records, strict=True):
    first = record['keypoints'][1, 0, :, : x.shape[-1]]
    assert all(np.array_equal(f, first) or not f.any() for f in x[1])


def test_int16_is_near():
  host, device = both('crop', 8, train=False, on_device='int16')
  largest = max(np.abs(batch['x']).max() for batch in host)
  errors = [
    np.abs(result['x'] - expected['x']).max()
    for result, expected in zip(device, host, strict=True)
  ]
  # A motion is the difference of two frames, each rounded by half a unit.
  assert 0 < max(errors) <= 2 * largest / 65534 * 1.01


def test_a_repeated_clip_is_stored_once():
  class Twice(list):
    rows = (0, 1, 1, 0, 2)

  single = make_records(3)
  records = Twice(single[row] for row in Twice.rows)
  mesh = sharding.make_mesh((-1, 1), jax.devices()[:1])
  config = make_config(on_device='float32')
  source = MeshBatches(records, config, mesh, train=False)
  (batch,) = source.eval_batches(batch_size=5)
  assert batch['label'].tolist() == [0, 1, 1, 0, 2]
  nbytes = sum(records[i]['keypoints'][..., :3].nbytes for i in (0, 1, 4))
  assert source.on_devices.nbytes == nbytes


def test_too_many_clips_for_the_memory_are_refused(monkeypatch):
  from unik_jax.data import on_device
  from unik_jax.errors import UserError

  monkeypatch.setattr(on_device, '_available_bytes', lambda mesh: 1000.0)
  mesh = sharding.make_mesh((-1, 1), jax.devices()[:1])
  with pytest.raises(UserError, match='on_device.*GiB.*int16'):
    MeshBatches(
      make_records(9), make_config(on_device='float32'), mesh, train=True
    )
