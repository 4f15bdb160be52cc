"""Every config gives the intended model, data and recipe."""

import functools
import itertools

import jax
import numpy as np
import pytest
from helpers.configs import FOLDER, load_config, load_config_file

from unik_jax import metrics, optim, training, transfer
from unik_jax.config import (
  check_config,
  dataset_config,
  default_config,
  parse_variant,
)
from unik_jax.data import registry
from unik_jax.data.transform import Transform
from unik_jax.errors import UserError
from unik_jax.models.network import Network, network_from_config
from unik_jax.models.vocabulary import (
  describe_vocabulary,
  make_shared_network,
)
from unik_jax.official import tensor_files
from unik_jax.official.convert import to_official
from unik_jax.skeletons.layouts import get_layout

# Variants to test of the configs that are not products of GROUPS.
OTHERS = {
  'msr_action3d': ('official', 'modern', 'tune'),
  'nw_ucla': ('modern', 'ctr_gcn,xview_clean,bone', 'tune', 'xview_1'),
  'utd_mhad': ('cross_subject', 'tune,bone_motion'),
  'sbu': ('fold_1', 'fold_5,joint_motion'),
  'synthetic': ('quick', 'full'),
  'own': ('mine',),
  'few': (
    'msr_action3d',
    'sbu_fold_2,unik,bone',
    'penn_13,st_gcn_pp',
    'tune_penn',
  ),
  'transfer': ('pretrain', 'scratch,one_subject', 'finetune', 'probe'),
  'pyskl': ('ntu60_3danno,xsub', 'ucf101_hrnet,split1,bone', 'gym_hrnet'),
  # All rows: tests/tables/.
  'tables': (
    *('msr_action3d', 'synthetic,heads_6', 'smarthome_cs,dilated'),
    *('smarthome_cv1', 'smarthome_cv2,bone', 'penn,agcn', 'posetics,ctr_gcn'),
    *('posetics_3d,ms_g3d', 'ntu60_xsub,fixed', 'ntu60_17_xsub,st_gcn'),
    *('ntu60_17_xview', 'ntu120_17_xsub', 'ntu120_17_xset,unik_pretrained'),
  ),
}


def cases():
  for path in sorted(FOLDER.glob('*.py')):
    name = path.stem
    if name in OTHERS:
      variants = OTHERS[name]
    else:
      words = itertools.product(*load_config_file(name).GROUPS.values())
      variants = [','.join(each) for each in words]
    for variant in variants:
      yield f'{name}:{variant}'


@functools.cache
def count_params(options):
  """Returns a network's number of parameters, counted once per network."""
  options = dict(options)
  return Network('unik', **options).num_params()


def published_count(joints, channels, classes, heads):
  """Returns the published parameter count, without unused bias vectors.

  The official code has bias vectors that it never uses.
  Other numbers of classes and channels follow from the published counts: the
  classifier has 257 parameters per class. A channel has 2 parameters in batch
  norm for each joint of two persons, and 64 + 96 per head in the first block,
  which has 3 heads.
  """
  known = {
    (17, 2, 3): (320, 3_525_904),
    (25, 3, 3): (60, 3_469_760),
    (25, 3, 4): (60, 3_803_033),
    (25, 3, 12): (60, 6_469_217),
  }
  if (joints, channels) == (17, 3):
    extra = 4 * joints + 64 + 96 * 3
    return published_count(17, 2, classes, heads) + extra
  base_classes, total = known[joints, channels, heads]
  return total + 257 * (classes - base_classes) - 10 * joints


@pytest.mark.parametrize('case', list(cases()))
def test_a_config_has_known_keys_and_the_published_size(case):
  config = load_config(case)
  known = default_config().to_dict()

  def check(tree, known):
    assert tree.keys() == known.keys()
    for key, value in tree.items():
      if isinstance(value, dict):
        check(value, known[key])

  check({**config.to_dict(), 'datasets': {}}, known)
  own = [dataset_config(config, name) for name in config.datasets] or [config]
  for each in own:
    check(each.to_dict(), known)
    assert each.data.name.partition('/')[0] in registry.dataset_names()
  assert config.headline in metrics.HEADLINES
  if config.datasets:
    check_config(config)
    for each in own:
      for is_training in (True, False):
        Transform(each.data, train=is_training)
    if case.endswith(':all'):
      config.data.update(describe_vocabulary(config))
      net = make_shared_network(config)
      assert set(net.networks) == set(config.datasets)
    return
  if not config.data.layout:
    return  # layout and classes are those of the prepared dataset
  for is_training in (True, False):
    Transform(config.data, train=is_training)
  data, model = config.data, config.model
  if case.partition(':')[0] in OTHERS:
    assert network_from_config(config).num_params() > 0
    return
  joints = get_layout(data.joints or data.layout).num_joints
  shape = (joints, data.channels, data.num_classes, model.num_heads)
  options = {
    'num_joints': joints,
    'in_channels': data.channels,
    'num_classes': data.num_classes,
    'num_heads': model.num_heads,
    'num_persons': data.persons,
  }
  if data.layout == 'penn_13':  # no published count
    assert count_params(tuple(options.items())) > 0
  else:
    assert count_params(tuple(options.items())) == published_count(*shape)
  # The config changes no option of the model but the number of heads, and the
  # widths of the small recipe.
  expected = default_config().model.to_dict() | {'num_heads': model.num_heads}
  if 'small' in case:
    expected['widths'] = (32,) * 4 + (64,) * 3 + (128,) * 3
  assert model.to_dict() == expected


def test_the_formula_gives_the_published_counts():
  """Checks the published counts that no config has."""
  assert published_count(17, 2, 31, 3) == 3_451_631 - 170
  assert published_count(17, 2, 19, 3) == 3_448_547 - 170
  assert published_count(17, 2, 15, 3) == 3_447_519 - 170
  assert published_count(25, 3, 120, 12) == 6_484_637 - 250


@pytest.mark.slow
@pytest.mark.parametrize(
  'case, source',
  [
    ('smarthome:cv1,pretrained', 'posetics'),
    ('smarthome:3d,pretrained', 'posetics:3d'),
    ('penn:pretrained,bone', 'posetics'),
    ('penn:13_joints,pretrained', 'posetics'),
    ('ntu60:17_joints,pretrained', 'posetics:3d'),
    ('ntu120:pretrained,modern', 'posetics:25_joints'),
  ],
)
def test_pretrained_weights_fit(case, source, tmp_path):
  """All weights but the classifier's load from the source config's network."""
  config = load_config(case)
  assert config.init_head == 'new'
  source_net = network_from_config(load_config(source))
  shapes = source_net.shapes
  zeros = jax.tree.map(lambda a: np.zeros(a.shape, a.dtype), shapes)
  folder = source.replace(':', '_').removesuffix('_joints')
  assert config.init_from == f'runs/{folder}/weights.npz'
  path = tmp_path / 'weights.npz'
  tensor_files.write_tensors(path, to_official(source_net.abstract, *zeros))
  config.init_from = str(path)
  report = transfer.adapt_weights(
    transfer.read_weights(config), config, head=False
  ).report
  assert len(report) == 2 and 'adapted' not in report[0]


# The authors' config files: learning rate, weight decay, decay epochs, epochs,
# batch size, frames, random_move, heads.
RECIPES = {
  'posetics': (0.1, 1e-4, (45, 55), 65, 64, 150, True, 3),
  'smarthome:cs': (0.1, 1e-4, (30, 40), 50, 16, 400, False, 3),
  'smarthome:cv1': (0.1, 1e-4, (10, 20), 30, 8, 400, True, 3),
  'smarthome:cv2': (0.05, 5e-4, (30, 40), 50, 16, 400, True, 3),
  'penn': (0.05, 5e-4, (10, 20), 30, 8, 150, True, 3),
  'ntu60': (0.1, 1e-4, (30, 40), 50, 32, 300, False, 4),
  'ntu60:bone': (0.1, 1e-4, (30, 40), 50, 32, 300, False, 12),
  'ntu120': (0.1, 1e-4, (30, 50), 60, 32, 300, False, 12),
}


@pytest.mark.parametrize('case', RECIPES)
def test_official_recipes(case):
  config = load_config(case)
  assert RECIPES[case] == (
    config.optim.lr,
    config.optim.weight_decay,
    config.optim.decay_epochs,
    config.epochs,
    config.batch_size,
    config.data.frames,
    config.data.random_move,
    config.model.num_heads,
  )
  assert (config.optim.momentum, config.optim.nesterov) == (0.9, True)
  assert (config.optim.schedule, config.optim.warmup_epochs) == ('step', 0)
  assert config.model.first_block_heads == 3


def test_ctr_gcn_recipe_of_nw_ucla():
  """config/ucla/default.yaml of CTR-GCN; its data: tests/data/."""
  config = load_config('nw_ucla:ctr_gcn')
  schedule, _ = optim.configure_optimizer(config, steps_per_epoch=318)
  rates = [float(schedule(318 * e + 317)) for e in (0, 1, 2, 3, 4, 49)]
  np.testing.assert_allclose(rates, [0.02, 0.04, 0.06, 0.08, 0.1, 0.1])
  np.testing.assert_allclose(float(schedule(318 * 50)), 0.01, rtol=1e-6)
  assert (config.epochs, config.batch_size) == (65, 16)
  assert set(config.data.repeats) == {5} and len(config.data.repeats) == 10
  options = config.optim
  assert (options.name, options.momentum) == ('sgd', 0.9)
  assert options.nesterov and options.weight_decay == 1e-4
  # The published network for 20 joints and 10 classes (ctrgcn_ucla.json of
  # the golden cases).
  assert network_from_config(config).num_params() == 1_426_892


@pytest.mark.parametrize(
  'name', ['posetics', 'smarthome', 'penn', 'ntu60', 'ntu120']
)
def test_modern_recipe(name):
  config = load_config(f'{name}:modern')
  data, optim = config.data, config.optim
  assert (data.sampling, data.frames, data.test_clips) == ('uniform', 100, 10)
  assert (optim.schedule, optim.weight_decay) == ('cosine', 5e-4)
  assert not data.pad and data.normalize == 'clean'


# Name, train and test split, pad, normalize, test_frames.
DATA = {
  'posetics:bone': ('posetics/2d', 'train', 'test', 0, 'screen_640', 300),
  'posetics:3d': ('posetics/3d', 'train', 'test', 0, 'unik', 300),
  'smarthome': (
    'toyota_smarthome/2d',
    'cs_train',
    'cs_test',
    4000,
    'screen_640',
    4000,
  ),
  'smarthome:cv2,bone': (
    'toyota_smarthome/2d',
    'cv2_train',
    'cv2_test',
    4000,
    'screen_640',
    4000,
  ),
  'penn': ('penn_action/lcrnet_2d', 'train', 'test', 700, 'screen_640', 700),
  'ntu60:xview,bone': (
    'ntu_rgbd/ntu60_slots',
    'xview_train',
    'xview_test',
    300,
    'unik',
    0,
  ),
  'ntu120:xset': (
    'ntu_rgbd/ntu120_slots',
    'xset_train',
    'xset_test',
    300,
    'unik',
    0,
  ),
  'ntu60:modern': (
    'ntu_rgbd/ntu60',
    'xsub_train',
    'xsub_test',
    0,
    'clean',
    0,
  ),
}


@pytest.mark.parametrize('case', DATA)
def test_data_of_the_experiments(case):
  data = load_config(case).data
  assert DATA[case] == (
    data.name,
    data.train_split,
    data.test_split,
    data.pad,
    data.normalize,
    data.test_frames,
  )
  assert data.stream == ('bone' if 'bone' in case else 'joint')
  assert bool(data.repeats) == ('cv' in case) == bool(data.classes)
  assert data.trim == (case in ('posetics:3d', 'ntu60:modern'))


def test_every_skeleton_leaves_one_dataset_out():
  module = load_config_file('every_skeleton')
  everything = set(load_config('every_skeleton:all').datasets)
  assert everything == {*module.REAL, *module.SYNTHETIC}
  for name in module.REAL:
    config = load_config(f'every_skeleton:without_{name}')
    assert set(config.datasets) == everything - {name}
    assert config.model.name == 'unik'
  only = load_config('every_skeleton:synthetic').datasets
  assert set(only) == set(module.SYNTHETIC)
  # A run of configs/own.py can start from the weights.
  config, own = load_config('every_skeleton:all,unik_pp'), load_config('own:x')
  assert config.model == own.model
  # What makes datasets comparable is the same in all of them.
  for data in config.datasets.values():
    assert (data.normalize, data.frames, data.scale) == ('body', 32, 1.0)
  # All joints of the Kinects and of Penn Action, the neck, and the nose.
  config.data.update(describe_vocabulary(config))
  joints = get_layout(config.data.layout).joints
  assert len(joints) == 26 and {'neck', 'nose', 'left_thumb'} <= set(joints)


def test_headlines():
  for case in cases():
    expected = 'mean_class' if 'smarthome' in case else 'top1'
    assert load_config(case).headline == expected


@pytest.mark.parametrize(
  'name', ['posetics', 'msr_action3d', 'synthetic', 'smarthome', 'ntu60']
)
def test_unknown_variant(name):
  with pytest.raises(UserError, match="expected one of .*got 'jiont'"):
    load_config(f'{name}:jiont')


@pytest.mark.parametrize(
  'variant, splits',
  [
    ('ntu60_hrnet,xview', ('xview_train', 'xview_val')),
    ('gym_hrnet,bone', ('train', 'val')),
    ('diving48_hrnet,test', ('train', 'test')),
    ('hmdb51_hrnet,split3', ('split3_train', 'split3_test')),
  ],
)
def test_splits_of_pickles(variant, splits):
  data = load_config(f'pyskl:{variant}').data
  assert (data.train_split, data.test_split) == splits
  assert data.name == 'pyskl/' + variant.partition(',')[0]


def test_choose():
  groups = {'a': ('x', 'y'), 'b': ('u', 'v_w')}
  assert parse_variant('', groups) == {'a': 'x', 'b': 'u'}
  assert parse_variant('v_w', groups) == {'a': 'x', 'b': 'v_w'}
  assert parse_variant('v_w,y', groups) == {'a': 'y', 'b': 'v_w'}
  with pytest.raises(UserError, match="both 'x' and 'y'"):
    parse_variant('x,y', groups)


@pytest.mark.parametrize('name', ['posetics', 'msr_action3d', 'ntu60'])
def test_missing_data_is_explained(name, tmp_path):
  config = load_config(name)
  config.data.data_dir = str(tmp_path / 'data')
  with pytest.raises(UserError) as error:
    training.run(config, tmp_path / 'run')
  text = str(error.value)
  dataset = config.data.name.partition('/')[0]
  assert str(tmp_path / 'data' / 'downloads' / 'manual' / dataset) in text
  assert f'python -m unik_jax.prepare {config.data.name}' in text
  assert 'https://' in text
