"""Graphs of a layout's bones, against their definitions in plain loops."""

import numpy as np
import pytest

from unik_jax.models import graphs
from unik_jax.skeletons.layouts import Layout, get_layout

LAYOUTS = ('ntu_25', 'openpose_18', 'unik_17', 'msr_20')
# A path and a branch, whose centre b is not at an end: a - b - c - d, b - e.
TREE = Layout(
  'tree', tuple('abcde'), tuple(zip('acde', 'bbcb', strict=True)), 'b'
)


def count_hops(layout):
  """Returns the bones between each two joints, by breadth-first search."""
  near = {joint: set() for joint in range(layout.num_joints)}
  for a, b in layout.bone_indices:
    near[a].add(b)
    near[b].add(a)
  out = np.full((layout.num_joints,) * 2, -1)
  for start in near:
    seen, edge, distance = {start}, {start}, 0
    while edge:
      for joint in edge:
        out[start, joint] = distance
      edge = {n for joint in edge for n in near[joint]} - seen
      seen |= edge
      distance += 1
  return out


@pytest.mark.parametrize('name', LAYOUTS)
def test_adjacency_connects_neighbours(name):
  layout = get_layout(name)
  np.testing.assert_array_equal(
    graphs.adjacency(layout), count_hops(layout) == 1
  )


@pytest.mark.parametrize('name', LAYOUTS)
def test_directed_sends_joints_to_parents_and_children(name):
  layout = get_layout(name)
  itself, inward, outward = graphs.directed(layout)
  x = np.random.default_rng(0).normal(size=layout.num_joints)
  children = {joint: [] for joint in range(layout.num_joints)}
  for child, parent in layout.bone_indices:
    children[parent].append(child)
  up, down = np.zeros((2, layout.num_joints))
  for child, parent in layout.bone_indices:
    up[child] += x[parent]
  for parent, below in children.items():
    down[parent] = x[below].mean() if below else 0
  np.testing.assert_array_equal(itself, np.eye(layout.num_joints))
  # The golden values check which of the two is called inward.
  mixed = [x @ inward, x @ outward]
  np.testing.assert_allclose(mixed, [up, down], rtol=1e-6)


@pytest.mark.parametrize('name', LAYOUTS)
def test_partitioned_sums_to_a_mean_over_neighbours(name):
  layout = get_layout(name)
  parts, distance = graphs.partitioned(layout), count_hops(layout)
  mean = (distance <= 1) / (distance <= 1).sum(0)
  np.testing.assert_allclose(parts.sum(0), mean, rtol=1e-6)
  assert ((parts > 0).sum(0) <= 1).all()
  np.testing.assert_array_equal(parts[0] > 0, distance == 0)


def test_partitioned_by_hand():
  """Parts by distance to the centre, b.

  The quirk of the official code: all joints beyond b's neighbours count as
  equally far.
  """
  _, far, near = graphs.partitioned(TREE)
  third, half, fourth = 1 / 3, 1 / 2, 1 / 4
  by_hand = np.zeros((2, 5, 5))
  a, b, c, d, e = range(5)
  by_hand[0, [a, c, e], b] = fourth  # farther from the centre than b
  by_hand[0, d, c] = third
  by_hand[1, b, [a, e]] = half
  by_hand[1, b, c] = third
  by_hand[1, c, d] = half  # nearer: 1 against infinity
  np.testing.assert_allclose([far, near], by_hand, rtol=1e-6)


@pytest.mark.parametrize('name', LAYOUTS)
def test_disentangled_connects_joints_of_one_distance(name):
  layout = get_layout(name)
  distance = count_hops(layout)
  scales = graphs.disentangled(graphs.adjacency(layout), 9)
  for k, matrix in enumerate(scales):
    joined = (distance == k) | (distance == 0)
    degree = joined.sum(0)
    expected = joined / np.sqrt(degree[:, None] * degree)
    np.testing.assert_allclose(matrix, expected, rtol=1e-6)
