"""Runs with random predictions, for tests of their fusion."""

import json

import numpy as np

from unik_jax.config import default_config
from unik_jax.run import paths, scores

CLASSES = [f'class {k}' for k in range(6)]


def make_scores(count=50, *, seed=0, right=1.0, prefix='clip', classes=CLASSES):
  """Returns random predictions; the label's logit is `right` higher.

  The label of clip i is i modulo the number of classes.
  """
  rng = np.random.default_rng(seed)
  labels = np.arange(count, dtype=np.int32) % len(classes)
  logits = rng.normal(size=(count, len(classes)))
  logits[np.arange(count), labels] += right
  return scores.Scores(
    np.array([f'{prefix} {i}' for i in range(count)]),
    labels,
    logits.astype(np.float32),
    np.array(classes),
  )


def shuffle_scores(ordered, seed=0):
  """Returns the same predictions with the clips in another order."""
  order = np.random.default_rng(seed).permutation(len(ordered.ids))
  return ordered._replace(
    ids=ordered.ids[order],
    labels=ordered.labels[order],
    logits=ordered.logits[order],
  )


def write_run(folder, test, val=None, *, headline='top1', **data):
  """Writes the files of a run that a fusion reads."""
  config = default_config()
  config.headline = headline
  config.data.update(**{'val_split': 'validation', **data})
  folder.mkdir()
  (folder / paths.CONFIG).write_text(json.dumps(config.to_dict()))
  scores.write_scores(paths.scores_path(folder, 'test'), test)
  if val is not None:
    scores.write_scores(paths.scores_path(folder, 'val'), val)
  return folder


def write_two_runs(tmp_path):
  """Writes a joint run and a bone run, with their clips in different orders."""
  return [
    write_run(
      tmp_path / stream,
      shuffle_scores(make_scores(seed=seed), seed),
      make_scores(40, seed=seed + 10, prefix='held out'),
      stream=stream,
    )
    for seed, stream in enumerate(('joint', 'bone'))
  ]


def read_run_scores(folder, split='test'):
  """Returns the stored predictions of a run."""
  return scores.read_scores(paths.scores_path(folder, split))
