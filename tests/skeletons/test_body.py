"""Parts of a body, and its bounding box."""

import numpy as np
import pytest

from unik_jax.skeletons.body import (
  body_diagonals,
  body_part,
  bounding_box,
  limb_joints,
  pairs_by_part,
)
from unik_jax.skeletons.layouts import BUILT_IN, LAYOUTS, get_layout

# A hand has no limbs.
BODIES = sorted(BUILT_IN - {'hand_21'})


@pytest.mark.parametrize(
  ('joint', 'part'),
  [
    ('left_foot_index', 'leg'),
    ('right_index', 'arm'),
    ('left_hand_tip', 'arm'),
    ('left_eye_outer', 'face'),
    ('right_big_toe', 'leg'),
    ('nose', None),
    ('chest', None),
  ],
)
def test_body_part_of_a_joint(joint, part):
  assert body_part(joint) == part


@pytest.mark.parametrize('name', BODIES)
def test_pairs_of_arms_and_legs_are_the_limbs_joints(name):
  layout = LAYOUTS[name]
  pairs = pairs_by_part(layout)
  assert sorted(sum(pairs, [])) == sorted(layout.left_right)
  limbs = [limb_joints(layout, f'left_{part}') for part in ('arm', 'leg')]
  lefts = [sorted(left for left, _ in group) for group in pairs]
  assert all(sorted(limb) in lefts for limb in limbs)


def test_pairs_by_part_of_two_layouts():
  unik = LAYOUTS['unik_17']
  names = {
    tuple(sorted(unik.joints[a].removeprefix('left_') for a, _ in group))
    for group in pairs_by_part(unik)
  }
  assert names == {('elbow', 'shoulder', 'wrist'), ('ankle', 'hip', 'knee')}
  mediapipe = LAYOUTS['mediapipe_33']
  groups = pairs_by_part(mediapipe)
  assert sum(map(len, groups)) == 16
  group_of = {
    mediapipe.joints[a]: n for n, g in enumerate(groups) for a, _ in g
  }
  assert group_of['left_foot_index'] == group_of['left_hip']
  assert group_of['left_heel'] == group_of['left_hip']
  assert group_of['left_index'] == group_of['left_shoulder']
  assert group_of['left_index'] != group_of['left_hip']


@pytest.mark.parametrize('name', sorted(LAYOUTS))
def test_sides_follow_the_joint_names(name):
  layout = LAYOUTS[name]
  sides = {'left': -1, 'right': 1}
  expected = [sides.get(joint.split('_')[0], 0) for joint in layout.joints]
  assert list(layout.sides) == expected


def test_a_layout_without_limbs_has_none():
  layout = get_layout('lcrnet_13')
  assert limb_joints(layout, 'left_arm') == [7, 9, 11]
  assert limb_joints(layout, 'left_wing') == []


def test_box_and_diagonal_leave_out_missing_joints():
  points = np.array([[[1.0, 2.0], [4.0, 6.0], [np.nan, np.nan]]])
  low, high = bounding_box(points)
  np.testing.assert_array_equal(low, [[1, 2]])
  np.testing.assert_array_equal(high, [[4, 6]])
  np.testing.assert_array_equal(body_diagonals(points), [5])


def test_an_absent_person_has_no_box_and_no_size():
  points = np.full((2, 3, 2), np.nan)
  low, high = bounding_box(points, (0, 1))
  assert np.isnan(low).all() and np.isnan(high).all()
  np.testing.assert_array_equal(body_diagonals(points), [0, 0])


def names_of(layout, limb):
  layout = get_layout(layout)
  return {layout.joints[i] for i in limb_joints(layout, limb)}


def test_limbs_of_known_layouts():
  assert names_of('unik_17', 'left_arm') == {
    'left_shoulder',
    'left_elbow',
    'left_wrist',
  }
  assert names_of('ntu_25', 'right_arm') == {
    f'right_{part}'
    for part in ('shoulder', 'elbow', 'wrist', 'hand', 'hand_tip', 'thumb')
  }
  assert names_of('mediapipe_33', 'left_leg') == {
    f'left_{part}' for part in ('hip', 'knee', 'ankle', 'heel', 'foot_index')
  }


LIMBS = ('left_arm', 'right_arm', 'left_leg', 'right_leg')


@pytest.mark.parametrize('name', BODIES)
def test_limbs_contain_all_joints_of_a_side_except_the_face(name):
  layout = LAYOUTS[name]
  limbs = {limb: names_of(name, limb) for limb in LIMBS}
  assert all(len(joints) >= 3 for joints in limbs.values())
  for part in ('arm', 'leg'):
    mirrored = {j.replace('left_', 'right_') for j in limbs[f'left_{part}']}
    assert mirrored == limbs[f'right_{part}']
  all_joints = [joint for joints in limbs.values() for joint in joints]
  assert len(all_joints) == len(set(all_joints))
  rest = {j for j in layout.joints if j.startswith(('left_', 'right_'))}
  for joint in rest - set(all_joints):
    assert joint.split('_')[1] in ('eye', 'ear', 'mouth', 'face')
