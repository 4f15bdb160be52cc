import numpy as np
import pytest

from unik_jax.curate import simulation, tracks


def person(seed, shift=(0, 0), frames=120):
  rng = np.random.default_rng(seed)
  truth = simulation.motion(rng, 'salute', frames)
  truth += np.array(shift) - truth.mean((0, 1)) + (600, 350)
  return simulation.experts(truth, rng)


def shuffled(persons, slots=3, seed=0):
  """Bodies of each expert, in any order in each frame."""
  rng = np.random.default_rng(seed)
  count, length = persons[0].shape[:2]
  out = np.zeros((count, slots, length, 17, 3))
  for n in range(count):
    for t in range(length):
      order = rng.permutation(slots)
      for m, each in enumerate(persons):
        out[n, order[m], t] = each[n, t]
  return list(out)


def test_one_person_in_any_slot():
  who = person(0)
  found = tracks.follow(shuffled([who]))
  np.testing.assert_array_equal(found, who[None])


def test_the_quick_look_says_as_the_matching_does(monkeypatch):
  bodies = shuffled([person(3)])
  quick = tracks.follow(bodies)
  monkeypatch.setattr(tracks, '_is_one', lambda bodies: False)
  np.testing.assert_array_equal(tracks.follow(bodies), quick)


def test_two_persons_who_swap_slots_between_frames_and_experts():
  left, right = person(1, (-150, 0)), person(2, (150, 20))
  found = tracks.follow(shuffled([left, right]), persons=2)
  assert found.shape == (2, 3, 120, 17, 3)
  if not np.array_equal(found[0], left):
    found = found[::-1]
  np.testing.assert_array_equal(found[0], left)
  np.testing.assert_array_equal(found[1], right)


def test_persons_who_pass_one_another_keep_their_motion():
  frames = 80
  at = np.linspace(-300, 300, frames)[:, None, None] * (1, 0)
  rng = np.random.default_rng(0)
  pose = rng.uniform(-60, 60, (17, 2))
  # 70 pixels below the other one, a third of a body.
  a = np.concatenate([600 + pose + at, np.ones((frames, 17, 1))], -1)
  b = np.concatenate([600 + pose - at + (0, 70), a[..., 2:]], -1)
  found = tracks.follow(shuffled([a[None], b[None]], 2), 2)
  steps = np.abs(np.diff(found[..., 0], axis=2)).max()
  assert steps == pytest.approx(600 / 79)


def test_the_most_seen_are_kept():
  first, second, third = person(1, (-400, 0)), person(2), person(3, (400, 0))
  third[:, 60:] = 0
  second[:, 90:] = 0
  found = tracks.follow(shuffled([third, second, first]), persons=2)
  np.testing.assert_array_equal(found, np.stack([first, second]))


@pytest.mark.parametrize('away', [30, 80])
def test_a_person_leaves_and_comes_back(away):
  who, other = person(1, frames=200), person(2, (400, 0), frames=200)
  who[:, 60 : 60 + away] = 0
  alone = tracks.follow(shuffled([who]))
  np.testing.assert_array_equal(alone, who[None])
  found = tracks.follow(shuffled([who, other]))
  np.testing.assert_array_equal(found, np.stack([other, who]))


def test_a_person_who_comes_back_elsewhere_has_the_same_row():
  who = person(1, frames=200)
  who[:, 90:120] = 0
  who[:, 120:, :, 0] += 500 * who[:, 120:].any(-1)
  found = tracks.follow(shuffled([who]))
  np.testing.assert_array_equal(found, who[None])


def test_a_body_seen_at_a_wrong_place_for_a_moment_is_nobody():
  who = person(1)
  moved = who.copy()
  moved[0, 50:53, :, 0] += 700 * moved[0, 50:53].any(-1)
  found = tracks.follow(shuffled([moved]))
  who[0, 50:53] = 0
  np.testing.assert_array_equal(found, who[None])


def test_a_person_found_twice_by_one_expert_is_one():
  who = person(1)
  twice = who.copy()
  twice[1:] = 0
  twice[0, ..., :2] += 1.5 * twice[0, ..., :2].any(-1, keepdims=True)
  found = tracks.follow(shuffled([who, twice], 2))
  assert len(found) == 1
  np.testing.assert_array_equal(found[0, 1:], who[1:])


def test_nobody():
  nothing = [np.zeros((2, 30, 17, 3)), np.zeros((0, 30, 17, 3))]
  assert tracks.follow(nothing).shape == (0, 2, 30, 17, 3)
