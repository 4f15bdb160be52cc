"""Steps on several datasets: their order, batches, gradients and settings."""

import json
import types

import jax
import numpy as np
import pytest
from helpers.several import make_two

from unik_jax import optim, training
from unik_jax.config import add_dataset, check_config, default_config
from unik_jax.data.mixture import Mixture
from unik_jax.data.splits import open_split
from unik_jax.errors import UserError
from unik_jax.loops.parts import AllEvaluations
from unik_jax.models.vocabulary import (
  describe_vocabulary,
  make_shared_network,
)
from unik_jax.run import restore
from unik_jax.run.changed_settings import check_same_experiment
from unik_jax.run.wording import describe_config, describe_experiment
from unik_jax.runtime import sharding
from unik_jax.skeletons.layouts import get_layout
from unik_jax.step import make_init_state, make_train_step


def make_step(config, name, net):
  """Returns a first state and the step of a dataset."""
  _, optimizer = optim.configure_optimizer(config, 3)
  options = {key: config[key] for key in ('ema', 'accumulate', 'mixup')}
  init_state = make_init_state(optimizer, ema=config.ema)
  state = init_state(*net.init(jax.random.key(0)))
  return state, make_train_step(net.networks[name], optimizer, **options)


def make_net(config):
  config.data.update(describe_vocabulary(config))
  return make_shared_network(config)


def make_batch(seed, rows, net):
  persons, _, joints, channels = net.net.abstract.input_shape
  rng = np.random.default_rng(seed)
  x = rng.normal(size=(rows, persons, 12, joints, channels))
  return {'x': np.float32(x), 'label': np.arange(rows, dtype=np.int32)}


@pytest.mark.slow
def test_a_step_leaves_what_others_have_but_for_weight_decay():
  config = make_two()
  net = make_net(config)
  config.optim.update(lr=0.1, weight_decay=0.01, momentum=0.9)
  state, step = make_step(config, 'pairs', net)
  batch = make_batch(0, 8, net.networks['pairs'])
  new, _ = jax.jit(step)(state, batch)
  joints = get_layout(config.data.layout).joints
  other = ~np.isin(joints, get_layout('penn_13').joints)
  assert other.sum() == 4  # nose, neck, chest and the middle of the hips
  # Nesterov momentum: the first update is that of the gradient, 1.9 times.
  shrink = 1 - 0.1 * 0.01 * 1.9
  for before, after in zip(
    *(s.params['blocks'].values() for s in (state, new)), strict=True
  ):
    before, after = (b['spatial']['dependency'] for b in (before, after))
    np.testing.assert_allclose(
      after[:, other], shrink * before[:, other], rtol=1e-6, atol=1e-9
    )
    np.testing.assert_allclose(
      after[..., other], shrink * before[..., other], rtol=1e-6, atol=1e-9
    )
    kept = np.ix_(range(len(after)), ~other, ~other)
    assert (after[kept] != shrink * before[kept]).any()
  # The classes of `bodies` come first.
  before, after = (s.params['head']['kernel'] for s in (state, new))
  np.testing.assert_allclose(
    after[:, :20], shrink * before[:, :20], rtol=1e-6, atol=1e-9
  )
  jax.tree.map(
    np.testing.assert_array_equal,
    new.batch_stats['bodies'],
    state.batch_stats['bodies'],
  )
  changed = jax.tree.map(
    lambda a, b: bool((a != b).all()),
    new.batch_stats['pairs'],
    state.batch_stats['pairs'],
  )
  assert changed['blocks'][1]['temporal']['bn'] == {'mean': True, 'var': True}


@pytest.mark.slow
def test_sharded_steps_equal_those_of_one_device(monkeypatch):
  monkeypatch.setattr(sharding, '_MIN_SHARDED_SIZE', 16)
  config = make_two()
  config.update(ema=0.5, mixup=0.4)
  net = make_net(config)
  state, step = make_step(config, 'pairs', net)
  batch = make_batch(0, 16, net.networks['pairs'])
  alone, _ = jax.jit(step)(state, batch)
  mesh = sharding.make_mesh((4, 2))
  shardings = sharding.state_shardings(state, mesh)
  sharded_step = jax.jit(
    step,
    in_shardings=(shardings, sharding.batch_sharding(mesh)),
    out_shardings=(shardings, sharding.replicated_sharding(mesh)),
  )
  spread = jax.device_put(state, shardings)
  # The classifier's columns, which the step gathers, are on two devices.
  assert not spread.params['head']['kernel'].sharding.is_fully_replicated
  spread, _ = sharded_step(spread, sharding.put_batch(batch, mesh))
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-4, atol=2e-5),
    jax.device_get(spread),
    jax.device_get(alone),
  )


@pytest.mark.slow
def test_the_order_of_datasets_follows_the_weights(synthetic_dir):
  config = make_two(synthetic_dir)
  config.datasets.bodies.weight = 3.0
  config.datasets.pairs.weight = 1.0
  clips = {n: open_split(d, 'train') for n, d in config.datasets.items()}
  mesh = sharding.make_mesh((-1, 1))
  mixture = Mixture(clips, config, mesh)
  assert mixture.shares == {'bodies': 0.75, 'pairs': 0.25}
  order = mixture.order(4000)
  # Four standard deviations of a binomial draw.
  assert abs(order.count('pairs') - 1000) < 4 * (4000 * 0.75 * 0.25) ** 0.5
  assert mixture.order(100) == order[:100]
  assert mixture.warm_steps(0, 4000) == order.index('pairs') + 1
  # Any step can be the first: the same batches follow.
  config.datasets.bodies.weight = config.datasets.pairs.weight = 1.0
  mixture = Mixture(clips, config, mesh)
  assert mixture.steps_per_epoch == 24 // 8 + len(clips['pairs']) // 8
  batches = list(mixture.batches(0, 9))
  assert [name for name, _ in batches] == mixture.order(9)
  for start in (1, 5):
    again = list(mixture.batches(start, 9))
    assert len(again) == 9 - start
    for (name, batch), (want_name, want) in zip(
      again, batches[start:], strict=True
    ):
      assert name == want_name
      jax.tree.map(np.testing.assert_array_equal, batch, want)
  # The default is the square root of the clips.
  config.datasets.bodies.weight = config.datasets.pairs.weight = 0.0
  shares = Mixture(clips, config, mesh).shares
  counts = {name: len(split) for name, split in clips.items()}
  np.testing.assert_allclose(
    shares['bodies'] / shares['pairs'],
    (counts['bodies'] / counts['pairs']) ** 0.5,
  )


def test_the_clips_of_all_evaluations_are_counted():
  config = default_config()
  config.update(epochs=5, eval_every=2)
  a = {'val': range(11), 'test': range(21)}
  parts = {
    'a': types.SimpleNamespace(eval_part='val', clips=a),
    'b': types.SimpleNamespace(eval_part='test', clips={'test': range(17)}),
  }
  evaluations = AllEvaluations(config, parts, None, 4)
  # After epochs 2, 4 and 5; the test clips of `a` at the end.
  assert [step for step in range(1, 21) if evaluations.is_due(step)] == [
    *(8, 16, 20)
  ]
  for step, count in ((1, 3), (8, 3), (9, 2), (20, 1)):
    assert evaluations.count_left(step) == (count, count * 28 + 21)


@pytest.mark.parametrize(
  'settings, message',
  [
    ({'eval_only': True}, 'config.eval_only: .*datasets'),
    ({'floor': True}, 'config.floor: .*True'),
    ({'save_official': 'a.npz'}, 'config.save_official: .*a.npz'),
    ({'init_head': 'load'}, "config.init_head: 'load'"),
    ({'init_from': 'x', 'init_joints': 'data'}, "config.init_joints: 'data'"),
  ],
)
def test_settings_of_one_dataset_are_refused(settings, message, tmp_path):
  config = make_two()
  config.update(settings)
  with pytest.raises(UserError, match=message):
    training.run(config, tmp_path / 'run')
  assert not (tmp_path / 'run').exists()


def test_a_graph_is_refused(tmp_path):
  config = make_two()
  config.model.name = 'st_gcn'
  with pytest.raises(UserError, match="config.model.name: .*'unik'.*'st_gcn'"):
    training.run(config, tmp_path)


def test_settings_that_datasets_share_are_named_once():
  config = make_two()
  config.data.update(describe_vocabulary(config))
  text = describe_experiment(config)
  assert 'datasets.pairs.frames=12' in text and 'datasets.bodies.frames' in text
  assert text.count('rescale') == 1 and 'threads' not in text
  words = describe_config(config)
  assert words['Trained on'] == 'bodies: train[:24]; pairs: train[:48]'
  assert words['Validated on'] == 'bodies: validation[:11]; pairs: nothing'


def test_stored_settings_get_the_defaults_of_later_versions(tmp_path):
  config = make_two()
  stored = config.to_dict()
  del (
    stored['datasets']['pairs']['weight'],
    stored['datasets']['pairs']['window'],
  )
  (tmp_path / 'config.json').write_text(json.dumps(stored))
  assert restore.read_config(tmp_path) == config
  check_same_experiment(config, stored, 'config.json')
  stored['datasets']['pairs']['size'] = 3
  (tmp_path / 'config.json').write_text(json.dumps(stored))
  with pytest.raises(UserError, match=r'config\.json: .*datasets\.pairs.*size'):
    restore.read_config(tmp_path)


def test_errors_name_the_dataset(synthetic_dir, tmp_path):
  config = make_two(synthetic_dir)
  config.datasets.pairs.frames = 0
  with pytest.raises(UserError, match=r'config.datasets.pairs.frames: .*0'):
    check_config(config)
  config.datasets.pairs.frames = 12
  config.datasets.bodies.num_classes = 3
  with pytest.raises(UserError, match=r'datasets.bodies.num_classes: .*20.*3'):
    training.run(config, tmp_path)
  config.datasets.bodies.update(num_classes=20, weight=-1.0)
  with pytest.raises(UserError, match=r'datasets.bodies.weight: .*-1'):
    check_config(config)
  with pytest.raises(UserError, match="config.datasets: .*'a/b'"):
    add_dataset(config, 'a/b')
  with pytest.raises(UserError, match='config.datasets.a: .*no key.*size'):
    add_dataset(config, 'a', size=3)
