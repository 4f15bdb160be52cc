"""The model card: what a run's weights are, on one page for people."""

import datetime
import pathlib
from collections.abc import Sequence
from typing import Any

import flax
import jax
from ml_collections import ConfigDict

import unik_jax
from unik_jax.run import paths
from unik_jax.run.provenance import (
  describe_devices,
  git_commit,
  training_command,
)
from unik_jax.run.wording import describe_config
from unik_jax.runtime.atomic_files import atomic_write


def write_card(workdir: pathlib.Path, config: ConfigDict, **facts: Any) -> None:
  """Writes model_card.md atomically, on the first process only.

  Args:
    workdir: folder of the run.
    config: settings of the run.
    **facts: dataset, classes, params, step, steps, results and floor, as in
      `render_card`.

  Raises:
    UserError: the file cannot be written.
  """
  if jax.process_index():
    return
  now = datetime.datetime.now(datetime.UTC).strftime('%Y-%m-%d %H:%M UTC')
  text = render_card(
    workdir.name, config, command=training_command(), written=now, **facts
  )
  with atomic_write(workdir / paths.MODEL_CARD) as part:
    part.write_text(text, encoding='utf-8')


def render_card(
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
  floor: str = '',
) -> str:
  """Returns the text of a card, as Markdown.

  Args:
    name: name of the run.
    config: settings of the run.
    dataset: full name of the prepared dataset, with its version.
    classes: class names, in label order.
    params: number of trainable values of the network.
    step: step of the newest checkpoint.
    steps: steps of the whole run.
    command: command that trained it; '' if not known.
    written: date and time of the card.
    results: metrics by split, as `metrics.compute_metrics` returns them, with
      `intervals` where known; None before the first evaluation.
    floor: sentence on cheap classifiers on the test clips; '' if not known.
  """
  words = describe_config(config, params, code=_code)
  seed = words.pop('Seed')
  words['Pre-processing'] = _escape(words['Pre-processing'])
  commit, _, dirty = git_commit().partition('-')
  unfinished = '' if step == steps else f' of {steps:,}: training is not over'
  rows = {
    'Model': words.pop('Model'),
    'Dataset': f'{_escape(dataset)}, {len(classes)} classes',
    **words,
    'Seed': seed,
    'Step': f'{step:,}{unfinished}',
    'Device': describe_devices(),
    'Versions': f'unik_jax {unik_jax.__version__}, jax {jax.__version__}, flax'
    f' {flax.__version__}',
    'Commit': commit + (', with changes that are not committed' * bool(dirty)),
    'Written': written,
  }
  table = '\n'.join(f'| {row} | {value} |' for row, value in rows.items())
  if command:
    how = f'\n\n```\n{command}\n```\n\nconfig.json beside this file has every'
    how += ' setting.'
  else:
    how = ' `python -m unik_jax.main`\nwith the settings in config.json beside'
    how += ' this file.'
  return f"""# Model card: {_escape(name)}

Classifies skeleton sequences into {len(classes)} actions.

| | |
|---|---|
{table}

## Results

{_results(config, results, floor)}

## Reproduce

Check out the commit above of unik_jax, and run{how}

## Use

For clips like those of the dataset: the same kind of sensor or pose estimator,
and one of the same {len(classes)} actions in each. Predictions for other
actions, ages, viewpoints or cameras were not evaluated, and the probabilities
are not calibrated for them.

The dataset's licence may restrict this model, which was trained on it. Read
the licence before you use the model or pass it on.

Classes: {', '.join(map(_escape, classes))}.
"""


def _results(config, results, floor):
  if not results:
    return 'Not evaluated yet.'
  lines = [
    '| split | clips | top-1 | mean class | top-5 |',
    '|---|---|---|---|---|',
  ]
  for split, result in results.items():
    cells = [split.replace('_', ' '), f'{result["clips"]:,}']
    for name in ('top1', 'mean_class', 'top5'):
      cell = f'{100 * result[name]:.2f}%' if result['clips'] else '-'
      if interval := result.get('intervals', {}).get(name):
        low, high = (100 * value for value in interval)
        cell += f' ({low:.1f} to {high:.1f})'
      if name == config.headline:
        cell = f'**{cell}**'
      cells.append(cell)
    lines.append(f'| {" | ".join(cells)} |')
  if floor:
    lines += ['', f'{floor[0].upper()}{floor[1:]}.']
  text = '\n'.join(lines) + (
    '\n\nIn brackets: 95% intervals, by bootstrap over clips. They hold for'
    ' clips of the same people and cameras.'
  )
  if 'unseen' in results:
    seen = results['test']['clips'] - results['unseen']['clips']
    text += (
      f' Unseen: without the {seen:,} test clips that are also in training,'
      ' number for number.'
    )
  return text


def _escape(name):
  """Escapes a name for Markdown text and table cells."""
  name = ' '.join(str(name).split())
  for sign in '\\`*_[]<>|#&~':
    name = name.replace(sign, '\\' + sign)
  return name


def _code(text):
  """Formats a name as code in a table cell, where `|` ends the cell."""
  text = ' '.join(str(text).split()).replace('|', '\\|')
  return f'`` {text} ``' if '`' in text else f'`{text}`'
