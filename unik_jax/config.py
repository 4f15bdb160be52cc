"""All settings of an experiment, with defaults, units and allowed values.

A file in configs/ starts from `default_config` and changes what it needs.
"""

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any

from ml_collections import ConfigDict

from unik_jax.errors import UserError, describe_missing_key, name_dataset
from unik_jax.models.options import DEFAULTS as MODEL_DEFAULTS
from unik_jax.models.options import ROCKETS


def default_config() -> ConfigDict:
  """Returns the default settings. An experiment must set `data`.

  The config is locked: setting a key that does not exist is an error.
  """
  config = ConfigDict(
    {
      # Seed of initial weights, clip order and augmentation.
      'seed': 0,
      'epochs': 50,
      # Clips per optimizer step, over all devices.
      'batch_size': 64,
      # Parts into which a batch is split to save memory. The gradient is the
      # mean over the parts; batch norm sees one part at a time.
      'accumulate': 1,
      # Clips per evaluation step, over all devices.
      'eval_batch_size': 64,
      # Epochs between evaluations. The last epoch is always evaluated.
      'eval_every': 5,
      # Epochs between checkpoints.
      'checkpoint_every': 1,
      # Number of newest checkpoints to keep.
      'keep': 2,
      # Optimizer steps between training lines.
      'log_every': 20,
      # Evaluate the run's checkpoint, or init_from, without training.
      'eval_only': False,
      # Initial weights: a run's folder, its best/, an exported run (its folder,
      # hf://owner/name, or unik-any, which the package has), or an official
      # state dict (.npz, .safetensors, .pt, .pth). '': random.
      'init_from': '',
      # Classifier: 'new' (random) or 'load' (from init_from). '': new for
      # training, load for evaluation.
      'init_head': '',
      # Joints of the data that init_from lacks: 'nearest' starts each from the
      # nearest joint it has, 'fresh' from random weights. 'data' maps the data
      # to the joints of init_from instead.
      'init_joints': 'nearest',
      # Joint layout of a state dict in init_from. '': by its joint count.
      'init_layout': '',
      # Parameters to train: 'all', or 'head' (a linear probe).
      'tune': 'all',
      # File to write the evaluated weights to as an official state dict
      # (.npz, .safetensors, .pt, .pth). '': none.
      'save_official': '',
      # Metric that a result quotes: 'top1', 'mean_class' or 'top5'.
      'headline': 'top1',
      # Measure the floor before training: cheap classifiers on the same clips
      # (needs unik_jax[baseline]).
      'floor': False,
      # In [0, 1).
      'label_smoothing': 0.0,
      # Augmentation: parameter a of the Beta(a, a) distribution of the weights
      # with which each clip and its label are mixed with another clip's. 0:
      # no mixing.
      'mixup': 0.0,
      # Decay per step, in [0, 1), of an exponential moving average of the
      # weights, which is then evaluated. 0: none.
      'ema': 0.0,
      # Devices over ('data', 'model'). -1: all remaining devices.
      'mesh': (-1, 1),
      # Write TensorBoard events too (needs unik_jax[tensorboard]).
      'tensorboard': False,
      # Optimizer steps that jax.profiler traces into the run's profile/, from
      # the third after a start or resume. 0: none.
      'profile': 0,
      'model': dict(MODEL_DEFAULTS),
      # Train one network on several datasets (`add_dataset`): maps a name to
      # settings like `data`, and `weight`, the dataset's share of the steps
      # among all weights (0: the square root of its number of training clips).
      # Then `data` is not used. Empty: train on `data`.
      'datasets': {},
      'data': {
        # A TFDS name: DATASET or DATASET/CONFIG.
        'name': '',
        # Folder of prepared datasets. '': TFDS_DATA_DIR, or
        # ~/tensorflow_datasets.
        'data_dir': '',
        # Folder of the dataset's original files, to prepare it if needed.
        'manual_dir': '',
        # Joint layout, classes, persons per clip and channels per joint of the
        # dataset. '' and 0: those of the prepared dataset.
        'layout': '',
        'num_classes': 0,
        'persons': 2,
        'channels': 3,
        # Whether the last channel is a confidence.
        'confidence': False,
        # Joint layout to map the clips to. '': the dataset's.
        'joints': '',
        # Names of the classes to use, in label order. (): all.
        'classes': (),
        # Split and subjects of each part. Subjects (): all of the split.
        # val_split '': no validation, and so no best checkpoint; 'auto': 'val'
        # if the dataset has that split.
        'train_split': 'train',
        'train_subjects': (),
        'val_split': '',
        'val_subjects': (),
        'test_split': 'test',
        'test_subjects': (),
        # Train on at most so many clips of each class, a random draw that
        # depends only on the draw's number and the clips' ids. 0: all clips.
        'clips_per_class': 0,
        'draw': 0,
        # Times that an epoch repeats the clips of each class. (): once.
        'repeats': (),
        # 'joint', 'bone', 'joint_motion' or 'bone_motion'.
        'stream': 'joint',
        # Remove frames without a person from both ends.
        'trim': False,
        # Frames to which each person's track is repeated. 0: no padding.
        'pad': 0,
        # A key of unik_jax.data.normalize.PRESETS.
        'normalize': 'none',
        # Divisor of the coordinates, in their unit.
        'scale': 1.0,
        # How frames are sampled: 'crop', 'repeat', 'linear', 'uniform' or
        # 'random'.
        'sampling': 'crop',
        # Frames per clip in training.
        'frames': 64,
        # Frames per clip in evaluation. 0: same as `frames`. -1: whole clips,
        # padded to one of a few lengths.
        'test_frames': 0,
        # Random samplings, or evenly spaced crops, of each clip in evaluation.
        # Their probabilities are averaged.
        'test_clips': 1,
        'test_crops': 1,
        # Augmentation: random translation, rotation and scaling over time.
        'random_move': False,
        # Augmentation: largest rotation about the vertical axis, in radians.
        # 3-D data only. If channels is 0, it becomes 0 for 2-D data.
        'rotate': 0.0,
        # The same about the x and z axes.
        'rotate_x': 0.0,
        'rotate_z': 0.0,
        # Augmentation: (low, high) factors of the coordinates. (): none.
        'rescale': (),
        # Augmentation: least share of a clip's frames, in (0, 1], that a random
        # window keeps. 1: all frames.
        'window': 1.0,
        # Augmentation: how much parts of a clip are made faster or slower (the
        # standard deviation of a logarithm). 0: none.
        'stretch': 0.0,
        # Augmentation: probability of mirroring a clip, left and right swapped.
        'flip': 0.0,
        # Augmentation: probabilities that a joint, or one arm or leg, is
        # missing in all frames.
        'drop_joints': 0.0,
        'drop_limb': 0.0,
        # Scale each axis of a clip to [-1, 1] by all its frames, after
        # augmentation.
        'fit_axes': False,
        # Reader threads, and batches read ahead.
        'threads': 4,
        'prefetch': 4,
        # Keep all clips in device memory, as 'float32' or 'int16', and make
        # batches there. '': off.
        'on_device': '',
      },
      'optim': {
        # 'sgd' or 'adamw'.
        'name': 'sgd',
        # Learning rate after warm-up.
        'lr': 0.1,
        # Batch size that `lr` is meant for; another batch_size scales the rate
        # in proportion. 0: no scaling.
        'lr_clips': 0,
        'momentum': 0.9,
        'nesterov': True,
        # Of all parameters, biases and batch norm's included.
        'weight_decay': 1e-4,
        # Maximum global norm of the gradient. 0: no clipping.
        'clip_norm': 0.0,
        # Layer-wise learning-rate decay: factor per block from the classifier
        # down, in (0, 1]. 1: none.
        'layer_decay': 1.0,
        # 'step' or 'cosine'.
        'schedule': 'step',
        'warmup_epochs': 0,
        # step: epochs, counted from 0, that multiply the rate by decay_rate.
        'decay_epochs': (),
        'decay_rate': 0.1,
      },
    }
  )
  return config.lock()


def add_dataset(config: ConfigDict, name: str, /, **data: Any) -> None:
  """Adds a dataset to `config.datasets`.

  Args:
    config: the whole config; changed in place.
    name: names the dataset's results, and its folder in the run.
    **data: `weight`, and settings of `config.data` that are not the defaults.

  Raises:
    UserError: the name is no identifier, or a setting does not exist.
  """
  if not name.isidentifier():
    raise UserError(
      'config.datasets: expected names of letters, digits and _, got'
      f' {name!r}. Rename the dataset'
    )
  section = ConfigDict({'weight': 0.0, **default_config().data.to_dict()})
  section.lock()
  try:
    section.update(data)
  except (AttributeError, KeyError) as error:
    raise UserError(
      f'config.datasets.{name}: {describe_missing_key(error)}'
    ) from None
  with config.unlocked():
    config.datasets[name] = section


def dataset_config(config: ConfigDict, name: str) -> ConfigDict:
  """Returns the config of a run on one of `config.datasets` alone."""
  own = config.copy_and_resolve_references()
  with own.unlocked():
    own.data = own.datasets[name]
    del own.data['weight']
    own.datasets = {}
  return own


# Minimum of each integer setting.
_MINIMUM = {
  'epochs': 1,
  'batch_size': 1,
  'accumulate': 1,
  'eval_batch_size': 1,
  'eval_every': 1,
  'checkpoint_every': 1,
  'keep': 1,
  'log_every': 1,
  'profile': 0,
  'data.num_classes': 0,
  'data.persons': 0,
  'data.channels': 0,
  'data.clips_per_class': 0,
  'data.draw': 0,
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

_CHOICES = {
  'init_head': ('', 'new', 'load'),
  'init_joints': ('nearest', 'fresh', 'data'),
  'tune': ('all', 'head'),
  'headline': ('top1', 'mean_class', 'top5'),
  'data.on_device': ('', 'float32', 'int16'),
  'model.implementation': ('auto', 'einsum', 'cpu', 'tpu'),
}


def check_config(config: ConfigDict) -> None:
  """Raises a UserError for the first setting outside its allowed values."""
  for name, data in config.datasets.items():
    if not 0 <= data.weight < math.inf:
      key = f'datasets.{name}.weight'
      raise _bad_value(key, 'a number of at least 0', data.weight)
    with name_dataset(name):
      check_config(dataset_config(config, name))
  flat = flatten(config.to_dict())
  for key, minimum in _MINIMUM.items():
    if key in flat and flat[key] < minimum:
      raise _bad_value(key, f'at least {minimum}', flat[key])
  for key in ('label_smoothing', 'ema', 'data.drop_joints'):
    if not 0 <= flat[key] < 1:
      raise _bad_value(key, 'a number in [0, 1)', flat[key])
  for key in ('data.flip', 'data.drop_limb'):
    if not 0 <= flat[key] <= 1:
      raise _bad_value(key, 'a number in [0, 1]', flat[key])
  rotations = ('data.rotate', 'data.rotate_x', 'data.rotate_z')
  for key in ('mixup', 'data.stretch', *rotations):
    if not 0 <= flat[key] < math.inf:
      raise _bad_value(key, 'a number of at least 0', flat[key])
  if not 0 < config.data.window <= 1:
    raise _bad_value('data.window', 'a number in (0, 1]', config.data.window)
  if not 0 < config.optim.layer_decay <= 1:
    raise _bad_value(
      'optim.layer_decay', 'a number in (0, 1]', config.optim.layer_decay
    )
  for key, choices in _CHOICES.items():
    if key in flat and flat[key] not in choices:
      expected = 'one of ' + ', '.join(filter(None, choices))
      raise _bad_value(key, expected, flat[key])
  for key, value in (('tune', 'head'), ('init_joints', 'data')):
    if config[key] == value and not config.init_from:
      raise UserError(
        f'config.{key}: {value!r} needs initial weights. Name them with'
        ' --config.init_from.'
      )
  groups = config.model.norm_groups * config.accumulate
  if groups > 1 and config.batch_size % groups:
    raise UserError(
      'config.batch_size: expected a multiple of accumulate x'
      f' model.norm_groups = {config.accumulate} x {config.model.norm_groups},'
      f' got {config.batch_size}. Change one of the three.'
    )
  if config.data.draw and not config.data.clips_per_class:
    raise UserError(
      'config.data.draw: expected 0 with clips_per_class=0, which takes all'
      f' clips, got {config.data.draw}. Set --config.data.clips_per_class'
    )
  if not config.data.scale > 0:
    raise _bad_value('data.scale', 'a number above 0', config.data.scale)
  rescale = tuple(config.data.rescale)
  is_range = len(rescale) == 2 and 0 < rescale[0] <= rescale[1] < math.inf
  if rescale and not is_range:
    raise _bad_value('data.rescale', '(low, high) above 0, or ()', rescale)


def _bad_value(key, expected, value):
  return UserError(f'config.{key}: expected {expected}, got {value!r}')


def is_rocket(config: ConfigDict) -> bool:
  """Whether the model is MiniRocket or MultiRocket: fitted, not trained."""
  return config.model.name in ROCKETS


def check_variant(variant: str, known: Iterable[str]) -> None:
  """Raises a UserError if a config file has no such variant."""
  if variant not in known:
    near = difflib.get_close_matches(variant, known, 1)
    hint = f' Did you mean {near[0]!r}?' if near else ''
    raise UserError(
      f'config variant: expected one of {", ".join(known)}; got'
      f' {variant!r}.{hint}'
    )


def parse_variant(
  variant: str, groups: dict[str, Iterable[str]]
) -> dict[str, str]:
  """Parses a variant such as 'cv1,bone': at most one word of each group.

  Args:
    variant: words separated by commas, in any order. '': all defaults.
    groups: maps each group to its words, the default first.

  Returns:
    The word of each group.

  Raises:
    UserError: a word is in no group, or two words are in one group.
  """
  words_of = {key: tuple(words) for key, words in groups.items()}
  chosen = {}
  for word in filter(None, variant.split(',')):
    check_variant(word, [w for words in words_of.values() for w in words])
    (key,) = [key for key, words in words_of.items() if word in words]
    if key in chosen:
      raise UserError(
        f'config variant {variant!r}: expected one of'
        f' {", ".join(words_of[key])}; got both {chosen[key]!r} and {word!r}'
      )
    chosen[key] = word
  return {key: chosen.get(key, words[0]) for key, words in words_of.items()}


def flatten(tree: Mapping[str, Any], prefix: str = '') -> dict[str, Any]:
  """Maps 'a.b' to the value of nested keys a and b."""
  flat = {}
  for key, value in tree.items():
    nested = isinstance(value, dict)
    key = prefix + key
    flat |= flatten(value, f'{key}.') if nested else {key: value}
  return flat
