"""Accuracy of a run on damaged clips, by damage and strength.

`measure_run(FOLDER)` damages the clips of the run's test split, evaluates the
run on them, and writes FOLDER/robustness.json:

  {
    "split": "test",       split of the clips
    "headline": "top1",    metric that the run quotes
    "clips": 480,
    "seed": 0,             of the damage
    "step": 900,           of the checkpoint
    "curves": {
      "joints": [
        {"strength": 0.0, "top1": 0.97, "mean_class": 0.97, "top5": 1.0},
        {"strength": 0.1, "top1": ..., "mean_class": ..., "top5": ...},
        ...
      ],
      "frames": [...], "noise": [...],
      "left_arm": [...], "right_arm": [...],
      "left_leg": [...], "right_leg": [...]
    }
  }

Accuracies are fractions. Each curve starts with strength 0.0, the undamaged
clips, and rises. `damage.DAMAGES` lists the curves in order and what a strength
means in each. A limb that the joint layout does not name has no curve.
"""

import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax

from unik_jax import evaluate, metrics
from unik_jax.data import loader
from unik_jax.data.clips import Records
from unik_jax.data.prepared_split import PreparedSplit
from unik_jax.errors import UserError
from unik_jax.report.damage import (
  DAMAGES,
  LIMBS,
  DamagedClips,
  check_damages,
)
from unik_jax.run import paths, restore
from unik_jax.runtime.json_files import write_json_table
from unik_jax.skeletons.body import limb_joints

# Strengths above 0 of each curve.
STRENGTHS = {
  'joints': (0.1, 0.2, 0.3, 0.5),
  'frames': (0.1, 0.3, 0.5, 0.7),
  'noise': (0.01, 0.02, 0.05, 0.1),
  **dict.fromkeys(LIMBS, (0.25, 0.5, 1.0)),
}


def measure_run(
  folder: str | os.PathLike,
  data_dir: str | os.PathLike | None = None,
  *,
  seed: int = 0,
  log: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
  """Measures a run on its test split and writes robustness.json.

  Args:
    folder: folder of the run, as for `restore.load_run`.
    data_dir: where prepared datasets are (default: as in the run's config).
    seed: seed of the damage.
    log: called with a line for each measured accuracy.

  Returns:
    The content of robustness.json; see the module's docstring.

  Raises:
    UserError: the run is missing, its dataset is not prepared, or the file
      cannot be written.
  """
  run = restore.load_run(folder, networks_only=False)
  data = run.config.data
  if data_dir:
    data.data_dir = os.fspath(data_dir)
  clips = PreparedSplit(data, data.test_split, data.test_subjects)
  table = measure_clips(run, clips, split=data.test_split, seed=seed, log=log)
  write_json_table(pathlib.Path(run.folder) / paths.ROBUSTNESS, table)
  return table


def measure_clips(
  run: restore.Run,
  clips: Records,
  *,
  split: str = 'test',
  seed: int = 0,
  strengths: Mapping[str, Sequence[float]] = STRENGTHS,
  log: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
  """Evaluates a run on damaged clips, once for each damage and strength.

  Args:
    run: from `restore.load_run`.
    clips: records by index, as `PreparedSplit`.
    split: split of the clips; only recorded.
    seed: seed of the damage.
    strengths: strengths above 0 by damage, a key of `DAMAGES`.
    log: called with a line for each measured accuracy.

  Returns:
    The content of robustness.json; see the module's docstring.

  Raises:
    UserError: there are no clips, or the damage is unknown.
  """
  if not len(clips):
    raise UserError(f'split {split!r}: expected clips to damage, got none')
  check_damages(list(strengths))
  data, headline = run.config.data, run.config.headline
  batch_size = min(run.config.eval_batch_size, len(clips))
  # One evaluator for all damages, so that it compiles once.
  evaluator = evaluate.make_evaluator(run.net)
  variables = jax.device_put((run.params, run.batch_stats))

  def evaluate_clips(name, strength, clips):
    batches = loader.eval_batches(clips, data, batch_size=batch_size)
    figures = metrics.compute_metrics(*evaluator(*variables, batches))
    log(f'{name} {strength:g}: {headline} {100 * figures[headline]:.2f}%')
    return {
      'strength': float(strength),
      **{key: figures[key] for key in metrics.HEADLINES},
    }

  undamaged = evaluate_clips('undamaged', 0, clips)
  curves = {}
  for name in DAMAGES:
    if name not in strengths:
      continue
    if name in LIMBS and not limb_joints(run.data_layout, name):
      continue
    curves[name] = [dict(undamaged)]
    for strength in sorted(set(strengths[name]) - {0}):
      damaged = DamagedClips(clips, data, run.data_layout, name, strength, seed)
      curves[name].append(evaluate_clips(name, strength, damaged))
  return {
    'split': split,
    'headline': headline,
    'clips': len(clips),
    'seed': seed,
    'step': run.step,
    'curves': curves,
  }
