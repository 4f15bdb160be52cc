"""Folders of finished runs with random scores; nothing is trained."""

import json

import numpy as np

from unik_jax.config import default_config
from unik_jax.data.prepared_split import PreparedSplit
from unik_jax.run import paths
from unik_jax.run.scores import Scores, write_scores

CURVES = (
  '{"step": 3, "epoch": 1.5, "loss": 3.0, "top1": 0.25, "lr": 0.1}\n'
  '{"step": 4, "epoch": 2.0, "loss": 2.5, "top1": 0.5, "lr": 0.1}\n'
  '{"step": 4, "test/loss": 2.75, "test/top1": 0.375}\n'
)


def make_config(data_dir, num_classes=20, **data):
  """Returns a config on the prepared synthetic clips."""
  config = default_config()
  config.data.update(
    name='synthetic_skeletons/unik_17_2d',
    data_dir=str(data_dir),
    layout='unik_17',
    num_classes=num_classes,
    persons=1,
    channels=2,
    **data,
  )
  return config


def make_scores(data_dir, count=60):
  """Returns random scores of the first test clips, about half of them right."""
  split = PreparedSplit(make_config(data_dir).data, f'test[:{count}]')
  labels = np.array([split[i]['label'] for i in range(count)], np.int32)
  rng = np.random.default_rng(0)
  logits = rng.normal(size=(count, 20)).astype(np.float32)
  logits[np.arange(count), labels] += 1.8
  return Scores(
    np.array(split.ids()), labels, logits, np.array(split.class_names)
  )


def write_run(folder, scores, data_dir, **data):
  """Writes the folder of a finished run with these test scores."""
  config = make_config(data_dir, len(scores.classes), **data)
  folder.mkdir(parents=True, exist_ok=True)
  (folder / 'config.json').write_text(json.dumps(config.to_dict()))
  (folder / 'metrics.jsonl').write_text(CURVES)
  summary = {
    'headline': 'mean_class',
    'seed': 11,
    'device': '1 x abacus',
    'params': 1234567,
    'test': {'clips': len(scores.ids), 'loss': 0.0},
  }
  (folder / 'summary.json').write_text(json.dumps(summary))
  write_scores(paths.scores_path(folder, 'test'), scores)
  return folder
