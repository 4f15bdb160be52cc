"""A run's settings in words, for its model card and its report."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ml_collections import ConfigDict

from unik_jax.config import default_config, is_rocket
from unik_jax.run.changed_settings import changed_settings

_AUGMENTATION = (
  'random_move',
  'rotate',
  'rotate_x',
  'rotate_z',
  'rescale',
  'window',
  'stretch',
  'flip',
  'drop_joints',
  'drop_limb',
  'repeats',
)


def describe_config(
  config: ConfigDict,
  num_params: int | None = None,
  *,
  code: Callable[[str], str] = str,
) -> dict[str, str]:
  """Describes what was trained, on what, and how.

  Args:
    config: settings of the run.
    num_params: trainable values of the network; None if not known.
    code: marks up a name that a user can type, such as a split's.

  Returns:
    Phrases by title, in the order in which they are shown.
  """
  data, defaults = config.data, default_config()
  model = [code(config.model.name)]
  if num_params:
    model.append(f'{num_params:,} parameters')
  model.append(describe_settings(config.model, defaults.model))
  return {
    'Model': ', '.join(model),
    'Trained on': _splits(config, 'train', code),
    'Validated on': _splits(config, 'val', code),
    'Tested on': _splits(config, 'test', code),
    'Stream': data.stream,
    'Pre-processing': '; '.join(map(_step, preprocessing_steps(data))),
    'Recipe': _recipe(config),
    'Augmentation': describe_settings(data, defaults.data, _AUGMENTATION),
    'Started from': _origin(config, code),
    'Seed': str(config.seed),
  }


def describe_experiment(config: ConfigDict) -> str:
  """Describes an experiment in a line: its main settings and all changed ones.

  Args:
    config: settings of the run.

  Returns:
    'model NAME, dataset NAME, stream NAME; KEY=VALUE ...', with the keys of
    --config.KEY.
  """
  named = ('model.name', 'data.name', 'data.stream')
  changed = [
    f'{key}={value}'
    for key, value in changed_settings(config).items()
    if key not in named
  ]
  return (
    f'model {config.model.name}, dataset {config.data.name}, stream'
    f' {config.data.stream}; ' + (' '.join(changed) or 'default settings')
  )


def describe_settings(
  settings: Mapping[str, Any],
  defaults: Mapping[str, Any] | None = None,
  keys: Iterable[str] = (),
) -> str:
  """Describes settings in a line, as 'key value, key value'.

  Args:
    settings: one level of a config.
    defaults: only settings that differ from these are named; None names all.
    keys: the settings to name; empty for all but `name`.
  """
  phrases = [
    f'{key.replace("_", " ")} {settings[key]}'
    for key in keys or settings
    if key != 'name' and (defaults is None or settings[key] != defaults[key])
  ]
  return ', '.join(phrases) or ('none' if keys else 'default settings')


def preprocessing_steps(data: ConfigDict) -> list[dict[str, Any]]:
  """Lists what `unik_jax.data.transform.Transform` does to a clip at test time.

  Args:
    data: the `data` part of a config.

  Returns:
    In order, each step's name under `step` and its settings beside it. Steps
    that change nothing with these settings are left out.
  """
  sample = {
    'step': 'sample frames',
    'sampling': data.sampling,
    # A network tested on whole clips (-1) takes any number of frames. Then it
    # is the number in training.
    'frames': data.test_frames if data.test_frames > 0 else data.frames,
  }
  for key, what in (
    ('test_clips', 'random samplings of a clip'),
    ('test_crops', 'evenly spaced runs of frames of a clip'),
  ):
    if data[key] > 1:
      sample[key] = data[key]
      sample['note'] = f'{data[key]} {what}; their probabilities are averaged'
  steps = [
    {
      'step': 'cut channels',
      'channels': data.channels,
      'last_is_confidence': bool(data.confidence),
    },
    {'step': 'cut or zero-pad persons', 'persons': data.persons},
    {'step': 'map joints by name', 'layout': data.joints},
    {'step': 'drop frames at both ends with nobody in them', 'on': data.trim},
    {'step': "repeat each person's track", 'frames': data.pad},
    {'step': 'normalize', 'preset': data.normalize},
    {'step': 'divide', 'scale': data.scale},
    {'step': 'scale each axis', 'on': data.fit_axes},
    sample,
    {'step': 'make the stream', 'stream': data.stream},
  ]
  # The values with which a step does nothing.
  no_change = (
    ('layout', ''),
    ('on', False),
    ('frames', 0),
    ('preset', 'none'),
    ('scale', 1.0),
    ('stream', 'joint'),
  )
  return [
    step
    for step in steps
    if not any(key in step and step[key] == value for key, value in no_change)
  ]


def _splits(config, part, code):
  """Returns a part's split, or that of each of several datasets."""
  if config.datasets:
    return '; '.join(
      f'{name}: {_split(data, part, code)}'
      for name, data in config.datasets.items()
    )
  return _split(config.data, part, code)


def _split(data, part, code):
  split, subjects = data[f'{part}_split'], data[f'{part}_subjects']
  if not split:
    return 'nothing'
  text = code(split)
  if subjects:
    text += f', subjects {", ".join(map(str, subjects))}'
  if part == 'train' and data.clips_per_class:
    text += f', {data.clips_per_class} clips of each class (draw {data.draw})'
  return text


def _step(step):
  settings = ', '.join(f'{k} {v}' for k, v in step.items() if k != 'step')
  return f'{step["step"]} ({settings})' if settings else step['step']


def _recipe(config):
  if is_rocket(config):
    return 'random convolutions and a ridge classifier, fitted once'
  optim = config.optim
  has_no_effect = {
    'decay_epochs': optim.schedule == 'cosine',
    'decay_rate': optim.schedule == 'cosine',
    'momentum': optim.name != 'sgd',
    'nesterov': optim.name != 'sgd',
    'lr_clips': not optim.lr_clips,
    'clip_norm': not optim.clip_norm,
    'layer_decay': optim.layer_decay == 1,
    'warmup_epochs': not optim.warmup_epochs,
  }
  keys = [key for key in optim if not has_no_effect.get(key)]
  others = describe_settings(
    config,
    default_config(),
    ('accumulate', 'label_smoothing', 'mixup', 'ema', 'tune'),
  )
  return (
    f'{config.epochs} epoch{"s" * (config.epochs != 1)} in batches of'
    f' {config.batch_size}, {optim.name}, {describe_settings(optim, keys=keys)}'
    + (f', {others}' if others != 'none' else '')
  )


def _origin(config, code):
  if not config.init_from:
    return 'nothing'
  how = [f'{k} {config[k]}' for k in ('init_head', 'init_joints') if config[k]]
  return f'{code(config.init_from)} ({", ".join(how)})' + (
    ', training the classifier only' if config.tune == 'head' else ''
  )
