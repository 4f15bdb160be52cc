"""MiniRocket's input, against plain numpy, and aeon's classifiers."""

import numpy as np
import pytest
import scipy.special

from unik_jax.config import default_config
from unik_jax.data.transform import Transform
from unik_jax.errors import UserError
from unik_jax.floor import measure
from unik_jax.models import rocket
from unik_jax.run.rocket_file import read_rocket, write_rocket

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
  (series,) = rocket.make_series(transform(record)['x'][None])
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


@pytest.fixture(scope='module', params=['minirocket', 'multirocket'])
def fitted(request):
  """(classifier, its series and labels): classes 1 to 3 of 4, millimetres."""
  if not rocket.installed_version():
    pytest.skip(f'needs aeon: {rocket.INSTALL}')
  series, labels = make_waves(30, 3, 0)
  # So noisy that a clip that is left out is not always recognised.
  noise = np.random.default_rng(7).normal(size=series.shape)
  series = np.float32(1000 * (series + 1.5 * noise))
  found = rocket.fit_rocket(request.param, series, labels + 1, 4, seed=5)
  return found, series, labels + 1


@pytest.mark.slow
def test_logits_are_aeons_distances(fitted):
  found, series, labels = fitted
  from aeon.classification import convolution_based

  name = {'minirocket': 'MiniRocket', 'multirocket': 'MultiRocket'}[found.name]
  theirs = getattr(convolution_based, f'{name}Classifier')(random_state=5)
  theirs.fit(series / series.std(), labels)
  tested, _ = make_waves(20, 3, 1)
  tested *= 1000
  expected = theirs.pipeline_.decision_function(tested / series.std())
  np.testing.assert_allclose(found(tested)[:, 1:], expected, atol=2e-3)
  assert (found(tested)[:, 0] < expected.min(1)).all()
  # A clip's logits do not depend on the clips beside it.
  np.testing.assert_allclose(found(tested[3:4]), found(tested)[3:4], atol=1e-6)


@pytest.mark.slow
def test_a_classifier_in_a_file_is_the_same(fitted, tmp_path):
  found, series, _ = fitted
  found = found._replace(temperature=3.0)
  write_rocket(tmp_path, rocket.to_arrays(found))
  arrays = read_rocket(tmp_path)
  assert all(array.dtype != object for array in arrays.values())
  again = rocket.from_arrays(arrays, 'rocket.npz')
  np.testing.assert_array_equal(again(series), found(series))
  assert (again.name, again.seed) == (found.name, 5)
  assert again.num_params() == 3 * (len(found.scale) + 1)


@pytest.mark.slow
def test_other_features_are_refused(fitted, monkeypatch):
  arrays = rocket.to_arrays(fitted[0])
  arrays['aeon'] = np.array('0.1.0')
  rocket.from_arrays(arrays, 'rocket.npz')  # only the features matter
  other = {**arrays, 'probe_logits': arrays['probe_logits'][:, ::-1]}
  with pytest.raises(UserError, match=r'rocket.npz.*aeon 0\.1\.0.*Install'):
    rocket.from_arrays(other, 'rocket.npz')
  del other['weights']
  with pytest.raises(UserError, match='rocket.npz.*weights'):
    rocket.from_arrays(other, 'rocket.npz')
  monkeypatch.setattr(rocket, 'installed_version', lambda: '')
  with pytest.raises(UserError, match='aeon.*baseline'):
    rocket.from_arrays(arrays, 'rocket.npz')


@pytest.mark.slow
def test_leaving_clips_out_matches_fits_without_them(fitted):
  from sklearn.linear_model import RidgeClassifier

  found, series, labels = fitted
  features = found.compute_features(series)
  scaled = np.float64(features) / found.scale
  distances = rocket.leave_one_out(features, labels, found)
  for n in (0, 7, 29):
    kept = np.arange(30) != n
    ridge = RidgeClassifier(alpha=found.alpha, solver='cholesky')
    ridge.fit(scaled[kept], labels[kept])
    expected = ridge.decision_function(scaled[n : n + 1])[0]
    np.testing.assert_allclose(distances[n], expected, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_probabilities_are_calibrated_without_the_own_clip(fitted):
  found, series, labels = fitted
  calibrated = rocket.calibrate_rocket(found, series, labels)
  left_out = rocket.leave_one_out(found.compute_features(series), labels, found)

  def loss(temperature):
    logs = scipy.special.log_softmax(temperature * left_out, 1)
    return -logs[np.arange(30), labels - 1].mean()

  best = calibrated.temperature
  assert best != 1 and loss(best) <= min(loss(best / 1.1), loss(best * 1.1))
  np.testing.assert_allclose(calibrated(series), best * found(series))


@pytest.mark.parametrize('content', [None, b'', b'no archive'])
def test_a_broken_file_is_named(tmp_path, content):
  if content is not None:
    (tmp_path / 'rocket.npz').write_bytes(content)
  with pytest.raises(UserError, match='rocket.npz'):
    read_rocket(tmp_path)


def test_a_damaged_header_is_named(tmp_path):
  write_rocket(tmp_path, {'scale': np.ones(3)})
  file = tmp_path / 'rocket.npz'
  content = bytearray(file.read_bytes())
  content[content.index(b'PK\x01\x02') + 10] = 99  # no such compression
  file.write_bytes(content)
  with pytest.raises(UserError, match=r'rocket.npz.*cannot be read'):
    read_rocket(tmp_path)


def test_one_class_is_refused():
  series, labels = make_waves(4, 1, 0)
  with pytest.raises(UserError, match='minirocket.*two classes.*one'):
    rocket.fit_rocket('minirocket', series, labels, 2, seed=0)
