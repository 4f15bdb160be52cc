"""Maps between layouts, by joint name."""

import dataclasses

import numpy as np
import pytest
from helpers.properties import clips, layouts, quick
from hypothesis import given
from hypothesis import strategies as st

from unik_jax.errors import UserError
from unik_jax.skeletons import joint_maps
from unik_jax.skeletons.layouts import LAYOUTS, get_layout

NTU, UNIK = get_layout('ntu_25'), get_layout('unik_17')
LIMBS = [
  f'{side}_{joint}'
  for side in ('left', 'right')
  for joint in ('shoulder', 'elbow', 'wrist', 'hip', 'knee', 'ankle')
]


def clip_of(layout, persons=2, frames=4, channels=3):
  rng = np.random.default_rng(0)
  shape = (persons, frames, layout.num_joints, channels)
  return rng.normal(size=shape).astype(np.float32)


def at(clip, layout, joint):
  return clip[:, :, layout.index(joint)]


def test_limbs_of_25_joints_are_those_of_17():
  clip = clip_of(NTU)
  mapped = joint_maps.convert_clip(clip, NTU, UNIK)
  assert mapped.shape == (2, 4, 17, 3)
  for joint in [*LIMBS, 'head']:
    np.testing.assert_array_equal(
      at(mapped, UNIK, joint), at(clip, NTU, joint), joint
    )


def test_17_joints_come_back_from_25():
  clip = clip_of(UNIK)
  mapped = joint_maps.convert_clip(clip, UNIK, NTU)
  np.testing.assert_array_equal(
    joint_maps.convert_clip(mapped, NTU, UNIK), clip
  )


def test_hands_and_feet_are_on_the_lines_of_their_limbs():
  clip = clip_of(UNIK)
  mapped = joint_maps.convert_clip(clip, UNIK, NTU)
  lengths = {}
  for end, near, far in (
    ('hand', 'wrist', 'elbow'),
    ('thumb', 'wrist', 'elbow'),
    ('hand_tip', 'wrist', 'elbow'),
    ('foot', 'ankle', 'knee'),
  ):
    limb = at(clip, UNIK, f'left_{near}') - at(clip, UNIK, f'left_{far}')
    step = at(mapped, NTU, f'left_{end}') - at(clip, UNIK, f'left_{near}')
    ratio = np.linalg.norm(step, axis=-1) / np.linalg.norm(limb, axis=-1)
    np.testing.assert_allclose(np.cross(limb, step), 0, atol=1e-5)
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-4)
    lengths[end] = ratio[0, 0]
  assert lengths['hand'] < lengths['thumb'] < lengths['hand_tip']


@pytest.mark.parametrize('name', sorted(LAYOUTS.keys() - {'hand_21'}))
def test_maps_commute_with_shifts(name):
  source = get_layout(name)
  clip, shift = clip_of(source), np.float32([1, -2, 3])
  moved = joint_maps.convert_clip(clip + shift, source, UNIK)
  np.testing.assert_allclose(
    moved, joint_maps.convert_clip(clip, source, UNIK) + shift, atol=1e-5
  )


def test_chest_of_coco_is_the_mean_of_shoulders_and_hips():
  coco = get_layout('coco_17')
  clip = clip_of(coco)
  chest = at(joint_maps.convert_clip(clip, coco, UNIK), UNIK, 'chest')
  parts = [
    np.float64(at(clip, coco, joint))
    for joint in ('left_shoulder', 'right_shoulder', 'left_hip', 'right_hip')
  ]
  np.testing.assert_allclose(chest, np.mean(parts, 0), atol=1e-6)


def test_a_joint_derived_from_a_missing_one_is_missing():
  clip = clip_of(UNIK)
  clip[0, 1, UNIK.index('left_elbow')] = 0
  mapped = joint_maps.convert_clip(clip, UNIK, NTU)
  gone = {j for j in NTU.joints if not at(mapped, NTU, j)[0, 1].any()}
  assert gone == {'left_elbow', 'left_hand', 'left_thumb', 'left_hand_tip'}


def test_confidence_is_the_lowest_of_the_parts():
  clip = np.abs(clip_of(UNIK))
  mapped = joint_maps.convert_clip(clip, UNIK, NTU, confidence=True)
  lowest = np.minimum(
    at(clip, UNIK, 'left_wrist'), at(clip, UNIK, 'left_elbow')
  )
  np.testing.assert_array_equal(
    at(mapped, NTU, 'left_hand')[..., 2], lowest[..., 2]
  )
  np.testing.assert_array_equal(
    mapped[..., :2], joint_maps.convert_clip(clip[..., :2], UNIK, NTU)
  )


def test_joints_that_cannot_be_derived_are_named():
  with pytest.raises(UserError, match="'unik_17'.*'coco_17'.*left_eye"):
    joint_maps.convert_clip(clip_of(UNIK), UNIK, get_layout('coco_17'))


def test_the_nearest_joint_is_a_few_bones_away():
  """Expected values found by hand, from the bones of each layout."""
  names = 'unik_17', 'ntu_25', 'msr_20', 'coco_17'
  unik, ntu, msr, coco = map(get_layout, names)

  def named(source, target):
    near = joint_maps.find_nearest(source, target)
    return dict(
      zip(target.joints, (source.joints[i] for i in near), strict=True)
    )

  nearest = named(unik, ntu)
  assert nearest['left_hand_tip'] == nearest['left_thumb'] == 'left_wrist'
  assert nearest['right_foot'] == 'right_ankle'
  assert (nearest['neck'], nearest['spine_shoulder']) == ('nose', 'neck')
  nearest = named(ntu, msr)
  assert nearest['shoulder_center'] == 'spine_shoulder'
  assert (
    nearest['hip_center'] == 'spine_base' and nearest['spine'] == 'spine_mid'
  )
  assert nearest['left_hand'] == 'left_hand'
  nearest = named(coco, ntu)
  assert nearest['left_hand'] == 'left_wrist'
  for layout in (unik, ntu, msr, coco):
    same = joint_maps.find_nearest(layout, layout)
    assert same == list(range(layout.num_joints))
    assert joint_maps.find_counterparts(layout, layout) == same


def test_united_layouts_have_each_place_once():
  names = ('msr_20', 'kinect_20', 'sbu_15', 'penn_13', 'ntu_25', 'coco_17')
  united = joint_maps.unite_layouts([get_layout(name) for name in names])
  msr = get_layout('msr_20').joints
  assert united.joints == (
    *msr,
    # Kinect v2's spine_base, spine_mid and spine_shoulder are the hip centre,
    # the spine and the shoulder centre of Kinect v1; the neck is above.
    *('neck', 'left_hand_tip', 'left_thumb', 'right_hand_tip', 'right_thumb'),
    *('nose', 'left_eye', 'right_eye', 'left_ear', 'right_ear'),
  )
  found = {
    name: [
      united.joints[i]
      for i in joint_maps.find_counterparts(united, get_layout(name))
    ]
    for name in names
  }
  assert found['sbu_15'][1:3] == ['neck', 'spine']
  assert found['ntu_25'][20] == 'shoulder_center'
  # One layout, or others of its joints, is itself.
  kinects = [get_layout(name) for name in ('kinect_20', 'msr_20', 'utd_20')]
  assert joint_maps.unite_layouts(kinects) == kinects[0]


@given(st.lists(st.sampled_from(sorted(LAYOUTS)), min_size=1, max_size=5))
@quick
def test_each_joint_has_a_place_of_its_own_in_united_layouts(names):
  members = [get_layout(name) for name in names]
  united = joint_maps.unite_layouts(members)
  for layout in members:
    found = joint_maps.find_counterparts(united, layout)
    assert None not in found and len(set(found)) == layout.num_joints
  used = {i for m in members for i in joint_maps.find_counterparts(united, m)}
  assert used == set(range(united.num_joints))


def test_layouts_without_a_joint_in_common():
  other = dataclasses.replace(
    get_layout('unik_17'),
    name='other',
    joints=('a', 'b'),
    bones=(('a', 'b'),),
    center='a',
    up=None,
    across=None,
  )
  with pytest.raises(UserError, match='no joint in common'):
    joint_maps.find_nearest(get_layout('msr_20'), other)


# Properties


def maps(source, target):
  try:
    joint_maps.map_weights(source, target)
  except UserError:
    return False
  return True


pairs = [
  (source, target)
  for source in LAYOUTS.values()
  for target in LAYOUTS.values()
  if maps(source, target)
]


@pytest.mark.parametrize(
  'source, target', pairs, ids=[f'{a.name}-{b.name}' for a, b in pairs]
)
def test_weights_sum_to_one_and_keep_counterparts(source, target):
  weights = joint_maps.map_weights(source, target)
  assert weights.shape == (target.num_joints, source.num_joints)
  np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-6)
  nearest = joint_maps.find_nearest(source, target)
  for j, other in enumerate(joint_maps.find_counterparts(source, target)):
    if other is not None:
      assert nearest[j] == other
    if target.joints[j] in source.joints and source.name == target.name:
      assert weights[j, j] == 1


@quick
@given(clip=clips(UNIK.num_joints))
def test_any_17_joints_come_back_from_25(clip):
  mapped = joint_maps.convert_clip(clip, UNIK, NTU)
  np.testing.assert_array_equal(
    joint_maps.convert_clip(mapped, NTU, UNIK), clip
  )


@quick
@given(data=st.data(), layout=layouts())
def test_another_order_of_the_joints_and_back(data, layout):
  clip = data.draw(clips(layout.num_joints))
  order = data.draw(st.permutations(range(layout.num_joints)))
  shuffled = dataclasses.replace(
    layout, name='shuffled', joints=tuple(layout.joints[j] for j in order)
  )
  mapped = joint_maps.convert_clip(clip, layout, shuffled)
  np.testing.assert_array_equal(mapped, clip[:, :, order])
  np.testing.assert_array_equal(
    joint_maps.convert_clip(mapped, shuffled, layout), clip
  )
  assert joint_maps.find_nearest(layout, shuffled) == list(order)


@quick
@given(clip=clips(UNIK.num_joints, least=1), data=st.data())
def test_joints_derived_from_a_missing_joint_are_missing(clip, data):
  missing = data.draw(st.integers(0, UNIK.num_joints - 1))
  clip[:, :, missing] = 0
  mapped = joint_maps.convert_clip(clip, UNIK, NTU)
  derived = joint_maps.map_weights(UNIK, NTU)[:, missing] != 0
  assert not mapped[:, :, derived].any()
  assert mapped[:, :, ~derived].any(-1).all()
