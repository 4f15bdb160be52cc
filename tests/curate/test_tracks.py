"""Tracks of persons, through time and across estimators."""

import numpy as np
import pytest

from unik_jax.curate import simulation, tracks


def simulate_person(seed, shift=(0, 0), frames=120):
  rng = np.random.default_rng(seed)
  truth = simulation.generate_motion(rng, 'salute', frames)
  truth += np.array(shift) - truth.mean((0, 1)) + (600, 350)
  return simulation.simulate_estimators(truth, rng)


def shuffle_rows(persons, rows=3, seed=0):
  """Returns each estimator's bodies, their rows in random order per frame."""
  rng = np.random.default_rng(seed)
  count, length = persons[0].shape[:2]
  out = np.zeros((count, rows, length, 17, 3))
  for n in range(count):
    for t in range(length):
      order = rng.permutation(rows)
      for m, each in enumerate(persons):
        out[n, order[m], t] = each[n, t]
  return list(out)


def test_one_person_in_any_row():
  person = simulate_person(0)
  tracked = tracks.track_persons(shuffle_rows([person]))
  np.testing.assert_array_equal(tracked, person[None])


def test_the_shortcut_for_one_person_matches_the_full_matching(monkeypatch):
  bodies = shuffle_rows([simulate_person(3)])
  quick = tracks.track_persons(bodies)
  monkeypatch.setattr(tracks, '_is_single_person', lambda bodies: False)
  np.testing.assert_array_equal(tracks.track_persons(bodies), quick)


def test_two_persons_in_rows_that_change():
  left, right = simulate_person(1, (-150, 0)), simulate_person(2, (150, 20))
  tracked = tracks.track_persons(shuffle_rows([left, right]), persons=2)
  assert tracked.shape == (2, 3, 120, 17, 3)
  if not np.array_equal(tracked[0], left):
    tracked = tracked[::-1]
  np.testing.assert_array_equal(tracked[0], left)
  np.testing.assert_array_equal(tracked[1], right)


def test_persons_who_pass_each_other_are_not_confused():
  frames = 80
  at = np.linspace(-300, 300, frames)[:, None, None] * (1, 0)
  rng = np.random.default_rng(0)
  pose = rng.uniform(-60, 60, (17, 2))
  # 70 pixels below the other person, a third of a body.
  a = np.concatenate([600 + pose + at, np.ones((frames, 17, 1))], -1)
  b = np.concatenate([600 + pose - at + (0, 70), a[..., 2:]], -1)
  tracked = tracks.track_persons(shuffle_rows([a[None], b[None]], 2), 2)
  steps = np.abs(np.diff(tracked[..., 0], axis=2)).max()
  assert steps == pytest.approx(600 / 79)


def test_the_most_seen_persons_are_kept():
  first, second = simulate_person(1, (-400, 0)), simulate_person(2)
  third = simulate_person(3, (400, 0))
  third[:, 60:] = 0
  second[:, 90:] = 0
  tracked = tracks.track_persons(
    shuffle_rows([third, second, first]), persons=2
  )
  np.testing.assert_array_equal(tracked, np.stack([first, second]))


@pytest.mark.parametrize('away', [30, 80])
def test_a_person_leaves_and_returns(away):
  person = simulate_person(1, frames=200)
  other = simulate_person(2, (400, 0), frames=200)
  person[:, 60 : 60 + away] = 0
  tracked = tracks.track_persons(shuffle_rows([person]))
  np.testing.assert_array_equal(tracked, person[None])
  tracked = tracks.track_persons(shuffle_rows([person, other]))
  np.testing.assert_array_equal(tracked, np.stack([other, person]))


def test_a_person_who_returns_elsewhere_reuses_the_row():
  person = simulate_person(1, frames=200)
  person[:, 90:120] = 0
  person[:, 120:, :, 0] += 500 * person[:, 120:].any(-1)
  tracked = tracks.track_persons(shuffle_rows([person]))
  np.testing.assert_array_equal(tracked, person[None])


@pytest.mark.parametrize('count', [1, 3])
def test_one_body_a_frame_is_one_person_however_far_it_jumps(count):
  person = simulate_person(1)[:count]
  person[:, 60:, :, 0] += 900 * person[:, 60:].any(-1)  # a cut
  person[:, ::2, :, 1] += 300 * person[:, ::2].any(-1)
  tracked = tracks.track_persons(shuffle_rows([person]))
  np.testing.assert_array_equal(tracked, person[None])


def test_a_body_of_a_few_frames_is_dropped():
  person = simulate_person(1)
  moved = person.copy()
  moved[0, 50:53, :, 0] += 700 * moved[0, 50:53].any(-1)
  tracked = tracks.track_persons(shuffle_rows([moved]))
  person[0, 50:53] = 0
  np.testing.assert_array_equal(tracked, person[None])


def test_a_person_found_twice_by_one_estimator_is_one():
  person = simulate_person(1)
  twice = person.copy()
  twice[1:] = 0
  twice[0, ..., :2] += 1.5 * twice[0, ..., :2].any(-1, keepdims=True)
  tracked = tracks.track_persons(shuffle_rows([person, twice], 2))
  assert len(tracked) == 1
  np.testing.assert_array_equal(tracked[0, 1:], person[1:])


def test_no_bodies():
  nothing = [np.zeros((2, 30, 17, 3)), np.zeros((0, 30, 17, 3))]
  assert tracks.track_persons(nothing).shape == (0, 2, 30, 17, 3)
