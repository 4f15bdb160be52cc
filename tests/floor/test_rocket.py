"""MiniRocket's input, against plain numpy, and aeon's classifiers."""

import numpy as np
import pytest

from unik_jax.config import default_config
from unik_jax.data.transform import Transform
from unik_jax.errors import UserError
from unik_jax.floor import measure, rocket

needs_aeon = pytest.mark.skipif(
  not rocket.installed_version(), reason=f'needs aeon: {rocket.INSTALL}'
)


def make_transform(**settings):
  config = default_config().data
  config.update(name='x', layout='msr_20', num_classes=2, **settings)
  return Transform(measure.floor_config(config), train=False)


def test_series_match_plain_numpy():
  """Two persons of 20 joints with a confidence, and room for a third."""
  rng = np.random.default_rng(0)
  clip = rng.normal(size=(2, 37, 20, 4)).astype(np.float32)
  clip[1, 30:] = 0  # the second person leaves
  record = {'keypoints': clip, 'label': 0, 'image_size': (0, 0)}
  transform = make_transform(
    persons=3, channels=4, confidence=True, stream='bone', normalize='clean'
  )
  series = rocket.make_series(record, transform)
  assert series.shape == (3 * 20 * 3, 64) and series.dtype == np.float32
  # Joint 7 of MSR-Action3D, counted from 1, is the hip centre.
  origin = clip[0, 0, 6, :3]
  old, new = np.arange(37), np.linspace(0, 36, 64)
  for person, joint, axis in ((0, 0, 0), (0, 19, 2), (0, 6, 1)):
    track = clip[person, :, joint, axis] - origin[axis]
    expected = np.interp(new, old, track)
    if joint == 6:  # at the origin in frame 0, where it counts as missing
      expected, start = expected[2:], 2
    else:
      start = 0
    row = (person * 20 + joint) * 3 + axis
    np.testing.assert_allclose(series[row, start:], expected, atol=1e-5)
  there = new < 29  # no blend of a person with an absent one
  row = (20 + 4) * 3
  track = np.interp(new, old, clip[1, :, 4, 0] - origin[0])
  np.testing.assert_allclose(series[row, there], track[there], atol=1e-5)
  assert not series[60:120, new >= 30].any()
  assert not series[120:].any()


def make_waves(count, classes, seed):
  """Noisy waves (N, 2, 64), whose frequency is the class."""
  rng = np.random.default_rng(seed)
  labels = np.arange(count) % classes
  phase = rng.uniform(0, 6, (count, 2, 1))
  time = np.linspace(0, 6, 64)
  waves = np.sin((1 + labels)[:, None, None] * time + phase)
  return np.float32(waves + 0.1 * rng.normal(size=waves.shape)), labels


@needs_aeon
@pytest.mark.slow
@pytest.mark.parametrize('name', ['minirocket', 'multirocket'])
@pytest.mark.parametrize('classes', [2, 3])
def test_waves_are_told_apart(name, classes, capfd):
  """Class 0 has no clips: labels count from 1."""
  series, labels = make_waves(40, classes, 0)
  classify = rocket.fit_rocket(name, series, labels + 1, classes + 1, seed=0)
  tested, truth = make_waves(30, classes, 1)
  logits = classify(tested)
  assert logits.shape == (30, classes + 1)
  assert (logits.argmax(1) == truth + 1).mean() > 0.9
  assert (logits[:, 0] < logits[:, 1:].min(1)).all()
  again = rocket.fit_rocket(name, series, labels + 1, classes + 1, seed=0)
  np.testing.assert_array_equal(again(tested), logits)
  assert capfd.readouterr() == ('', '')  # nor numba's warnings


def test_one_class_is_refused():
  series, labels = make_waves(4, 1, 0)
  with pytest.raises(UserError, match='minirocket.*two classes.*one'):
    rocket.fit_rocket('minirocket', series, labels, 2, seed=0)
