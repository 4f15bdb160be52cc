"""Plans of the runs for a table of configs/tables.py, and finished runs."""

import json
import pathlib

from unik_jax.run.scores import write_scores
from unik_jax.tables import plan

ROOT = pathlib.Path(__file__).parents[2]
CONFIGS = str(ROOT / 'configs' / 'tables.py')


def make_plan(
  table='1', dataset='msr_action3d', seeds=2, folder='runs', **options
):
  folder = pathlib.Path(folder)
  options.setdefault('repetitions', plan.list_seeds(seeds))
  return plan.make_plan(
    table, dataset, folder=folder, configs=CONFIGS, **options
  )


def write_run(training, scores, seconds=6.0):
  """Writes a finished run with these test scores; nothing is trained."""
  folder = training.folder
  (folder / 'scores').mkdir(parents=True)
  write_scores(folder / 'scores' / 'test.npz', scores)
  results = {'device': '1 x chip', 'commit': 'abc'}
  (folder / 'summary.json').write_text(json.dumps(results))
  (folder / 'config.json').write_text(json.dumps(training.config.to_dict()))
  batch = training.config.batch_size
  lines = [
    {'step': 10, 'lr': 0.1},  # no speed: the step was compiled
    {'step': 30, 'lr': 0.1, 'clips_per_s': 30 * batch / seconds},
    {'step': 30, 'test/top1': 0.5},
  ]
  text = '\n'.join(map(json.dumps, lines))
  (folder / 'metrics.jsonl').write_text(text + '\n')
