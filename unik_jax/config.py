"""Every setting of an experiment, with its default and what it means.

A file in configs/ starts from `default_config` and changes what it needs.
"""

import difflib
from collections.abc import Iterable

from ml_collections import ConfigDict

from unik_jax.errors import UserError


def default_config() -> ConfigDict:
  """The settings that all experiments share; an experiment must set `data`.

  Locked, so that an experiment cannot set a key that nothing reads.
  """
  config = ConfigDict(
    {
      'seed': 0,  # of initial weights, order and augmentation
      'epochs': 50,
      'batch_size': 64,  # over all devices
      'accumulate': 1,  # parts of a batch, one at a time, for want of memory
      'eval_batch_size': 64,
      'eval_every': 5,  # epochs; the last one is always evaluated
      'checkpoint_every': 1,  # epochs
      'keep': 2,  # newest checkpoints that stay
      'log_every': 20,  # steps
      'eval_only': False,  # evaluate the workdir's checkpoint, or init_from
      # Where weights come from: a run's folder, or its best/, or an official
      # state dict (.npz .safetensors .pt .pth).
      'init_from': '',
      'init_head': '',  # new, or load; '': new to train, load to evaluate
      # Of other joints than the data's: how those that init_from lacks start,
      # nearest (as the nearest it has) or fresh; or data, which maps the data.
      'init_joints': 'nearest',
      'init_layout': '',  # of a state dict's joints; '' goes by their number
      'tune': 'all',  # or head: a linear probe, all else frozen
      'save_official': '',  # where to write the evaluated weights as one
      'headline': 'top1',  # or mean_class: the metric that a result quotes
      'label_smoothing': 0.0,
      'ema': 0.0,  # decay of averaged weights, used to evaluate; 0 for none
      'mesh': (-1, 1),  # devices over ('data', 'model')
      'tensorboard': False,
      'model': {
        'name': 'unik',  # a key of unik_jax.models.MODELS
        'dtype': 'float32',  # of the computation; or bfloat16
        'remat': False,  # keep less for the backward pass, compute it again
        'norm_groups': 1,  # parts of a batch with batch norm of their own
        'norm_present': False,  # batch norm leaves absent persons out
        # Of each block, or stage; () for the network's own.
        'widths': (),
        'strides': (),
        'temporal_kernel': 9,  # unik agcn aagcn st_gcn
        # unik
        'num_heads': 3,
        'first_block_heads': 3,  # -1: as many as num_heads (the paper's text)
        'tau': 1,
        'dilations': (),
        'attention': True,
        'attention_scale': True,  # False: Eq. 4 of the paper
        'matrix': 'dependency',  # or adaptive, fixed: the paper's AM and FM
        # or paper (Eq. 3), identity, graph, zeros
        'dependency_init': 'code',
        # st_gcn
        'edge_importance_weighting': True,
        'dropout': 0.0,  # the authors have 0.5 on NTU RGB+D
        # ms_g3d: in a frame, and in windows; the authors have 8, 8 on Kinetics
        'num_gcn_scales': 13,
        'num_g3d_scales': 6,
      },
      'data': {
        'name': '',  # a TFDS name: dataset, or dataset/config
        'data_dir': '',  # default: TFDS_DATA_DIR, or ~/tensorflow_datasets
        'manual_dir': '',  # where files from the authors lie
        # '' and 0 stand for what the prepared dataset has.
        'layout': '',  # of the dataset's joints
        'num_classes': 0,
        'persons': 2,
        'channels': 3,
        'confidence': False,  # whether the last channel is one
        'joints': '',  # the layout to map joints to; '' for the dataset's
        'classes': (),  # names in label order, of some classes; empty for all
        'train_split': 'train',
        'train_subjects': (),  # empty for all of the split
        'val_split': '',  # empty for no validation, hence no best checkpoint
        'val_subjects': (),
        'test_split': 'test',
        'test_subjects': (),
        'repeats': (),  # how often an epoch has each class; empty for once
        'stream': 'joint',  # bone, joint_motion, bone_motion
        'trim': False,  # frames at both ends with nobody in them
        'pad': 0,  # frames to repeat each person's track to; 0 for none
        'normalize': 'none',  # a key of normalize.PRESETS
        'scale': 1.0,  # coordinates are divided by it
        'sampling': 'crop',  # repeat, linear, uniform
        'frames': 64,
        # 0: as many as in training; -1: whole clips, a few lengths in all
        'test_frames': 0,
        'test_clips': 1,  # random samplings of a clip, answers averaged
        'test_crops': 1,  # evenly spaced runs of frames of it, likewise
        'random_move': False,
        'rotate': 0.0,  # radians about the vertical, to either side
        'rescale': (),  # (low, high)
        'threads': 4,
        'prefetch': 4,  # batches
        # Clips in the devices' memory, batches made there: float32, or int16.
        'on_device': '',
      },
      'optim': {
        'name': 'sgd',  # or adamw
        'lr': 0.1,
        'lr_clips': 0,  # the batch_size that lr is for, others by proportion
        'momentum': 0.9,
        'nesterov': True,
        'weight_decay': 1e-4,
        'clip_norm': 0.0,  # 0 for no clipping
        'layer_decay': 1.0,  # of the learning rate, per block from the head
        'schedule': 'step',  # or cosine
        'warmup_epochs': 0,
        'decay_epochs': (),
        'decay_rate': 0.1,
      },
    }
  )
  return config.lock()


# The least that makes sense, of settings that are whole numbers.
_LEAST = {
  'epochs': 1,
  'batch_size': 1,
  'accumulate': 1,
  'eval_batch_size': 1,
  'eval_every': 1,
  'checkpoint_every': 1,
  'keep': 1,
  'log_every': 1,
  'data.num_classes': 0,
  'data.persons': 0,
  'data.channels': 0,
  'data.frames': 1,
  'data.test_frames': -1,
  'data.test_clips': 1,
  'data.test_crops': 1,
  'data.pad': 0,
  'data.threads': 0,
  'data.prefetch': 1,
  'model.first_block_heads': -1,
  'model.norm_groups': 1,
  'optim.lr_clips': 0,
  'optim.warmup_epochs': 0,
}

_WORDS = {
  'init_head': ('', 'new', 'load'),
  'init_joints': ('nearest', 'fresh', 'data'),
  'tune': ('all', 'head'),
  'data.on_device': ('', 'float32', 'int16'),
}


def check_config(config: ConfigDict) -> None:
  """Raises a UserError for the first setting that is out of its range."""
  flat = _flat(config.to_dict())
  for key, least in _LEAST.items():
    if key in flat and flat[key] < least:
      raise UserError(f'config.{key} is {flat[key]}; the least is {least}')
  for key in ('label_smoothing', 'ema'):
    if not 0 <= config[key] < 1:
      raise UserError(f'config.{key} is {config[key]}; it lies in [0, 1)')
  if not 0 < config.optim.layer_decay <= 1:
    raise UserError(
      f'config.optim.layer_decay is {config.optim.layer_decay}; it lies in'
      ' (0, 1]'
    )
  for key, known in _WORDS.items():
    if key in flat and flat[key] not in known:
      raise UserError(
        f'config.{key} is {flat[key]!r}; use one of '
        + ', '.join(filter(None, known))
      )
  for key, value in (('tune', 'head'), ('init_joints', 'data')):
    if config[key] == value and not config.init_from:
      raise UserError(
        f'config.{key} is {value!r}, which takes weights to start from: name'
        ' them with --config.init_from'
      )
  groups = config.model.norm_groups * config.accumulate
  if groups > 1 and config.batch_size % groups:
    raise UserError(
      f'config.batch_size is {config.batch_size}, which does not divide into'
      f' accumulate x model.norm_groups = {config.accumulate} x'
      f' {config.model.norm_groups} parts; change one of the three'
    )
  if not config.data.scale > 0:
    raise UserError(f'config.data.scale is {config.data.scale}; use one > 0')
  if len(config.data.rescale) not in (0, 2):
    raise UserError(
      f'config.data.rescale is {config.data.rescale}; use (low, high), or ()'
    )


def check_variant(variant: str, known: Iterable[str]) -> None:
  """Raises a UserError where a config file has no such variant."""
  if variant not in known:
    near = difflib.get_close_matches(variant, known, 1)
    hint = f' Did you mean {near[0]!r}?' if near else ''
    raise UserError(
      f'this config has no variant {variant!r}; it has:'
      f' {", ".join(known)}.{hint}'
    )


def parse_variant(
  variant: str, groups: dict[str, Iterable[str]]
) -> dict[str, str]:
  """Reads a variant such as 'cv1,bone', one word from each of some groups.

  Args:
    variant: words with commas between, in any order; '' for all defaults.
    groups: the words of each group, its default first.

  Returns:
    The word of each group.

  Raises:
    UserError: a word that no group has, or two of one group.
  """
  groups = {key: tuple(words) for key, words in groups.items()}
  chosen = {}
  for word in filter(None, variant.split(',')):
    check_variant(word, [w for words in groups.values() for w in words])
    (key,) = [key for key, words in groups.items() if word in words]
    if key in chosen:
      raise UserError(
        f'variant {variant!r} has both {chosen[key]!r} and {word!r}; choose one'
        f' of {", ".join(groups[key])}'
      )
    chosen[key] = word
  return {key: chosen.get(key, words[0]) for key, words in groups.items()}


# What may differ between a run and its continuation.
_FREE = (
  'eval_only',
  'eval_batch_size',
  'eval_every',
  'checkpoint_every',
  'keep',
  'log_every',
  'mesh',
  'tensorboard',
  'save_official',
  'data.data_dir',
  'data.manual_dir',
  'data.test_split',
  'data.test_subjects',
  'data.test_frames',
  'data.test_clips',
  'data.test_crops',
  'data.threads',
  'data.prefetch',
  'data.on_device',
)


def check_same_experiment(config: ConfigDict, before: dict, where: str) -> None:
  """Raises a UserError where `config` would not continue the run `before`.

  Args:
    config: of this run.
    before: the config that the workdir was started with, as a dict.
    where: its file, to be named in the error.
  """
  # A run from before there was a setting was one of its default.
  new, old = (
    _flat(default_config().to_dict()) | _flat(t)
    for t in (config.to_dict(), before)
  )
  different = [
    f'  {key}: {old.get(key)!r} there, {new.get(key)!r} here'
    for key in sorted(new.keys() | old.keys())
    if key not in _FREE and _plain(new.get(key)) != _plain(old.get(key))
  ]
  if different:
    raise UserError(
      f'{where} belongs to another experiment:\n'
      + '\n'.join(different)
      + '\nUse another --workdir, or the same settings to go on.'
    )


def _flat(tree, prefix=''):
  out = {}
  for key, value in tree.items():
    nested = isinstance(value, dict)
    out |= _flat(value, f'{key}.') if nested else {prefix + key: value}
  return out


def _plain(value):
  return list(value) if isinstance(value, tuple) else value
