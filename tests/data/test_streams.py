"""Streams, against loops over joints and frames."""

import numpy as np
import pytest
from helpers.properties import clips, layouts, quick
from hypothesis import given
from hypothesis import strategies as st

from unik_jax.data.streams import STREAMS, get_stream
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import LAYOUTS, get_layout

every_layout = pytest.mark.parametrize('name', LAYOUTS)


def make_clip(layout, frames=4):
  rng = np.random.default_rng(0)
  clip = rng.standard_normal((2, frames, layout.num_joints, 3))
  return clip.astype(np.float32)


def loop_bones(clip, layout):
  out = np.zeros_like(clip)
  for child, parent in layout.bones:
    c, p = layout.joints.index(child), layout.joints.index(parent)
    for m, t in np.ndindex(clip.shape[:2]):
      out[m, t, c] = clip[m, t, c] - clip[m, t, p]
  if layout.name == 'unik_17':  # the published script skips joint 1, the head
    out[:, :, 0] = clip[:, :, 0]
  return out


def loop_motion(x):
  out = np.zeros_like(x)
  for t in range(x.shape[1] - 1):
    out[:, t] = x[:, t + 1] - x[:, t]
  return out


EXPECTED = {
  'joint': lambda clip, layout: clip,
  'bone': loop_bones,
  'joint_motion': lambda clip, layout: loop_motion(clip),
  'bone_motion': lambda clip, layout: loop_motion(loop_bones(clip, layout)),
}


@every_layout
@pytest.mark.parametrize('frames', [1, 4])
@pytest.mark.parametrize('stream', STREAMS)
def test_matches_the_loops(stream, frames, name):
  layout = get_layout(name)
  clip = make_clip(layout, frames)
  before = clip.copy()
  out = get_stream(stream)(clip, layout)
  np.testing.assert_array_equal(out, EXPECTED[stream](clip, layout))
  np.testing.assert_array_equal(clip, before)  # not changed in place
  assert out.dtype == np.float32


def test_a_hand_worked_example():
  """The right wrist moves by (1, 2), the elbow does not."""
  layout = get_layout('openpose_18')
  clip = np.zeros((1, 2, 18, 2), np.float32)
  clip[:, :, 3] = 5, 5  # elbow
  clip[0, :, 4] = (6, 7), (7, 9)  # wrist
  bones = get_stream('bone')(clip, layout)
  assert bones[0, :, 4].tolist() == [[1, 2], [2, 4]]
  assert bones[0, :, 1].tolist() == [[0, 0], [0, 0]]  # the neck, the root
  moves = get_stream('bone_motion')(clip, layout)
  assert moves[0, :, 4].tolist() == [[1, 2], [0, 0]]
  assert np.count_nonzero(moves) == 2


@every_layout
def test_bones_do_not_depend_on_the_body_position(name):
  layout = get_layout(name)
  clip = make_clip(layout).astype(np.float64)
  shift = np.array([3.0, -2.0, 7.0])
  change = get_stream('bone')(clip + shift, layout)
  change -= get_stream('bone')(clip, layout)
  expected = np.zeros_like(change)
  if layout.root_keeps_position:
    expected[:, :, layout.root] = shift
  np.testing.assert_allclose(change, expected, atol=1e-12)


def test_unknown_stream():
  with pytest.raises(UserError, match='data.stream.*bones') as error:
    get_stream('bones')
  assert all(name in str(error.value) for name in STREAMS)


# Properties, over layouts with random trees of bones

trees = layouts().flatmap(
  lambda layout: st.tuples(st.just(layout), clips(layout.num_joints))
)


@quick
@given(tree=trees)
def test_bone_plus_parent_is_the_joint(tree):
  layout, clip = tree
  bones = get_stream('bone')(clip, layout)
  for child, parent in layout.bone_indices:
    np.testing.assert_array_equal(
      bones[:, :, child] + clip[:, :, parent], clip[:, :, child]
    )
  root = clip[:, :, layout.root] * layout.root_keeps_position
  np.testing.assert_array_equal(bones[:, :, layout.root], root)


@quick
@given(tree=trees)
def test_motion_adds_up_to_the_joints(tree):
  layout, clip = tree
  motion = get_stream('joint_motion')(clip, layout)
  assert not motion[:, -1].any()
  again = clip[:, :1] + np.cumsum(motion, 1) - motion
  np.testing.assert_array_equal(again, clip)


@quick
@given(tree=trees)
def test_bone_motion_is_the_bones_of_the_motion(tree):
  layout, clip = tree
  motion = get_stream('joint_motion')(clip, layout)
  np.testing.assert_array_equal(
    get_stream('bone_motion')(clip, layout), get_stream('bone')(motion, layout)
  )
