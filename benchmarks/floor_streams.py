"""The floor of fused streams: python benchmarks/floor_streams.py RUN RUN ...

Each run is of one stream of the same clips. For each, MultiRocket is fitted to
that stream of the floor's clips, and the classifiers' distances are summed. One
run whose network makes its streams itself takes
--streams=joint,bone,joint_motion,bone_motion.

Prints their accuracy, that of the runs fused, and the difference with its 95%
interval, by a paired bootstrap over test clips: of unseen clips, if some test
clips are in training. Needs unik_jax[baseline] and the prepared dataset.
"""

import argparse
import pathlib

import numpy as np

from unik_jax import metrics
from unik_jax.data.splits import find_seen, open_split
from unik_jax.data.transform import Transform
from unik_jax.floor.measure import floor_config
from unik_jax.floor.series import read_series, score_clips, spread_rows
from unik_jax.models import rocket
from unik_jax.run.paths import scores_path
from unik_jax.run.restore import read_config
from unik_jax.run.score_fusion import fuse_logits
from unik_jax.run.scores import Scores, align_scores, read_scores


def main():
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('runs', nargs='+', type=pathlib.Path)
  parser.add_argument('--seeds', type=int, default=3, help='count from 0')
  parser.add_argument('--streams', help='default: those of the runs')
  args = parser.parse_args()
  configs = [read_config(run).data for run in args.runs]
  streams = [config.stream for config in configs]
  if args.streams:
    streams = args.streams.split(',')
  distances = []  # by stream and seed
  for stream in streams:
    by_seed = [
      fit_stream(configs[0], stream, seed) for seed in range(args.seeds)
    ]
    distances.append([scores.logits for scores in by_seed])
    floor = by_seed[0]
    report(f'MultiRocket, {stream}', floor, distances[-1])
  summed = np.sum(distances, axis=0)
  floor_hits = report('MultiRocket, fused', floor, summed)

  names = ['the floor', *map(str, args.runs)]
  runs = [read_scores(scores_path(run, 'test')) for run in args.runs]
  _, *runs = align_scores([floor, *runs], names)
  logits = fuse_logits(
    [run.logits for run in runs], [1 / len(runs)] * len(runs)
  )
  hits = report('runs, fused', floor, [logits])
  difference, interval = metrics.paired_difference(
    hits, floor_hits, floor.labels[~floor.seen]
  )
  low, high = 100 * np.array(interval)
  print(f'difference: {100 * difference:+.1f} [{low:.1f}, {high:.1f}]')


def fit_stream(config, stream, seed):
  """Returns the scores of MultiRocket on a stream; unseen clips are marked."""
  data = floor_config(config)
  data.stream = stream
  train, test = open_split(data, 'train'), open_split(data, 'test')
  transform = Transform(data, train=False)
  series = read_series(train, spread_rows(len(train)), transform)
  fitted = rocket.fit_rocket('multirocket', *series, data.num_classes, seed)
  labels, logits = score_clips(fitted, test, transform)
  seen = find_seen(data, test)
  return Scores(
    ids=np.array(test.ids()),
    labels=labels,
    logits=logits,
    classes=np.array(test.class_names),
    seen=np.zeros(len(labels), bool) if seen is None else seen,
  )


def report(name, scores, logits_by_seed):
  """Prints accuracies, and returns the share of seeds that hit, if unseen."""
  predicted = np.array([logits.argmax(1) for logits in logits_by_seed])
  hits = predicted == scores.labels
  unseen = hits[:, ~scores.seen]
  all_clips, new_clips = (100 * part.mean(1) for part in (hits, unseen))
  print(
    f'{name}: {all_clips.mean():.1f}% of {hits.shape[1]} clips,'
    f' {new_clips.mean():.1f}% of {unseen.shape[1]} unseen'
    f' ({", ".join(f"{value:.1f}" for value in new_clips)})',
    flush=True,
  )
  return unseen.mean(0)


if __name__ == '__main__':
  main()
