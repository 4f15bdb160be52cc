"""Settings and strategies of the property tests.

Examples are the same in every run (`derandomize`), so a failure is repeatable.
"""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from unik_jax.skeletons.layouts import Layout

quick = settings(max_examples=50, deadline=None, derandomize=True)


@st.composite
def layouts(draw, most_joints=8):
  """Joint layouts whose bones are a random tree."""
  count = draw(st.integers(1, most_joints))
  joints = draw(st.permutations([f'joint_{j}' for j in range(count)]))
  bones = [
    (joints[child], joints[draw(st.integers(0, child - 1))])
    for child in range(1, count)
  ]
  return Layout(
    name='random_tree',
    joints=tuple(draw(st.permutations(joints))),
    bones=tuple(draw(st.permutations(bones))),
    center=draw(st.sampled_from(joints)),
    root_keeps_position=draw(st.booleans()),
  )


def clips(joints, most_frames=9, least=-50):
  """Clips (M, T, V, 3) float64 of whole numbers, so that sums are exact."""

  def draw_clip(shape):
    # As integers, so that hypothesis can fill most of a large array at once.
    elements = st.integers(least, 50)
    return npst.arrays(np.int64, (*shape, joints, 3), elements=elements)

  shapes = st.tuples(st.integers(1, 2), st.integers(1, most_frames))
  return shapes.flatmap(draw_clip).map(np.float64)
