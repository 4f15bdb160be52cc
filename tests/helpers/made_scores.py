"""Made-up answers of runs, for tests of what fuses them."""

import json

import numpy as np

from unik_jax.config import default
from unik_jax.run import scores

CLASSES = [f'class {k}' for k in range(6)]


def softmax(logits):
  powers = np.exp(np.float64(logits))
  return powers / powers.sum(-1, keepdims=True)


def make_scores(count=50, *, seed=0, right=1.0, prefix='clip', classes=CLASSES):
  """Answers that are the better the larger `right` is; labels by the id."""
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


def shuffled(answers, seed=0):
  order = np.random.default_rng(seed).permutation(len(answers.ids))
  return answers._replace(
    ids=answers.ids[order],
    labels=answers.labels[order],
    logits=answers.logits[order],
  )


def write_run(folder, test, val=None, *, headline='top1', **data):
  """A folder with what fusing reads of a run."""
  config = default()
  config.headline = headline
  config.data.update(**{'val_split': 'validation', **data})
  folder.mkdir()
  (folder / 'config.json').write_text(json.dumps(config.to_dict()))
  scores.write_scores(folder / 'scores' / 'test.npz', test)
  if val is not None:
    scores.write_scores(folder / 'scores' / 'val.npz', val)
  return folder


def write_two(tmp_path):
  """A joint run and a bone run, the clips of the latter in another order."""
  return [
    write_run(
      tmp_path / stream,
      shuffled(make_scores(seed=seed), seed),
      make_scores(40, seed=seed + 10, prefix='held out'),
      stream=stream,
    )
    for seed, stream in enumerate(('joint', 'bone'))
  ]


def answers_of(folder, part='test'):
  return scores.read_scores(folder / 'scores' / f'{part}.npz')
