"""The order of joints in layouts of other projects, as their documents list it.

Each list is in the project's own words; `RULES` turn them into this library's.
"""

import pytest

from unik_jax.skeletons.layouts import get_layout

# Microsoft's table of the joint hierarchy: name and parent, by index.
AZURE = """
  PELVIS - SPINE_NAVEL PELVIS SPINE_CHEST SPINE_NAVEL NECK SPINE_CHEST
  CLAVICLE_LEFT SPINE_CHEST SHOULDER_LEFT CLAVICLE_LEFT
  ELBOW_LEFT SHOULDER_LEFT WRIST_LEFT ELBOW_LEFT HAND_LEFT WRIST_LEFT
  HANDTIP_LEFT HAND_LEFT THUMB_LEFT WRIST_LEFT
  CLAVICLE_RIGHT SPINE_CHEST SHOULDER_RIGHT CLAVICLE_RIGHT
  ELBOW_RIGHT SHOULDER_RIGHT WRIST_RIGHT ELBOW_RIGHT HAND_RIGHT WRIST_RIGHT
  HANDTIP_RIGHT HAND_RIGHT THUMB_RIGHT WRIST_RIGHT
  HIP_LEFT PELVIS KNEE_LEFT HIP_LEFT ANKLE_LEFT KNEE_LEFT FOOT_LEFT ANKLE_LEFT
  HIP_RIGHT PELVIS KNEE_RIGHT HIP_RIGHT ANKLE_RIGHT KNEE_RIGHT
  FOOT_RIGHT ANKLE_RIGHT HEAD NECK NOSE HEAD EYE_LEFT HEAD EAR_LEFT HEAD
  EYE_RIGHT HEAD EAR_RIGHT HEAD
"""
# Parent of each joint of SMPL's kinematic tree.
SMPL_PARENTS = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14]
SMPL_PARENTS += [16, 17, 18, 19, 20, 21]
# Parent of each of the 17 joints that VideoPose3D keeps of Human3.6M.
HUMAN36M_PARENTS = [-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 9, 8, 11, 12, 8, 14, 15]
# Ids of MPII's annotation.
MPII = {
  0: 'right_ankle',
  1: 'right_knee',
  2: 'right_hip',
  3: 'left_hip',
  4: 'left_knee',
  5: 'left_ankle',
  6: 'mid_hip',
  7: 'spine_shoulder',
  8: 'neck',
  9: 'head',
  10: 'right_wrist',
  11: 'right_elbow',
  12: 'right_shoulder',
  13: 'left_shoulder',
  14: 'left_elbow',
  15: 'left_wrist',
}


def parents(name):
  layout = get_layout(name)
  return [
    -1 if joint == parent else parent
    for joint, parent in enumerate(layout.parents)
  ]


def test_azure_kinect():
  words = AZURE.split()
  renamed = {
    'PELVIS': 'mid_hip',
    'SPINE_NAVEL': 'spine_navel',
    'SPINE_CHEST': 'chest',
  }

  def to_name(word):
    if word in renamed:
      return renamed[word]
    part, _, side = word.lower().replace('handtip', 'hand-tip').partition('_')
    return (f'{side}_' * bool(side) + part).replace('-', '_')

  layout = get_layout('azure_kinect_32')
  assert list(layout.joints) == list(map(to_name, words[::2]))
  published = {
    (to_name(child), to_name(parent))
    for child, parent in zip(words[::2], words[1::2], strict=True)
    if parent != '-'
  }
  assert set(layout.bones) == published


@pytest.mark.parametrize(
  'name, published',
  [('smpl_24', SMPL_PARENTS), ('human36m_17', HUMAN36M_PARENTS)],
)
def test_trees(name, published):
  assert parents(name) == published


def test_mpii():
  assert dict(enumerate(get_layout('mpii_16').joints)) == MPII


@pytest.mark.parametrize(
  'name, body, feet',
  [
    (
      'coco_wholebody_133',
      'coco_17',
      ['left_big_toe', 'left_small_toe', 'left_heel']
      + ['right_big_toe', 'right_small_toe', 'right_heel'],
    ),
    ('halpe_136', 'halpe_26', []),
  ],
)
def test_whole_bodies_are_body_feet_face_left_hand_right_hand(name, body, feet):
  joints = list(get_layout(name).joints)
  first = list(get_layout(body).joints) + feet
  assert joints[: len(first)] == first
  face, hands = joints[len(first) :][:68], joints[len(first) + 68 :]
  assert all('face' in joint for joint in face)
  left, right = hands[:21], hands[21:]
  assert left[0] == 'left_hand_root'
  assert [j.removeprefix('left_') for j in left[1:]] == list(
    get_layout('hand_21').joints[1:]
  )
  assert [j.replace('left_', 'right_') for j in left] == right


def test_holistic_is_body_left_hand_right_hand():
  holistic, whole = get_layout('mediapipe_75'), get_layout('coco_wholebody_133')
  body = get_layout('mediapipe_33')
  assert holistic.joints == body.joints + whole.joints[-42:]
  assert holistic.bones[:32] == body.bones
  hands = {bone for bone in whole.bones if bone[0] in whole.joints[-42:]}
  assert set(holistic.bones[32:]) == hands


def test_points_of_the_face_mirror_each_other():
  """Chin, nose tip and lips are in the middle; jaws and eyes are pairs."""
  layout = get_layout('coco_wholebody_133')
  pairs = {(r - 23, left - 23) for left, r in layout.left_right}
  assert {(0, 16), (7, 9), (17, 26), (36, 45), (39, 42), (48, 54)} <= pairs
  assert {(60, 64), (67, 65), (40, 47), (31, 35)} <= pairs
  middle = {8, 27, 28, 29, 30, 33, 51, 57, 62, 66}
  faces = {n for n in range(68) if layout.sides[23 + n] == 0}
  assert faces == middle


def test_fingers_of_a_hand():
  """As MediaPipe and OpenPose: four joints of each finger."""
  layout = get_layout('hand_21')
  assert layout.joints[0] == 'wrist'
  assert [layout.joints[n] for n in (4, 8, 12, 16, 20)] == [
    f'{finger}_4' for finger in ('thumb', 'index', 'middle', 'ring', 'pinky')
  ]
  assert parents('hand_21')[:6] == [-1, 0, 1, 2, 3, 0]
