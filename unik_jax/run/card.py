"""The model card: what a run's weights are, in one page for people."""

import datetime
import functools
import pathlib
import shlex
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import flax
import jax
from ml_collections import ConfigDict

import unik_jax
from unik_jax.config import default_config
from unik_jax.export.stablehlo import preprocessing
from unik_jax.runtime import atomic_files

NAME = 'model_card.md'

_AUGMENTATION = ('random_move', 'rotate', 'rescale', 'repeats')


@functools.cache
def commit() -> str:
  """The checkout's commit, '-dirty' with changes; 'unknown' outside git."""
  folder = pathlib.Path(__file__).parent

  def git(*arguments):
    return subprocess.run(
      ('git', *arguments),
      cwd=folder,
      capture_output=True,
      text=True,
      timeout=10,
      check=True,
    ).stdout.strip()

  try:
    # Not that of a checkout around an installed package.
    git('ls-files', '--error-unmatch', pathlib.Path(__file__).name)
    dirty = '-dirty' if git('status', '--porcelain', '-uno') else ''
    return git('rev-parse', '--short=12', 'HEAD') + dirty
  except (OSError, subprocess.SubprocessError):
    return 'unknown'


def command() -> str:
  """The command line of this process, where it is `unik_jax.main`; or ''."""
  main = pathlib.Path(__file__).parents[1] / 'main.py'
  if pathlib.Path(sys.argv[0]).resolve() != main.resolve():
    return ''
  return shlex.join(('python', '-m', 'unik_jax.main', *sys.argv[1:]))


def write(workdir: pathlib.Path, config: ConfigDict, **facts: Any) -> None:
  """Writes model_card.md, all of it or nothing, on the first process.

  Args:
    workdir: of the run.
    config: its settings.
    **facts: dataset, classes, params, step, steps and results, as of `render`.

  Raises:
    UserError: it cannot be written.
  """
  if jax.process_index():
    return
  now = datetime.datetime.now(datetime.UTC).strftime('%Y-%m-%d %H:%M UTC')
  text = render(workdir.name, config, command=command(), written=now, **facts)
  with atomic_files.atomic_write(workdir / NAME) as part:
    part.write_text(text, encoding='utf-8')


def render(
  name: str,
  config: ConfigDict,
  *,
  dataset: str,
  classes: Sequence[str],
  params: int,
  step: int,
  steps: int,
  command: str,
  written: str,
  results: dict[str, Any] | None = None,
) -> str:
  """The text of a card.

  Args:
    name: of the run.
    config: its settings.
    dataset: full name of the prepared dataset, with its version.
    classes: names, in label order.
    params: how many trained values the network has.
    step: of the newest checkpoint.
    steps: of the whole run.
    command: that trained it; '' where it is not known.
    written: when the card was.
    results: figures of splits by name, from `metrics.compute_metrics`, with
      `intervals` where known; None while nothing is measured.
  """
  data, usual = config.data, default_config()
  code, _, dirty = commit().partition('-')
  rows = {
    'Model': f'{_code(config.model.name)}, {params:,} parameters,'
    f' {_settings(config.model, usual.model)}',
    'Dataset': f'{_text(dataset)}, {len(classes)} classes',
    'Trained on': _split(data.train_split, data.train_subjects),
    'Validated on': _split(data.val_split, data.val_subjects)
    if data.val_split
    else 'nothing',
    'Tested on': _split(data.test_split, data.test_subjects),
    'Stream': data.stream,
    'Pre-processing': '; '.join(map(_step, preprocessing(data))),
    'Recipe': _recipe(config),
    'Augmentation': _settings(data, usual.data, _AUGMENTATION),
    'Started from': _start(config),
    'Seed': config.seed,
    'Step': f'{step:,}'
    + ('' if step == steps else f' of {steps:,}: training is not over'),
    'Device': f'{jax.device_count()} x {jax.devices()[0].device_kind}',
    'Versions': f'unik_jax {unik_jax.__version__}, jax {jax.__version__}, flax'
    f' {flax.__version__}',
    'Commit': code + (', with changes that are not committed' * bool(dirty)),
    'Written': written,
  }
  table = '\n'.join(f'| {row} | {value} |' for row, value in rows.items())
  again = (
    f'\n\n```\n{command}\n```\n\nEvery setting is in'
    if command
    else ' `python -m unik_jax.main`\nwith the settings of'
  )
  return f"""# Model card: {_text(name)}

Tells {len(classes)} actions apart by the movement of skeletons.

| | |
|---|---|
{table}

## Figures

{_figures(config, results)}

## To make it again

Get the commit above of unik_jax, and run{again} config.json beside this file.

## Use

For clips like those of the dataset: the same kind of sensor or pose estimator,
and one of the same {len(classes)} actions in each. What it answers for other
actions, ages, viewpoints or cameras was not measured, and its probabilities are
not to be taken for those.

The dataset's licence is its authors' matter: see them before this model, which
was made of it, is used or passed on.

Classes: {', '.join(map(_text, classes))}.
"""


def _figures(config, results):
  if not results:
    return 'Not evaluated yet.'
  lines = [
    '| split | clips | top-1 | mean class | top-5 |',
    '|---|---|---|---|---|',
  ]
  for split, figures in results.items():
    cells = [split.replace('_', ' '), f'{figures["clips"]:,}']
    for name in ('top1', 'mean_class', 'top5'):
      cell = f'{100 * figures[name]:.2f}%'
      if interval := figures.get('intervals', {}).get(name):
        low, high = (100 * value for value in interval)
        cell += f' ({low:.1f} to {high:.1f})'
      if name == config.headline:
        cell = f'**{cell}**'
      cells.append(cell)
    lines.append(f'| {" | ".join(cells)} |')
  return '\n'.join(lines) + (
    '\n\nIn brackets, 95% intervals by bootstrap over clips. They hold for'
    ' clips of the same people and cameras.'
  )


def _recipe(config):
  optim, usual = config.optim, default_config()
  idle = {
    'decay_epochs': optim.schedule == 'cosine',
    'decay_rate': optim.schedule == 'cosine',
    'momentum': optim.name != 'sgd',
    'nesterov': optim.name != 'sgd',
    'lr_clips': not optim.lr_clips,
    'clip_norm': not optim.clip_norm,
    'layer_decay': optim.layer_decay == 1,
    'warmup_epochs': not optim.warmup_epochs,
  }
  keys = [key for key in optim if not idle.get(key)]
  others = _settings(
    config, usual, ('accumulate', 'label_smoothing', 'ema', 'tune')
  )
  return (
    f'{config.epochs} epoch{"s" * (config.epochs != 1)} in batches of'
    f' {config.batch_size}, {optim.name}, {_settings(optim, keys=keys)}'
    + (f', {others}' if others != 'none' else '')
  )


def _start(config):
  if not config.init_from:
    return 'nothing'
  how = [f'{k} {config[k]}' for k in ('init_head', 'init_joints') if config[k]]
  only = ', of which only the classifier was trained'
  return f'{_code(config.init_from)} ({", ".join(how)})' + only * (
    config.tune == 'head'
  )


def _split(split, subjects):
  who = f', subjects {", ".join(map(str, subjects))}' if subjects else ''
  return f'{_code(split)}{who}'


def _settings(options, usual=None, keys=None):
  """Settings in a line; of those with a usual value, the others alone."""
  told = [
    f'{key.replace("_", " ")} {options[key]}'
    for key in keys or options
    if key != 'name' and (usual is None or options[key] != usual[key])
  ]
  return ', '.join(told) or ('none' if keys else 'default settings')


def _step(step):
  rest = ', '.join(f'{k} {v}' for k, v in step.items() if k != 'step')
  return _text(f'{step["step"]} ({rest})' if rest else step['step'])


def _text(name):
  """A name in Markdown's cells and lines, where some signs mean things."""
  name = ' '.join(str(name).split())
  for sign in '\\`*_[]<>|#&~':
    name = name.replace(sign, '\\' + sign)
  return name


def _code(text):
  """A name as code in a cell, where only bars and backticks mean things."""
  text = ' '.join(str(text).split()).replace('|', '\\|')
  return f'`` {text} ``' if '`' in text else f'`{text}`'
