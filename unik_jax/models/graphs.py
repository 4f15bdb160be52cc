"""Graphs of a layout's bones, as the published graph networks make them.

All are float32, as in the official code. Row u, column p holds the weight with
which joint u makes joint p. Any layout works: its bones are a tree, whose root
is taken for the centre of the body.
"""

import functools

import numpy as np

from unik_jax.skeletons.layouts import Layout


@functools.cache
def adjacency(layout: Layout) -> np.ndarray:
  """Returns (V, V), ones between joints that share a bone."""
  matrix = np.zeros((layout.num_joints,) * 2, np.float32)
  for child, parent in layout.bone_indices:
    matrix[child, parent] = matrix[parent, child] = 1
  return matrix


@functools.cache
def directed(layout: Layout) -> np.ndarray:
  """Returns the three slices of 2s-AGCN, (3, V, V).

  They map each joint to itself, to its parent (the root to nothing), and to
  the mean of its children.
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
  """Returns the three slices of ST-GCN's spatial configuration, (3, V, V).

  They partition one matrix whose columns sum to 1: the joint itself;
  neighbours at least as far from the centre; neighbours nearer to it. A quirk
  of the official code is kept: it counts hops up to one only. All joints
  except the centre and its neighbours are therefore infinitely far from it,
  and most limbs fall into the second slice.
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
  """Returns MS-G3D's matrices of one number of hops each, (K, V, V).

  The k-th connects each joint with itself and the joints k hops away,
  normalised on both sides: D^-1/2 A D^-1/2. The first is the identity.

  Args:
    matrix: (V, V), symmetric, ones between neighbours.
    scales: K.
  """
  identity = np.eye(len(matrix))
  out, within = [identity], identity
  for _ in range(1, scales):
    farther = np.minimum(within @ (matrix + identity), 1)
    out.append(farther - within + identity)
    within = farther
  out = np.stack(out)
  # The official code takes D^-1/2 in float32 and multiplies in float64. Other
  # last bits here would flip ReLUs and lose parity in training.
  inverse_root = np.power(np.float32(out.sum(1)), -0.5).astype(np.float64)
  return np.float32(inverse_root[:, :, None] * out * inverse_root[:, None])


@functools.cache
def by_hops(layout: Layout, hops: int) -> np.ndarray:
  """Returns the matrices of each number of hops, (hops + 1, V, V).

  The k-th connects joints exactly k hops apart. They partition one matrix
  whose columns sum to 1.
  """
  step = adjacency(layout) + np.eye(layout.num_joints, dtype=np.float32)
  within = np.stack(
    [np.linalg.matrix_power(step, k) > 0 for k in range(hops + 1)]
  )
  # Float64: a factor of float32 would cost the official digits.
  weights = _columns_sum_to_one(within[-1].astype(np.float64))
  within[1:] &= ~within[:-1]
  return np.where(within, weights, 0)


def parents_towards(layout: Layout, root: int) -> tuple[int, ...]:
  """Returns each joint's neighbour on the way to a joint, its own parent."""
  neighbours, parents, found = adjacency(layout), {root: root}, [root]
  for joint in found:
    for other in np.flatnonzero(neighbours[joint]).tolist():
      if other not in parents:
        parents[other] = joint
        found.append(other)
  return tuple(parents[joint] for joint in range(layout.num_joints))


def _columns_sum_to_one(matrix):
  """Divides each column by its sum, unless that is zero."""
  return matrix / np.maximum(matrix.sum(0), 1)
