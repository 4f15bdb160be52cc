"""A user's keypoints, adapted to what a model takes."""

import numpy as np
import pytest
from helpers import synthetic_run
from helpers.user_clips import make_walker

from unik_jax.errors import UserError
from unik_jax.predictor.adapter import adapt_clip
from unik_jax.skeletons.layouts import get_layout

UNIK = get_layout('unik_17')


def adapt(clip, *, channels=2, scores=False, **options):
  """Adapts a clip to a model of one person.

  Args:
    clip: the clip.
    channels: that the model takes.
    scores: whether the last of them is a confidence.
    **options: of `adapt_clip`.
  """
  data = synthetic_run.make_config(channels=channels, confidence=scores).data
  return adapt_clip(clip, UNIK, data, **options)


def test_missing_joints_are_zeros():
  clip = make_walker(channels=3)
  clip[..., 2] = 0.5
  clip[4, 2], clip[5, 3, 2], clip[6, 7] = np.nan, 0, 0
  expected = np.float32(clip[None, ..., :2])
  for t, v in ((4, 2), (5, 3), (6, 7)):
    expected[0, t, v] = 0
  ((person, adapted),) = adapt(clip)
  assert person is None
  np.testing.assert_array_equal(adapted, expected)


@pytest.mark.parametrize(
  'given, stated, coordinates, scores, expected',
  [
    ('xy', None, 2, False, 'xy'),
    ('xyc', None, 2, False, 'xy'),
    ('xyz', False, 2, False, 'xy'),
    ('xyzc', None, 2, False, 'xy'),
    ('xyz', None, 3, False, 'xyz'),
    ('xyzc', None, 3, False, 'xyz'),
    ('xy', None, 2, True, 'xy1'),
    ('xyc', None, 2, True, 'xyc'),
    ('xyzc', None, 2, True, 'xyc'),
    ('xyz', None, 3, True, 'xyz1'),
    ('xyzc', None, 3, True, 'xyzc'),
  ],
)
def test_channels(given, stated, coordinates, scores, expected):
  values = {'x': 1.5, 'y': 2.5, 'z': -3.5, 'c': 0.75, '1': 1.0}
  clip = np.ones((4, 17, 1)) * [values[c] for c in given]
  clip[1, 2] = 0
  ((_, adapted),) = adapt(
    clip, channels=coordinates + scores, scores=scores, confidence=stated
  )
  expected = np.ones((1, 4, 17, 1)) * [values[c] for c in expected]
  expected[0, 1, 2] = 0
  np.testing.assert_array_equal(adapted, expected)


def _with(value, *place, **options):
  clip = make_walker(**options)
  clip[place] = value
  return clip


@pytest.mark.parametrize(
  'clip, options, message',
  [
    (make_walker(joints=18), {}, 'got 18 joints.*--layout=.*openpose_18'),
    (make_walker(joints=6), {}, 'got 6 joints.*no built-in one'),
    (make_walker(17, 20), {}, r'order \(frames, joints, channels\)'),
    (
      make_walker(),
      {'channels': 3},
      'x y, but this model takes x y z.*init_from',
    ),
    (
      make_walker(channels=3),
      {'channels': 3, 'confidence': True},
      'have x y confidence, but this model takes x y z',
    ),
    (3 * make_walker(channels=3), {}, 'x y. Use --conf.* --noconfidence'),
    (
      3 * make_walker(channels=3),
      {'channels': 3, 'scores': True},
      'x y confidence. Use --conf.* --noconfidence',
    ),
    (make_walker(channels=3), {'channels': 3}, 'x y z. Use --confidence'),
    (-make_walker(channels=4), {'channels': 3}, 'last of 4 .*--noconfidence'),
    (np.ones((3, 9, 17, 2)), {}, r'numpy.transpose\(array, \(3, 1, 2, 0\)'),
    (np.ones((2, 9, 17, 1)), {}, r'numpy.transpose\(array, \(3, 1, 2, 0\)'),
    (make_walker(channels=5), {}, '2 to 4 channels'),
    (make_walker()[0], {}, r'shape \(17, 2\)'),
    (make_walker()[:0], {}, r'empty array \(0, 17, 2\)'),
    (np.zeros((30, 2, 17, 2)), {}, 'Swap the first two axes'),
    ([[[1, 2]], [[1]]], {}, 'array of numbers.*got object'),
    (np.full((2, 17, 2), 'a'), {}, 'array of numbers.*got <U1'),
    (_with(np.nan, 3, 4, 1), {}, r'frame 3, person 0: y of joint 4 \(mid_hip'),
    (_with(np.inf, 3, 4, 1), {}, 'frame 3, person 0: y of joint 4'),
    (_with(1e300, 3, 4, 1), {}, 'frame 3, person 0: y of joint 4'),
    (np.zeros((5, 17, 2)), {}, 'nobody is seen'),
    (np.full((5, 17, 2), np.nan), {}, 'nobody is seen'),
  ],
)
def test_bad_clips(clip, options, message):
  for together in (True, False):
    with pytest.raises(UserError, match='^clip 7[:,].*' + message):
      adapt(clip, where='clip 7', together=together, **options)
