"""Draws docs/few.png: accuracy by training clips of each class.

  python docs/few_picture.py runs/tables

It needs matplotlib, and the results of `python -m unik_jax.tables few` for one
or more datasets, FOLDER/DATASET/few.csv.
"""

import csv
import pathlib
import sys

import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import NullFormatter  # noqa: E402

TITLES = {
  'msr_action3d': 'MSR-Action3D',
  'nw_ucla': 'NW-UCLA, unseen clips',
  'utd_mhad': 'UTD-MHAD',
  'sbu': 'SBU, five folds',
  'penn_13': 'Penn Action, 13 joints',
}
FLOOR = {
  'nearest': '#9aa5b1',
  'minirocket': '#e09f3e',
  'multirocket': '#bc4b51',
}
NETWORKS = ('#2a6f97', '#5b8e7d', '#6d597a', '#355070', '#8cb369', '#333333')


def read_curves(path):
  """Maps each row to its label, clips, means, lowest and highest draws."""
  curves = {}
  with path.open(encoding='utf-8') as file:
    for line in csv.DictReader(file):
      draws = [float(x) for x in line['by_draw'].split()]
      point = (float(line['clips_per_class']), float(line['mean']))
      label, points = curves.setdefault(line['row'], (line['label'], []))
      points.append((*point, min(draws), max(draws)))
  return {
    row: (label, list(zip(*points, strict=True)))
    for row, (label, points) in curves.items()
  }


def main(folder):
  files = {name: folder / name / 'few.csv' for name in TITLES}
  files = {name: path for name, path in files.items() if path.exists()}
  if not files:
    sys.exit(f'error: {folder}: expected NAME/few.csv, got none')
  columns = min(2, len(files))
  rows = -(-len(files) // columns)
  figure, axes = plt.subplots(
    rows, columns, figsize=(4.5 * columns, 3.2 * rows), squeeze=False
  )
  colors, lines = dict(FLOOR), {}
  for axis in axes.flat[len(files) :]:
    axis.axis('off')
  for axis, (name, path) in zip(axes.flat, files.items(), strict=False):
    ticks = set()
    for row, (label, points) in read_curves(path).items():
      networks = len(colors) - len(FLOOR)
      color = colors.setdefault(row, NETWORKS[networks % len(NETWORKS)])
      clips, means, low, high = points
      style = '--' if row in FLOOR else '-'
      (line,) = axis.plot(clips, means, style, color=color, marker='o', ms=3)
      axis.fill_between(clips, low, high, color=color, alpha=0.2, linewidth=0)
      lines.setdefault(label, line)
      ticks.update(clips)
    axis.set_xscale('log')
    axis.set_xticks(sorted(ticks), [f'{x:.0f}' for x in sorted(ticks)])
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.tick_params(axis='x', which='minor', length=0)
    axis.set_title(TITLES[name], fontsize=10)
    axis.set_xlabel('training clips of each class', fontsize=9)
    axis.set_ylim(0, 100)
    axis.spines[['top', 'right']].set_visible(False)
    axis.grid(axis='y', color='#e5e8eb')
  for axis in axes[:, 0]:
    axis.set_ylabel('accuracy, %')
  figure.legend(
    lines.values(), lines, loc='lower center', ncol=4, frameon=False, fontsize=9
  )
  plt.tight_layout(rect=(0, 0.06, 1, 1))
  plt.savefig(pathlib.Path(__file__).parent / 'few.png', dpi=90)


if __name__ == '__main__':
  main(pathlib.Path(sys.argv[1]))
