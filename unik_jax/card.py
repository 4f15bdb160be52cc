"""The model card: what a run's weights are, in one page for people."""

import datetime
import functools
import os
import pathlib
import subprocess
from collections.abc import Sequence
from typing import Any

import flax
import jax
from ml_collections import ConfigDict

import unik_jax
from unik_jax.config import default
from unik_jax.exporting import preprocessing

NAME = 'model_card.md'


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
    dirty = '-dirty' if git('status', '--porcelain', '-uno', '.') else ''
    return git('rev-parse', '--short=12', 'HEAD') + dirty
  except (OSError, subprocess.SubprocessError):
    return 'unknown'


def write(
  workdir: pathlib.Path,
  config: ConfigDict,
  *,
  dataset: str,
  classes: Sequence[str],
  params: int,
  step: int,
  steps: int,
  results: dict[str, Any] | None = None,
) -> None:
  """Writes model_card.md, all of it or nothing, on the first process.

  Args:
    workdir: of the run.
    config: its settings.
    dataset: full name of the prepared dataset, with its version.
    classes: names, in label order.
    params: how many trained values the network has.
    step: of the newest checkpoint.
    steps: of the whole run.
    results: figures of splits by name, as `metrics.summarize` makes them, with
      `intervals` where known; None while nothing is measured.

  Raises:
    OSError: it cannot be written.
  """
  if jax.process_index():
    return
  text = render(
    workdir,
    config,
    dataset=dataset,
    classes=classes,
    params=params,
    step=step,
    steps=steps,
    results=results,
  )
  part = workdir / (NAME + '.part')
  part.write_text(text)
  os.replace(part, workdir / NAME)


def render(
  workdir: pathlib.Path,
  config: ConfigDict,
  *,
  dataset: str,
  classes: Sequence[str],
  params: int,
  step: int,
  steps: int,
  results: dict[str, Any] | None = None,
) -> str:
  """The text; arguments as of `write`."""
  data = config.data
  device = f'{jax.device_count()} x {jax.devices()[0].device_kind}'
  start = f'`{config.init_from}`' if config.init_from else 'nothing'
  if config.init_from and config.tune == 'head':
    start += ', of which only the classifier was trained'
  done = '' if step == steps else f' of {steps:,}: training is not over'
  rows = {
    'Model': f'`{config.model.name}`, {params:,} parameters,'
    f' {_settings(config.model, default().model)}',
    'Dataset': f'{_text(dataset)}, {len(classes)} classes',
    'Trained on': _split(data.train_split, data.train_subjects),
    'Tested on': _split(data.test_split, data.test_subjects),
    'Stream': data.stream,
    'Pre-processing': '; '.join(map(_step, preprocessing(data))),
    'Recipe': f'{config.epochs} epochs in batches of {config.batch_size},'
    f' {_settings(config.optim)}',
    'Started from': start,
    'Seed': config.seed,
    'Step': f'{step:,}{done}',
    'Device': device,
    'Versions': f'unik_jax {unik_jax.__version__}, jax {jax.__version__}, flax'
    f' {flax.__version__}',
    'Commit': commit(),
    'Written': datetime.datetime.now(datetime.UTC).strftime(
      '%Y-%m-%d %H:%M UTC'
    ),
  }
  table = '\n'.join(f'| {name} | {value} |' for name, value in rows.items())
  return f"""# Model card: {_text(workdir.name)}

Tells {len(classes)} actions apart by the movement of skeletons.

| | |
|---|---|
{table}

## Figures

{_figures(config, results)}

## To make it again

Get commit {commit()} of unik_jax, and run `python -m unik_jax.main` with the
settings in config.json beside this file.

## Use

For clips like those of the dataset: the same kind of sensor or pose estimator,
and one of the same {len(classes)} actions in each. What it answers for other
actions, ages, viewpoints or cameras was not measured, and its probabilities are
not to be taken for those. The data is its authors', and their licence holds for
what is made of it.

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
    cells = [_text(split), f'{figures["clips"]:,}']
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


def _split(split, subjects):
  who = f', subjects {", ".join(map(str, subjects))}' if subjects else ''
  return f'`{split}`{who}'


def _settings(options, usual=None):
  """Settings in a line; of those with a usual value, the others alone."""
  told = [
    f'{key} {value}'
    for key, value in options.to_dict().items()
    if key != 'name' and (usual is None or value != usual[key])
  ]
  return ', '.join(told) or 'as usual'


def _step(step):
  rest = ', '.join(f'{k} {v}' for k, v in step.items() if k != 'step')
  return _text(f'{step["step"]} ({rest})' if rest else step['step'])


def _text(name):
  """A name in Markdown's cells and lines, where some signs mean things."""
  name = ' '.join(str(name).split())
  for sign in '\\`*_[]<>|#':
    name = name.replace(sign, '\\' + sign)
  return name
