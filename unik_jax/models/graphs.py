"""Graphs of a layout's bones, as the published graph networks make them.

All are float32, as the official code keeps them. Row u, column p holds the
weight with which joint u makes joint p. Any layout will do: the bones are a
tree, and its root stands for the centre of the body.
"""

import functools

import numpy as np

from unik_jax.skeletons.layouts import Layout


@functools.cache
def adjacency(layout: Layout) -> np.ndarray:
  """(V, V) with ones between joints that share a bone, zeros elsewhere."""
  matrix = np.zeros((layout.num_joints,) * 2, np.float32)
  for child, parent in layout.bone_indices:
    matrix[child, parent] = matrix[parent, child] = 1
  return matrix


@functools.cache
def directed(layout: Layout) -> np.ndarray:
  """The three slices of 2s-AGCN, (3, V, V): joints, parents, children.

  The first is the identity; by the second each joint becomes its parent (the
  root nothing); by the third the mean of its children.
  """
  joints = layout.num_joints
  inward, outward = np.zeros((2, joints, joints), np.float32)
  for child, parent in layout.bone_indices:
    inward[parent, child] = outward[child, parent] = 1
  slices = [np.eye(joints, dtype=np.float32), inward, outward]
  slices[1:] = map(_columns_sum_to_one, slices[1:])
  return np.stack(slices)


@functools.cache
def partitioned(layout: Layout) -> np.ndarray:
  """The three slices of ST-GCN's spatial configuration, (3, V, V).

  They are the parts of one matrix, whose columns sum to 1: the joint itself;
  neighbours as far from the centre, or farther; neighbours nearer to it. A
  quirk of the official code is kept: it counts hops up to one alone, so that
  all joints but the centre and its neighbours are equally (infinitely) far,
  and most limbs fall in the second slice.
  """
  with_self = adjacency(layout) + np.eye(layout.num_joints, dtype=np.float32)
  hops = np.where(with_self[:, layout.root] > 0, 1.0, np.inf)
  hops[layout.root] = 0
  nearer = hops[:, None] < hops
  itself = np.eye(layout.num_joints, dtype=bool)
  weights = _columns_sum_to_one(with_self)
  parts = (itself, ~itself & ~nearer, nearer)
  return np.stack([np.where(part, weights, 0) for part in parts])


def disentangled(matrix: np.ndarray, scales: int) -> np.ndarray:
  """MS-G3D's matrices of one number of hops each, (K, V, V).

  The k-th joins each joint with those k hops away and with itself, and is
  normalised on both sides, D^-1/2 A D^-1/2; the first is the identity.

  Args:
    matrix: (V, V), symmetric, ones between neighbours.
    scales: K.
  """
  itself = np.eye(len(matrix))
  out, within = [itself], itself
  for _ in range(1, scales):
    wider = np.minimum(within @ (matrix + itself), 1)
    out.append(wider - within + itself)
    within = wider
  out = np.stack(out)
  degrees = out.sum(1)
  return np.float32(out / np.sqrt(degrees[:, None] * degrees[:, :, None]))


def _columns_sum_to_one(matrix):
  """Each column divided by its sum, where that is not zero."""
  return matrix / np.maximum(matrix.sum(0), 1)
