import numpy as np
import pytest

from unik_jax.curate import aggregation, evidence, simulation, swaps
from unik_jax.errors import UserError
from unik_jax.skeletons.body import pairs_by_part
from unik_jax.skeletons.layouts import Layout, get_layout

COCO, UNIK = get_layout('coco_17'), get_layout('unik_17')


def written_out(first, second, third, gamma):
  """The tool's loops in plain Python, for the test alone."""
  length = len(first)
  made, sure = np.zeros((length, 17, 2)), np.zeros(length)

  def distance(a, b):
    return np.sqrt(((a - b) ** 2).sum())

  for t in range(length - 1):
    for v in range(17):
      a, b, c = first[t, v], second[t, v], third[t, v]
      if t == 0:
        table = {distance(b, c): b, distance(b, a): b}
        table[distance(a, c)] = c
      else:
        table = {distance(b, made[t - 1, v]): b}
        table[distance(c, made[t - 1, v])] = c
        table[distance(a, made[t - 1, v])] = a
      made[t, v] = table[min(table)]
    width = distance(made[t, 5], made[t, 6]) + 1e-8
    apart = [
      sum(distance(e[t, v], made[t, v]) for v in range(5, 17)) / 12 / width
      for e in (second, third, first)
    ]
    sure[t] = np.exp(-sum(apart) / 3)
    if sure[t] < gamma:
      sure[t] = 0
  return made, sure


@pytest.mark.parametrize('gamma', [0.06, 0.7])
def test_sst_a_is_the_published_tool_step_by_step(gamma):
  rng = np.random.default_rng(0)
  poses = np.cumsum(rng.normal(0, 3, (3, 20, 17, 2)), 1) + 200
  poses += rng.normal(0, 40, (1, 1, 17, 2))
  poses[rng.random((3, 20, 17)) < 0.1] = 0  # missing, also in two at once
  poses[:, 0, 4] = 0  # equal distances
  poses[1, :, 7] = poses[2, :, 7]
  made, sure = aggregation.sst_a(poses, COCO, gamma)
  expected, confidence = written_out(*poses, gamma)
  np.testing.assert_array_equal(made, expected)
  np.testing.assert_allclose(sure, confidence, rtol=1e-12)
  assert (confidence > 0).any() and not made[-1].any() and sure[-1] == 0
  if gamma == 0.7:
    assert (sure[:-1] == 0).any()


def test_sst_a_needs_three_experts_and_a_body():
  with pytest.raises(UserError, match='three experts, not of 2.*robust'):
    aggregation.sst_a(np.ones((2, 4, 17, 2)), COCO)
  joints = ('left_shoulder', 'right_shoulder', 'head')
  bust = Layout('bust', joints, (joints[::2], joints[1:]), 'head')
  with pytest.raises(UserError, match="'bust' has no joint 'left_elbow'"):
    aggregation.sst_a(np.ones((3, 4, 3, 2)), bust)


@pytest.fixture(scope='module')
def truth():
  return simulation.motion(np.random.default_rng(5), 'jumping_jack', 60)


def agreeing(truth, count, jitter=1.0):
  rng = np.random.default_rng(9)
  poses = truth + rng.normal(0, jitter, (count, *truth.shape))
  return np.concatenate([poses, np.full((*poses.shape[:-1], 1), 0.8)], -1)


@pytest.mark.parametrize('count', [1, 2, 3, 4, 6])
def test_any_number_of_experts(truth, count):
  poses = agreeing(truth, count)
  made = aggregation.robust(poses, UNIK)
  error = np.linalg.norm(made[..., :2] - truth, axis=-1)
  # The mean of N is sqrt(N) times as near as one, whose error is Rayleigh's.
  expected = np.sqrt(np.pi / 2 / count)
  assert error.mean() == pytest.approx(expected, rel=0.12)
  assert made[..., 2].min() > 0.7


def test_missing_joints_never_win(truth):
  poses = agreeing(truth, 3)
  lost = np.random.default_rng(1).random(poses.shape[:3]) < 0.4
  poses[lost] = 0
  made = aggregation.robust(poses, UNIK)
  gone = lost.all(0)
  assert gone.any()
  np.testing.assert_array_equal(made[gone], 0)
  there = made[~gone]
  assert there.any(-1).all()
  error = np.linalg.norm(made[..., :2] - truth, axis=-1)[~gone]
  assert error.max() < 6
  # In SST-A they do win, since the first frame's agreement is of two zeros.
  poses[:2, 0, 3] = 0
  assert not aggregation.sst_a(poses, UNIK)[0][0, 3].any()


def test_confidence_weighs(truth):
  poses = agreeing(truth, 2, jitter=0.0)
  poses[1, ..., :2] += (4, 0)
  poses[0, ..., 2], poses[1, ..., 2] = 0.9, 0.3
  made = aggregation.robust(poses, UNIK)
  off = made[..., 0] - truth[..., 0]
  np.testing.assert_allclose(off, 1, atol=0.1)  # 0.3 of 1.2, of 4 pixels


def test_an_outlier_drags_nothing(truth):
  poses = agreeing(truth, 3)
  clean = aggregation.robust(poses, UNIK)
  wild = poses.copy()
  wild[1, 20:24, 9, :2] += (300, -150)
  made = aggregation.robust(wild, UNIK)
  error = np.linalg.norm(made[..., :2] - truth, axis=-1)
  assert error.max() < 6
  away = np.r_[:16, 28:60]
  np.testing.assert_allclose(made[away], clean[away], atol=0.05)
  # An expert who is alone with it is not believed either.
  wild[1, 22:24] = poses[1, 22:24]
  wild[[0, 2], 20:22, 9] = 0
  alone = aggregation.robust(wild, UNIK)
  np.testing.assert_array_equal(alone[20:22, 9], 0)


@pytest.mark.parametrize('count', [1, 3])
def test_a_swap_of_left_and_right_is_put_back(truth, count):
  poses = agreeing(truth, count)
  frames = slice(20, 22) if count == 1 else slice(20, 40)
  (arms, *_) = [g for g in pairs_by_part(UNIK) if (7, 8) in g]
  mixed = poses.copy()
  mixed[0, frames] = swaps.swap(poses[0, frames], arms)
  put = swaps.put_back(mixed, UNIK)
  np.testing.assert_array_equal(put, poses)
  np.testing.assert_allclose(
    aggregation.robust(mixed, UNIK), aggregation.robust(poses, UNIK)
  )


def test_limbs_of_all_layouts_are_told_apart():
  names = {
    tuple(sorted(UNIK.joints[a].removeprefix('left_') for a, _ in group))
    for group in pairs_by_part(UNIK)
  }
  assert names == {('elbow', 'shoulder', 'wrist'), ('ankle', 'hip', 'knee')}
  mediapipe = get_layout('mediapipe_33')
  groups = pairs_by_part(mediapipe)
  assert sum(map(len, groups)) == 16
  of = {mediapipe.joints[a]: n for n, g in enumerate(groups) for a, _ in g}
  assert of['left_foot_index'] == of['left_heel'] == of['left_hip']
  assert of['left_index'] == of['left_shoulder'] != of['left_hip']


def test_experts_who_are_noisier_count_less(truth):
  rng = np.random.default_rng(3)
  jitter = np.array([1, 3, 6.0])[:, None, None, None]
  poses = agreeing(truth, 3, 0.0)
  poses[..., :2] += rng.normal(size=(3, *truth.shape)) * jitter
  made = aggregation.robust(poses, UNIK)
  error = np.linalg.norm(made[..., :2] - truth, axis=-1).mean()
  plain = np.linalg.norm(poses[..., :2].mean(0) - truth, axis=-1).mean()
  assert error < 0.75 * plain


def test_aggregates_are_nearer_than_the_best_expert():
  seeds = [evidence.measure(seed, clips=12) for seed in (0, 1)]
  for found in seeds:
    for figure in ('error', 'common'):
      best = min(found[f'expert {n}'][figure] for n in (1, 2, 3))
      ours = found[evidence.ROBUST][figure]
      assert found[evidence.SST_A][figure] < best
      assert ours < 0.9 * found[evidence.SST_A][figure]
      assert found[evidence.SMOOTHED][figure] < ours
    assert found[evidence.ROBUST]['pck'] > found[evidence.SST_A]['pck']
    assert 0.9 < found['expert 1']['given'] < 0.98
  again = evidence.measure(1, clips=12)
  assert again == seeds[1] != seeds[0]
