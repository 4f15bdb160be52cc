"""Parity with the outputs of the official PyTorch models.

UNIK_GOLDEN_DIR names the folder of cases (default: tests/golden). Each case
holds the official model's outputs in float64, for parameters and inputs drawn
as in `draw_tensor` and `_inputs`. Both forms of the operations have to match in
float64, the CPU form in float32 too, which alone runs its own temporal
convolution; `OTHER_GRAPHS`, `OTHER_OPERATIONS` and `OTHER_SIZES` are
exceptions. Float64 uses products per tap, because XLA:CPU convolves it ten to
fifty times slower.
`models/test_ops.py` holds both convolutions to their equation in float64.
"""

import json
import os
import pathlib
import types
import zlib

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from unik_jax.models import ops, ops_cpu
from unik_jax.models.network import IMPLEMENTATIONS, Network
from unik_jax.official.convert import from_official, to_official
from unik_jax.optim import make_optimizer

pytestmark = pytest.mark.slow

_HERE = pathlib.Path(__file__).parents[1]
FOLDER = pathlib.Path(os.environ.get('UNIK_GOLDEN_DIR', _HERE / 'golden'))
# The official code's names of models and graphs, and ours.
FAMILIES = {'msg3d': 'ms_g3d'}
GRAPHS = {
  'coco': 'coco_17',
  'ucla': 'kinect_20',
  'ntu_rgb_d': 'ntu_25',
  'ntu-rgb+d': 'ntu_25',
  'nturgb+d': 'ntu_25',
  'kinetics': 'openpose_18',
  'openpose': 'openpose_18',
}
CASES = sorted(FOLDER.glob('*.json'))
# Cases of an architecture that another case has with another graph: the CPU
# form has nothing to add.
OTHER_GRAPHS = {
  'agcn_kinetics',
  'ctrgcn_ucla',
  'msg3d_kinetics',
  'st_gcn_openpose',
  'stgcnpp_coco',
}
# Cases whose operations unik_ntu, unik_tau3 or msg3d_ntu has too: the CPU form
# runs in float32 only.
OTHER_OPERATIONS = {
  'agcn_ntu',
  'ctrgcn_ntu',
  'resgcn_n51_ntu',
  'resgcn_pa_b19_ucla',
  'stgcnpp_ntu',
}
# Cases of UNIK with other joints, persons or heads than unik_ntu: the CPU form
# has nothing to add.
OTHER_SIZES = {'unik_hand', 'unik_heads6', 'unik_posetics'}


def convolve_by_taps(x_bvtc, kernel_kcd, *, stride=1, dilation=1):
  t, reach = x_bvtc.shape[2], (len(kernel_kcd) - 1) * dilation
  before = reach // 2
  pad = ((0, 0), (0, 0), (before, reach - before), (0, 0))
  padded = jnp.pad(x_bvtc, pad)
  return sum(
    padded[:, :, k * dilation : k * dilation + t : stride] @ kernel_cd
    for k, kernel_cd in enumerate(kernel_kcd)
  )


def with_taps(form):
  """Returns a form of the operations with another temporal convolution."""
  module = types.ModuleType('with_taps')
  vars(module).update(vars(form), temporal_conv=convolve_by_taps)
  return module


@pytest.fixture(autouse=True)
def forms_with_taps(monkeypatch):
  for name, form in (('einsum', ops), ('cpu', ops_cpu)):
    monkeypatch.setitem(IMPLEMENTATIONS, f'{name} by taps', with_taps(form))


def seeded_rng(text):
  return np.random.RandomState(zlib.crc32(text.encode()))


def draw_tensor(name, shape):
  """Draws a tensor of the state dict, as for the golden outputs."""
  last = name.split('.')[-1]
  if last == 'num_batches_tracked':
    return np.zeros(shape, np.int64)
  z = np.asarray(seeded_rng(name).standard_normal(shape))
  if last == 'running_var':
    z = 1 + 0.5 * abs(z)
  elif last == 'running_mean':
    z = 0.1 * z
  elif len(shape) <= 1:
    z = 0.1 * z + (last == 'weight')
  elif last == 'edge':
    z = 1 + 0.1 * z
  elif last in ('DepM', 'PA', 'A_res') or 'edge_importance' in name:
    z = 0.2 * z / np.sqrt(shape[-1])
  else:
    z = z * np.sqrt(0.5 / np.prod(shape[1:]))
  return z.astype(np.float32)


def _inputs(case):
  """Draws the input (N, M, T, V, C) and its labels."""
  shape = case['input_shape_NCTVM']
  x = seeded_rng('input/' + case['case']).standard_normal(shape)
  labels = seeded_rng('label/' + case['case']).randint(
    0, case['num_classes'], shape[0]
  )
  assert labels.tolist() == case['labels']
  return x.astype(np.float32).transpose(0, 4, 2, 3, 1), labels


def build_network(case, implementation='einsum'):
  options = dict(case['model'])
  family = options.pop('family')
  options.pop('strategy', None)  # of ST-GCN: always spatial
  if family == 'res_gcn':
    options.update(_res_gcn_options(options.pop('kind')))
  graph = options.pop('graph', None) or options.pop('layout', None)
  if graph:
    (options['layout'],) = {v for k, v in GRAPHS.items() if k in graph}
  return Network(
    FAMILIES.get(family, family),
    num_classes=case['num_classes'],
    implementation=implementation,
    **options,
  )


def _res_gcn_options(kind):
  """Reads a name of the official code, such as pa-resgcn-n51-r4."""
  attention, _, rest = kind.rpartition('resgcn-')
  kind, _, reduction = rest.partition('-r')
  options = {'kind': kind, 'part_attention': attention == 'pa-'}
  return options | ({'reduction': int(reduction)} if reduction else {})


def relative_error(result, reference):
  reference = np.asarray(reference)
  return np.linalg.norm(np.asarray(result) - reference) / np.linalg.norm(
    reference
  )


def run(case, dtype, implementation):
  """Returns our logits, losses of training, and logits after training."""
  net = build_network(case, implementation)
  tensors = {
    t['name']: draw_tensor(t['name'], t['shape'])
    for t in case['state_dict']
    if t['fill'] == 'recipe'
  }
  shapes = net.shapes
  state = from_official(net.abstract, *shapes, tensors, case['case'])
  params, stats = jax.tree.map(lambda a: jnp.asarray(a, dtype), state)
  x, labels = _inputs(case)
  x = jnp.asarray(x, dtype)
  sgd = case['sgd']
  optimizer = make_optimizer(
    'sgd',
    lambda _: sgd['lr'],
    momentum=sgd['momentum'],
    nesterov=sgd['nesterov'],
    weight_decay=sgd['weight_decay'],
  )

  @jax.jit
  def evaluate(params, stats):
    return net.apply(params, stats, x, train=False)[0]

  @jax.jit
  def train(params, stats, opt_state):
    def loss_fn(params):
      logits, new_stats = net.apply(params, stats, x, train=True)
      losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
      return losses.mean(), new_stats

    (loss, stats), grads = jax.value_and_grad(loss_fn, has_aux=True)(params)
    updates, opt_state = optimizer.update(grads, opt_state, params)
    return loss, optax.apply_updates(params, updates), stats, opt_state

  before = evaluate(params, stats)
  opt_state, losses = optimizer.init(params), []
  for _ in range(sgd['steps']):
    loss, params, stats, opt_state = train(params, stats, opt_state)
    losses.append(loss)
  assert before.dtype == loss.dtype == dtype
  return before, losses, evaluate(params, stats)


def load(path):
  return json.loads(path.read_text())


def ids(path):
  return path.stem


@pytest.mark.parametrize(
  'path, implementation',
  [
    pytest.param(path, form, id=f'{path.stem}-{form}')
    for path in CASES
    for form in ('einsum', 'cpu')
    if form == 'einsum'
    or path.stem not in OTHER_GRAPHS | OTHER_OPERATIONS | OTHER_SIZES
  ],
)
def test_float64(path, implementation):
  case = load(path)
  with jax.enable_x64(True):
    before, losses, after = run(case, jnp.float64, f'{implementation} by taps')
  assert relative_error(before, case['eval_logits']) < 1e-6
  for loss, reference in zip(losses, case['train_losses'], strict=True):
    assert relative_error(loss, reference) < 1e-6
  assert relative_error(after, case['eval_logits_after_training']) < 1e-6


@pytest.mark.parametrize(
  'path',
  [p for p in CASES if p.stem not in OTHER_GRAPHS | OTHER_SIZES],
  ids=ids,
)
def test_float32(path):
  case = load(path)
  before, losses, after = run(case, jnp.float32, 'cpu')
  assert relative_error(before, case['eval_logits']) < 1e-5
  assert relative_error(losses[0], case['train_losses'][0]) < 1e-5
  # All losses together: a deep network amplifies rounding. Of resgcn_n51_ntu,
  # input changed by 1e-7 changes the float64 gradient by 1e-2 of its norm.
  assert relative_error(losses, case['train_losses']) < 5e-2
  assert relative_error(after, case['eval_logits_after_training']) < 5e-2


@pytest.mark.parametrize('path', CASES, ids=ids)
def test_state_dict_has_the_official_names_and_shapes(path):
  case = load(path)
  net = build_network(case)
  shapes = net.shapes
  params, stats = jax.tree.map(lambda a: np.zeros(a.shape), shapes)
  official = to_official(net.abstract, params, stats)
  listed = [(t['name'], tuple(t['shape'])) for t in case['state_dict']]
  assert [(k, v.shape) for k, v in official.items()] == listed
  trainable = [
    official[t['name']]
    for t in case['state_dict']
    if t['fill'] == 'recipe'
    and not t['name'].endswith(
      ('running_mean', 'running_var', 'num_batches_tracked')
    )
  ]
  assert sum(v.size for v in trainable) == case['params']


def test_there_are_cases():
  assert CASES, f'no golden cases in {FOLDER}'
