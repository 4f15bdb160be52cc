"""Joint layouts: valid trees of named joints, as published."""

import re

import pytest

from unik_jax.errors import UserError
from unik_jax.skeletons import layouts
from unik_jax.skeletons.layouts import (
  BUILT_IN,
  LAYOUTS,
  get_layout,
  layout_from_dict,
)

# (child, parent), as published with the datasets.
NTU_25 = """
  1,2 2,21 3,21 4,3 5,21 6,5 7,6 8,7 9,21 10,9 11,10 12,11 13,1 14,13 15,14
  16,15 17,1 18,17 19,18 20,19 22,23 23,8 24,25 25,12 21,21
"""
UNIK_17 = """
  5,4 4,3 3,2 2,1 6,3 8,6 10,8 7,3 9,7 11,9 12,5 14,12 16,14 13,5 15,13 17,15
"""
OPENPOSE_18 = """
  4,3 3,2 7,6 6,5 13,12 12,11 10,9 9,8 11,5 8,2 5,1 2,1 0,1 15,0 14,0 17,15
  16,14
"""
# (parent, child), from the authors' body model.
MSR_20 = """
  7,4 4,3 3,20 3,1 3,2 1,8 2,9 8,10 9,11 10,12 11,13 7,5 7,6 5,14 6,15 14,16
  15,17 16,18 17,19
"""


def pairs(text, first):
  return {tuple(int(j) - first for j in p.split(',')) for p in text.split()}


every_layout = pytest.mark.parametrize('name', LAYOUTS)


@every_layout
def test_names_are_unique_and_known(name):
  layout = get_layout(name)
  assert layout.name == name
  assert layout.num_joints == int(name.split('_')[-1])
  assert len(set(layout.joints)) == layout.num_joints
  assert layout.center in layout.joints
  assert [layout.index(j) for j in layout.joints] == list(
    range(layout.num_joints)
  )


@every_layout
def test_bones_are_a_tree_with_one_root(name):
  layout = get_layout(name)
  children = [child for child, _ in layout.bones]
  assert len(set(children)) == len(children) == layout.num_joints - 1
  parent_of = dict(layout.bones)
  (root,) = set(layout.joints) - set(children)
  assert layout.joints[layout.root] == root
  for joint in layout.joints:
    path = [joint]
    while path[-1] != root:
      assert len(path) <= layout.num_joints  # no cycle
      path.append(parent_of[path[-1]])
  for joint, parent in enumerate(layout.parents):
    expected = parent_of.get(layout.joints[joint], root)
    assert layout.joints[parent] == expected


@every_layout
def test_sides_pair_up_and_mirror_the_bones(name):
  layout = get_layout(name)
  sided = [j for j in layout.joints if j.startswith(('left_', 'right_'))]
  paired = [layout.joints[j] for pair in layout.left_right for j in pair]
  assert sorted(paired) == sorted(sided)  # complete and disjoint
  mirror = {j: j for j in layout.joints}
  for left, right in layout.left_right:
    left, right = layout.joints[left], layout.joints[right]
    assert left.startswith('left_') and right.startswith('right_')
    assert left.split('_', 1)[1] == right.split('_', 1)[1]
    mirror |= {left: right, right: left}
  mirrored = {(mirror[c], mirror[p]) for c, p in layout.bones}
  assert mirrored == set(layout.bones)


@pytest.mark.parametrize(
  'name, published, first',
  [
    ('ntu_25', NTU_25, 1),
    ('unik_17', UNIK_17, 1),
    ('openpose_18', OPENPOSE_18, 0),
  ],
)
def test_bones_are_the_published_ones(name, published, first):
  layout = get_layout(name)
  published = pairs(published, first)
  self_loops = {
    (c, p) for c, p in published if c == p
  }  # the root, in NTU's list
  assert self_loops <= {(layout.root, layout.root)}
  assert set(layout.bone_indices) == published - self_loops


def test_msr_bones_and_joints_are_the_published_ones():
  layout = get_layout('msr_20')
  published = {(child, parent) for parent, child in pairs(MSR_20, 1)}
  assert set(layout.bone_indices) == published
  assert layout.index(layout.center) + 1 == 7
  numbers = {
    'left_shoulder': 1,
    'right_shoulder': 2,
    'shoulder_center': 3,
    'spine': 4,
    'hip_center': 7,
    'left_wrist': 10,
    'right_hand': 13,
    'right_foot': 19,
    'head': 20,
  }
  assert {j: layout.index(j) + 1 for j in numbers} == numbers


def test_only_the_unik_root_keeps_its_position():
  keeping = [n for n in sorted(BUILT_IN) if get_layout(n).root_keeps_position]
  assert keeping == ['unik_17']
  layout = get_layout('unik_17')
  assert layout.joints[layout.root] == 'head'


def test_unknown_layout_names_the_known_ones():
  with pytest.raises(UserError, match="'ntu_52'") as error:
    get_layout('ntu_52')
  assert all(name in str(error.value) for name in LAYOUTS)


def test_unknown_joint_names_the_known_ones():
  layout = get_layout('lcrnet_13')
  with pytest.raises(UserError, match='lcrnet_13.*tail') as error:
    layout.index('tail')
  words = re.findall(r'\w+', str(error.value))
  assert set(layout.joints) <= set(words)


# User layouts

OWN = {
  'name': 'upper_body',
  'joints': 'hips neck left_hand right_hand',
  'bones': [['neck', 'hips'], ['left_hand', 'neck'], ['right_hand', 'neck']],
  'center': 'hips',
  'up': ['hips', 'neck'],
}


def test_words_and_lists_are_equivalent():
  words = OWN | {
    'bones': 'neck<hips left_hand<neck right_hand<neck',
    'joints': OWN['joints'].split(),
    'up': 'hips neck',
  }
  layout = layout_from_dict(OWN, 'mine.yaml')
  assert layout == layout_from_dict(words, 'mine.yaml')
  assert layout.parents == (0, 0, 1, 1)
  assert layout.up == ('hips', 'neck') and layout.across is None


@every_layout
def test_a_layout_is_restored_from_its_table(name):
  layout = get_layout(name)
  assert layout_from_dict(layout.to_dict(), 'x') == layout


@pytest.mark.parametrize(
  'change, words',
  [
    ({'joints': None}, 'joints: expected'),
    ({'bonez': 'a<b'}, "keys .*got 'bonez'"),
    ({'name': 7}, 'name: .*got 7'),
    ({'bones': [[1, 0]]}, 'bones: .*joint names'),
    ({'bones': {'neck': 'hips'}}, 'bones: .*joint names'),
    ({'bones': 'neck hips'}, "child<parent, got 'neck'"),
    ({'bones': [['a', 'b', 'c']]}, 'child<parent'),
    ({'bones': 'neck<hips left_hand<neck'}, 'one root, got 2 joints'),
    (
      {'bones': 'neck<hips left_hand<right_hand right_hand<left_hand'},
      'cycle',
    ),
    ({'bones': 'neck<hips neck<left_hand right_hand<neck'}, "two for 'neck'"),
    (
      {'bones': 'neck<hip left_hand<neck right_hand<neck'},
      "bones: .*got 'hip'",
    ),
    ({'center': 'belly'}, "center: .*got 'belly'"),
    ({'up': 'hips'}, 'up: expected 2 joints, got 1'),
    ({'joints': 'hips neck neck left_hand right_hand'}, "'neck' twice"),
  ],
)
def test_invalid_layouts_are_refused(change, words):
  table = {k: v for k, v in (OWN | change).items() if v is not None}
  with pytest.raises(UserError, match=f'mine.yaml.*{words}'):
    layout_from_dict(table, 'mine.yaml')


def test_sides_come_in_pairs():
  table = OWN | {'joints': 'hips neck left_hand tail', 'up': ()}
  table['bones'] = 'neck<hips left_hand<neck tail<hips'
  with pytest.raises(UserError, match="'right_hand' .*'left_hand'"):
    layout_from_dict(table, 'mine.yaml')


def test_a_name_is_registered_once(monkeypatch):
  monkeypatch.setattr(layouts, 'LAYOUTS', dict(LAYOUTS))
  layout = layout_from_dict(OWN, 'mine.yaml')
  layouts.register_layout(layout)
  layouts.register_layout(layout)
  assert get_layout('upper_body') is layout
  with pytest.raises(UserError, match='another layout'):
    layouts.register_layout(layout_from_dict(OWN | {'center': 'neck'}, 'x'))
  with pytest.raises(UserError, match='built-in'):
    layouts.register_layout(layout_from_dict(OWN | {'name': 'ntu_25'}, 'x'))
