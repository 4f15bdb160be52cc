"""UNIK against the paper's equations in float64 numpy, and its options."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from helpers import numpy_unik
from helpers.numpy_unik import SMALL, small_unik
from helpers.random_values import random_values

from unik_jax.errors import UserError
from unik_jax.models.layers import BatchNorm, TemporalConv
from unik_jax.models.network import Network


def compute_logits(net, params, stats, x):
  with jax.enable_x64(True):
    apply = jax.jit(lambda *args: net.apply(*args, train=False)[0])
    return np.asarray(apply(params, stats, x))


def numpy_logits(params, stats, x, strides, tau, scaled=True):
  """Returns the logits, computed clip by clip; x is (N, M, T, V, C)."""
  out = []
  for clip in x:
    features = [
      numpy_unik.person_features(params, stats, body, strides, tau, scaled)
      for body in numpy_unik.normalize_input(params, stats, clip)
    ]
    mean = np.mean([f.mean((0, 1)) for f in features], 0)
    out.append(mean @ params['head']['kernel'] + params['head']['bias'])
  return np.stack(out)


@pytest.mark.slow
@pytest.mark.parametrize(
  'options',
  [
    {},
    {'num_heads': 1, 'first_block_heads': None},
    {'num_heads': 6},
    {'num_heads': 0},
    {'attention': False},
    {'tau': 3},
    {'tau': 6},
    {'attention_scale': False},
    {'dependency_init': 'paper'},
    {'temporal_kernel': 5},
    {'widths': (8, 8, 12, 12), 'strides': (1, 1, 2, 1)},
  ],
  ids=str,
)
def test_matches_the_equations(options):
  net = small_unik(**options)
  params, stats = random_values(net.shapes)
  x = np.random.default_rng(1).standard_normal((2, 2, 9, 7, 3))
  expected = numpy_logits(
    params,
    stats,
    x,
    (SMALL | options)['strides'],
    options.get('tau', 1),
    options.get('attention_scale', True),
  )
  np.testing.assert_allclose(
    compute_logits(net, params, stats, x), expected, rtol=1e-9
  )


def spatial_params(net):
  params, _ = net.shapes
  return [block['spatial'] for block in params['blocks'].values()]


def test_zero_heads_mean_one_matrix_and_no_attention():
  for unit in spatial_params(small_unik(num_heads=0)):
    assert unit['dependency'].shape == (1, 7, 7)
    assert 'theta' not in unit and 'phi' not in unit


def test_first_block_heads():
  code = spatial_params(small_unik(num_heads=5))
  paper = spatial_params(small_unik(num_heads=5, first_block_heads=None))
  assert [unit['dependency'].shape[0] for unit in code] == [3, 5]
  assert [unit['dependency'].shape[0] for unit in paper] == [5, 5]


@pytest.mark.parametrize(
  'init, tau, bound',
  [
    ('code', 1, 1 / 25),
    ('paper', 1, 1 / 5),
    ('code', 3, 1 / 75),
    ('paper', 3, 1 / 75**0.5),
  ],
)
def test_dependency_matrices_start_uniform_within_their_bound(init, tau, bound):
  net = small_unik(
    num_joints=25, tau=tau, dependency_init=init, num_heads=12, widths=(4, 4)
  )
  params, _ = net.init(jax.random.key(0))
  values = np.asarray(params['blocks'][1]['spatial']['dependency'])
  assert np.abs(values).max() <= bound
  # Moments of a uniform distribution, within some standard errors.
  assert abs(values.mean()) < 0.05 * bound
  assert values.std() == pytest.approx(bound / 3**0.5, rel=0.03)


@pytest.mark.parametrize(
  'options, params',
  [  # The published counts without bias vectors that are never used.
    ((60, 25, 2, 3, 3, 1), 3_469_510),
    ((31, 17, 2, 2, 3, 1), 3_451_461),
    ((320, 17, 2, 2, 3, 1), 3_525_734),
    ((31, 17, 2, 2, 1, 1), 2_790_963),
    ((31, 17, 2, 2, 12, 1), 6_423_702),
    ((31, 17, 2, 2, 3, 9), 6_510_111 - 9 * 170),
    ((120, 25, 2, 3, 12, 1), 6_484_387),
  ],
)
def test_parameter_counts_are_the_published_ones(options, params):
  keys = (
    'num_classes',
    'num_joints',
    'num_persons',
    'in_channels',
    'num_heads',
    'tau',
  )
  options = dict(zip(keys, options, strict=True))
  assert Network('unik', **options).num_params() == params


def test_the_order_of_joints_does_not_matter():
  """Permuted joints and parameters give the same logits."""
  net = small_unik()
  params, stats = random_values(net.shapes)
  x = np.random.default_rng(1).standard_normal((2, 2, 9, 7, 3))
  order = np.random.default_rng(2).permutation(7)
  permuted = jax.tree.map(np.copy, (params, stats))
  for tree in permuted:
    tree['input_bn'] = {
      k: a.reshape(2, 7, 3)[:, order].reshape(-1)
      for k, a in tree['input_bn'].items()
    }
  for block in permuted[0]['blocks'].values():
    unit = block['spatial']
    unit['dependency'] = unit['dependency'][:, order][:, :, order]
  np.testing.assert_allclose(
    compute_logits(net, *permuted, x[:, :, :, order]),
    compute_logits(net, params, stats, x),
    rtol=1e-9,
  )


def test_dilation_spreads_the_taps():
  """A pulse in frame 20 reaches the frames that a tap is away."""
  conv = TemporalConv(1, 1, kernel_size=9, dilation=3, rngs=nnx.Rngs(0))
  pulse = jnp.zeros((1, 1, 41, 1)).at[0, 0, 20].set(1.0)
  out = np.asarray(conv(pulse))[0, 0, :, 0]
  assert np.flatnonzero(out).tolist() == list(range(8, 33, 3))
  assert out.shape == (41,)


@pytest.mark.slow
def test_bfloat16_is_near_float32_and_returns_float32():
  params, stats = jax.tree.map(np.float32, random_values(small_unik().shapes))
  x = np.random.default_rng(1).standard_normal((4, 2, 16, 7, 3))
  x = x.astype(np.float32)

  def train_mode(net):
    return jax.jit(lambda *args: net.apply(*args, train=True))

  full, _ = train_mode(small_unik())(params, stats, x)
  half, new_stats = train_mode(small_unik(dtype=jnp.bfloat16))(params, stats, x)
  assert half.dtype == jnp.float32
  assert {a.dtype for a in jax.tree.leaves(new_stats)} == {jnp.dtype('float32')}
  np.testing.assert_allclose(half, full, atol=0.05 * np.abs(full).max())


def test_batch_norm_keeps_the_unbiased_running_variance():
  x = np.random.default_rng(0).normal(3, 2, (4, 5, 6)).astype(np.float32)
  bn = BatchNorm(6)
  y = bn(x, train=True)
  flat = np.float64(x.reshape(-1, 6))
  np.testing.assert_allclose(
    y.reshape(-1, 6),
    (flat - flat.mean(0)) / np.sqrt(flat.var(0) + 1e-5),
    atol=1e-5,
  )
  np.testing.assert_allclose(bn.mean[...], 0.1 * flat.mean(0), rtol=1e-5)
  expected = 0.9 + 0.1 * flat.var(0, ddof=1)
  np.testing.assert_allclose(bn.var[...], expected, rtol=1e-5)


@pytest.mark.parametrize(
  'options, word',
  [
    ({'dependency_init': 'ones'}, 'dependency_init'),
    ({'tau': 0}, 'tau'),
    ({'num_heads': -1}, 'num_heads'),
    ({'strides': (1,)}, 'strides'),
    ({'hedas': 3}, 'hedas'),
  ],
)
def test_bad_options_are_named(options, word):
  with pytest.raises(UserError, match=word):
    small_unik(**options)


def test_unknown_model_and_wrong_number_of_joints():
  with pytest.raises(UserError, match="model.name: .*aagcn.*'unix'"):
    Network('unix', num_classes=2, num_joints=3)
  net = small_unik()
  params, stats = random_values(net.shapes)
  with pytest.raises(UserError, match='7 joints'):
    net.apply(params, stats, np.zeros((1, 2, 4, 8, 3)), train=False)
