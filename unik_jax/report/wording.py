"""A run in words: what was trained, on what, and how."""

from ml_collections import ConfigDict

from unik_jax.data.transform import WHOLE_CLIP, frames_to_test
from unik_jax.report.contents import Contents

METRICS = {
  'top1': 'top-1 accuracy',
  'mean_class': 'mean class accuracy',
  'top5': 'top-5 accuracy',
}


def facts(contents: Contents) -> list[tuple[str, str]]:
  """What stands beside the headline: names and values."""
  config, summary = contents.config, contents.summary
  found = [
    ('Dataset', f'{contents.dataset}, {len(contents.classes)} classes'),
    ('Protocol', protocol(config.data)),
    ('Input', sight(config.data)),
    ('Model', model(config.model, summary.get('params'))),
    ('Recipe', recipe(config)),
    ('Seed', str(summary.get('seed', config.seed))),
    ('Device', str(summary.get('device', ''))),
    ('Commit', str(summary.get('commit') or '')),
    ('Folder', str(contents.folder)),
  ]
  return [(name, value) for name, value in found if value]


def protocol(data: ConfigDict) -> str:
  """The splits, each with its subjects where not all are meant."""
  parts = []
  for verb, part in (
    ('trained on', 'train'),
    ('validated on', 'val'),
    ('tested on', 'test'),
  ):
    if split := data[f'{part}_split']:
      subjects = data[f'{part}_subjects']
      some = ', '.join(map(str, subjects))
      parts.append(f'{verb} {split}' + (f' (subjects {some})' if some else ''))
  return ', '.join(parts)


def sight(data: ConfigDict) -> str:
  """What the network sees of a clip."""
  frames = frames_to_test(data)
  seen = 'whole clips' if frames == WHOLE_CLIP else f'{frames} frames'
  parts = [f'{data.stream} stream', f'{seen} ({data.sampling})']
  if data.test_clips > 1:
    parts.append(f'{data.test_clips} samplings averaged')
  if data.test_crops > 1:
    parts.append(f'{data.test_crops} crops averaged')
  plain = data.normalize == 'none'
  parts.append('not normalised' if plain else f'normalised by {data.normalize}')
  layout = data.layout
  if data.joints and data.joints != data.layout:
    layout = f'{layout} mapped to {data.joints}'
  axes = data.channels - bool(data.confidence)
  seen = f'{axes}-D' + (' with confidence' if data.confidence else '')
  people = f'up to {data.persons} persons' if data.persons > 1 else '1 person'
  return ', '.join([*parts, f'joints {layout}', seen, people])


def model(settings: ConfigDict, params: int | None) -> str:
  """The network's name and size."""
  parts = [settings.name]
  if widths := settings.get('widths'):
    parts.append(
      f'{len(widths)} blocks of {widths[0]} to {widths[-1]} channels'
    )
  if settings.name == 'unik' and (heads := settings.get('num_heads')):
    parts.append(f'{heads} heads')
  if params:
    parts.append(f'{params:,} parameters')
  return ', '.join(parts)


def recipe(config: ConfigDict) -> str:
  """How it was trained, in a line."""
  optim = config.optim
  parts = [
    f'{_epochs(config.epochs)} of batches of {config.batch_size}',
    f'{optim.name} at {optim.lr:g}, {optim.schedule} schedule',
  ]
  if optim.schedule == 'step' and optim.decay_epochs:
    epochs = ', '.join(map(str, optim.decay_epochs))
    parts[-1] += f' (times {optim.decay_rate:g} at {epochs})'
  if optim.warmup_epochs:
    parts.append(f'{_epochs(optim.warmup_epochs)} of warm-up')
  parts.append(f'weight decay {optim.weight_decay:g}')
  for key, name in (
    ('label_smoothing', 'label smoothing'),
    ('ema', 'averaged weights'),
  ):
    if config[key]:
      parts.append(f'{name} {config[key]:g}')
  if config.init_from:
    kind = 'linear probe' if config.tune == 'head' else 'fine-tuned'
    parts.append(f'{kind} from {config.init_from}')
  return ', '.join(parts)


def _epochs(number):
  return f'{number} epoch' + ('' if number == 1 else 's')
