"""Accuracy of actions enrolled from a few clips of classes new to a run.

  python benchmarks/enroll.py RUN [--dataset=NAME] [--data_dir=DIR]
    [--split=SPLIT] [--episodes=N] [--ways=N] [--queries=N] [--seed=N]

RUN was trained without some classes of a prepared dataset, by
`--config.data.classes`. The dataset and split are by default those that RUN was
tested on. The classes that RUN lacks are new to it. An episode draws five of
them and a few other clips of each (shots) to enroll, and up to `queries` clips
of each to recognise. As many clips of the other new classes test "none of
these": its score is the distance to the nearest mean, with five shots in units
of the action's limit. Prints, for 1 and 5 shots, accuracy and the AUROC of
"none of these", with 95% intervals of the mean over episodes. Episodes share
clips, so the intervals leave out how clips and classes were chosen.
"""

import argparse

import numpy as np
from scipy.stats import rankdata

import unik_jax
from unik_jax.data.prepared_split import PreparedSplit, open_dataset
from unik_jax.predictor.nearest_mean import fit_means

SHOTS = (1, 5)


def compute_features(model, options):
  """Returns features (N, D) and class names (N,) of clips new to the model."""
  data = model.run.config.data.copy_and_resolve_references()
  data.name = options.dataset or data.name
  data.data_dir = options.data_dir or data.data_dir
  names = open_dataset(data).info.features['label'].names
  data.classes = tuple(n for n in names if n not in model.classes)
  data.num_classes = len(data.classes)
  split = PreparedSplit(data, options.split or data.test_split)
  layout = split.info.metadata['layout']
  units = split.info.metadata['units']
  records = [
    {**split[n], 'units': units, 'clip': n, 'person': None}
    for n in range(len(split))
  ]
  predictions = model.predict_records(records, layout=layout)
  labels = np.array([data.classes[record['label']] for record in records])
  return np.stack([p.features for p in predictions]), labels


def run_episode(features, labels, rng, *, ways, shots, queries):
  """Returns an episode's accuracy and the AUROC of "none of these"."""
  classes = rng.permutation(np.unique(labels))
  support, known = [], []
  for name in classes[:ways]:
    rows = rng.permutation(np.flatnonzero(labels == name))
    support.append(rows[:shots])
    known.append(rows[shots : shots + queries])
  support, known = np.concatenate(support), np.concatenate(known)
  others = np.flatnonzero(np.isin(labels, classes[ways:]))
  others = rng.permutation(others)[: len(known)]
  # A single clip has no distance to others, so its action has no limit.
  repeated = np.tile(support, 2) if shots == 1 else support
  fitted = fit_means(labels[repeated], features[repeated])
  rows = np.concatenate([known, others])
  distances = np.linalg.norm(features[rows, None] - fitted.means, axis=-1)
  nearest = distances.argmin(1)
  score = distances.min(1)
  if shots > 1:
    score = score / fitted.limits[nearest]
  correct = np.array(fitted.labels)[nearest] == labels[rows]
  return correct[: len(known)].mean(), auroc(score, len(others))


def auroc(scores, positives):
  """Returns how often a positive has a higher score than a negative.

  Args:
    scores: of the negatives, then of the positives.
    positives: number of positives.
  """
  negatives = len(scores) - positives
  ranks = rankdata(scores)[negatives:]
  lowest = positives * (positives + 1) / 2
  return (ranks.sum() - lowest) / (positives * negatives)


def main():
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('run', help='folder of a run')
  parser.add_argument('--dataset', help='name of a prepared dataset')
  parser.add_argument('--data_dir', help='folder of prepared datasets')
  parser.add_argument('--split', help='TFDS split (default: test)')
  parser.add_argument('--episodes', type=int, default=600)
  parser.add_argument('--ways', type=int, default=5)
  parser.add_argument('--queries', type=int, default=10)
  parser.add_argument('--seed', type=int, default=0)
  options = parser.parse_args()
  features, labels = compute_features(unik_jax.load(options.run), options)
  classes, counts = np.unique(labels, return_counts=True)
  if len(classes) <= options.ways or counts.min() <= max(SHOTS):
    parser.error(
      f'expected more than {options.ways} new classes with more than'
      f' {max(SHOTS)} clips each, got'
      f' {dict(zip(classes.tolist(), counts.tolist(), strict=True))}'
    )
  print(f'{len(labels)} clips of {len(classes)} classes new to the run')
  for shots in SHOTS:
    rng = np.random.default_rng(options.seed)
    results = np.array(
      [
        run_episode(
          features,
          labels,
          rng,
          ways=options.ways,
          shots=shots,
          queries=options.queries,
        )
        for _ in range(options.episodes)
      ]
    )
    mean = results.mean(0)
    margin = 1.96 * results.std(0, ddof=1) / options.episodes**0.5
    print(
      f'{options.ways}-way, {shots} shots, {options.episodes} episodes:'
      f' accuracy {mean[0]:.1%} ± {margin[0]:.1%},'
      f' AUROC of "none of these" {mean[1]:.3f} ± {margin[1]:.3f}'
    )


if __name__ == '__main__':
  main()
