"""Draws docs/transfer.png and prints its figures as a table.

  python docs/transfer_picture.py runs/transfer

It needs matplotlib, and the runs that docs/results.md lists, in folders
VARIANT_SEED, such as finetune_0 and probe_one_subject_2. The last column of the
table is the gain over training from scratch, with its 95% interval by bootstrap
over clips.
"""

import json
import pathlib
import sys

import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402

from unik_jax import metrics
from unik_jax.run import paths, scores

STARTS = {
  'scratch': ('from scratch', '#9aa5b1'),
  'finetune': ('fine-tuned', '#2a6f97'),
  'probe': ('linear probe', '#e09f3e'),
}
SUBJECTS = {'': 'five subjects', '_one_subject': 'one subject'}


def read_runs(folder, start, subjects):
  """Reads the runs of one variant, one run per seed.

  Returns:
    Whether each clip is correct at the end (seeds, clips), the steps (S,),
    and top-1 accuracy (seeds, S).
  """
  hits, curves = [], []
  for run in sorted(folder.glob(f'{start}{subjects}_[0-9]')):
    last = scores.read_scores(paths.scores_path(run, 'test'))
    hits.append(metrics.top_k_hits(last.logits, last.labels, 1))
    lines = map(json.loads, (run / paths.METRICS).read_text().splitlines())
    lines = [line for line in lines if 'test/top1' in line]
    curves.append({line['step']: line['test/top1'] for line in lines})
  steps = sorted(set.intersection(*map(set, curves)))
  points = np.array([[curve[step] for step in steps] for curve in curves])
  return np.array(hits), np.array(steps), points


def main(folder):
  _, axes = plt.subplots(1, 2, figsize=(9, 3.4), sharey=True)
  for axis, (subjects, title) in zip(axes, SUBJECTS.items(), strict=True):
    scratch = None
    for start, (name, color) in STARTS.items():
      hits, steps, points = read_runs(folder, start, subjects)
      finals = 100 * hits.mean(1)
      scratch = hits if start == 'scratch' else scratch
      # Paired by clip; the seeds of a variant are averaged.
      gain = hits.mean(0) - scratch.mean(0)
      low, high = metrics.bootstrap_interval(gain, np.zeros(len(gain), int))
      print(
        f'{title:14} {name:13} {finals.mean():5.1f} ± {finals.std(ddof=1):.1f}'
        f'  ({", ".join(f"{value:.1f}" for value in finals)})'
        f'  {100 * gain.mean():+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]'
      )
      epochs = 30 * steps / steps[-1]
      axis.plot(epochs, 100 * points.mean(0), color=color, label=name)
      axis.fill_between(
        epochs,
        100 * points.min(0),
        100 * points.max(0),
        color=color,
        alpha=0.2,
        linewidth=0,
      )
    axis.set_title(f'MSR-Action3D, {title} to train on', fontsize=10)
    axis.set_xlabel('epoch')
    axis.spines[['top', 'right']].set_visible(False)
    axis.grid(axis='y', color='#e5e8eb')
  axes[0].set_ylabel('top-1 on 273 test clips, %')
  axes[0].set_ylim(0, 100)
  axes[1].legend(frameon=False, fontsize=9)
  plt.tight_layout()
  plt.savefig(pathlib.Path(__file__).parent / 'transfer.png', dpi=90)


if __name__ == '__main__':
  main(pathlib.Path(sys.argv[1]))
