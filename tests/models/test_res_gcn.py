"""Res-GCN: its three inputs against numpy, body parts, and refused options."""

import jax
import numpy as np
import pytest
from helpers.random_values import random_values

from unik_jax.config import default_config
from unik_jax.errors import UserError
from unik_jax.models import graphs, res_gcn
from unik_jax.models.network import Network, network_from_config
from unik_jax.skeletons.body import body_parts
from unik_jax.skeletons.layouts import LAYOUTS, get_layout

SIZES = {'widths': (8, 4, 8, 8), 'strides': (1, 1, 2, 2)}
# Of the official code, from 1.
NTU_PARENTS = (
  *(2, 2, 21, 3, 21, 5, 6, 7, 21, 9, 10, 11, 1),
  *(13, 14, 15, 1, 17, 18, 19, 2, 23, 8, 25, 12),
)
UCLA_PARENTS = (
  *(2, 2, 2, 3, 3, 5, 6, 7, 3, 9, 10, 11, 1, 13, 14, 15, 1, 17, 18, 19),
)
OPENPOSE_PARENTS = (2, 2, 2, 3, 4, 2, 6, 7, 3, 9, 10, 6, 12, 13, 1, 1, 15, 16)


@pytest.mark.parametrize(
  'layout, parents',
  [
    ('ntu_25', NTU_PARENTS),
    ('kinect_20', UCLA_PARENTS),
    ('openpose_18', OPENPOSE_PARENTS),
  ],
)
def test_parents_are_the_official_ones(layout, parents):
  got = graphs.parents_towards(get_layout(layout), 1)
  assert [parent + 1 for parent in got] == list(parents)


def test_three_inputs_value_by_value():
  x = np.random.default_rng(0).normal(size=(2, 4, 5, 3))
  parents = (1, 1, 1, 2)
  with jax.enable_x64(True):
    got = np.asarray(res_gcn.make_inputs(x, 1, parents))
  assert got.shape == (2, 4, 5, 18)
  for b, v, t in np.ndindex(2, 4, 5):
    here, later = x[b, v, t], t < 3
    bone = here - x[b, parents[v], t]
    expected = [
      here,
      here - x[b, 1, t],
      x[b, v, t + 1] - here if later else np.zeros(3),
      x[b, v, t + 2] - here if later else np.zeros(3),
      bone,
      np.arccos(bone / (np.sqrt((bone**2).sum()) + 0.0001)),
    ]
    np.testing.assert_allclose(
      got[b, v, t], np.concatenate(expected), rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize('layout', sorted(LAYOUTS))
def test_each_joint_has_one_body_part(layout):
  joints = get_layout(layout)
  parts = body_parts(joints)
  assert len(parts) == 5 and (all(parts) or layout == 'hand_21')
  assert sorted(sum(parts, [])) == list(range(joints.num_joints))


@pytest.mark.slow
@pytest.mark.parametrize('layout', ['sbu_15', 'utd_20', 'coco_17', 'penn_13'])
def test_runs_on_any_layout_and_moves_with_the_body(layout):
  """Of the inputs, only positions see where the body is."""
  joints = get_layout(layout)
  net = Network('res_gcn', num_classes=5, layout=layout, kind='b15', **SIZES)
  values = random_values(net.shapes, dtype=np.float32)
  kernel = values[0]['blocks'][0]['blocks'][0]['spatial']['entry']['kernel']
  shape = (2, 2, 8, joints.num_joints, 3)
  x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
  apply = jax.jit(lambda x, *a: net.apply(*a, x, train=False)[0])
  before, after = apply(x, *values), apply(x + 1, *values)
  assert np.isfinite(before).all() and np.abs(after - before).max() > 1e-3
  kernel[:3] = 0
  before, after = apply(x, *values), apply(x + 1, *values)
  np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
  'stream, options, words',
  [
    ('bone', {}, 'stream: expected joint'),
    ('joint', {'kind': 'b20'}, 'model.kind'),
    ('joint', {'kind': 'b15', 'reduction': 8}, 'model.reduction'),
    ('joint', {'widths': (8,), 'strides': (1,)}, 'model.widths'),
  ],
)
def test_bad_settings_are_named(stream, options, words):
  config = default_config()
  config.model.update(name='res_gcn', **options)
  config.data.update(
    layout='ntu_25', num_classes=5, persons=1, channels=3, stream=stream
  )
  with pytest.raises(UserError, match=words):
    _ = network_from_config(config).shapes
