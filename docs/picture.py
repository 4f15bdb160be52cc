"""Draws docs/skeletons.png: python docs/picture.py (needs matplotlib)."""

import pathlib

import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402

from unik_jax.data import registry
from unik_jax.skeletons.layouts import get_layout

NAME = 'synthetic_skeletons/unik_17_2d'
ACTIONS = (
  'jumping_jack',
  'sit_down',
  'drink',
  'climb_ladder',
  'lunge',
  'backward_arm_circles',
)
MOMENTS = 4


def main():
  builder = registry.prepare_dataset(NAME)
  layout = get_layout(builder.info.metadata['layout'])
  labels = builder.info.features['label'].names
  # The first complete clip of each action.
  clips = {}
  for record in builder.as_data_source('train'):
    name = labels[record['label']]
    if name in ACTIONS and record['keypoints'].any(-1).all():
      clips.setdefault(name, record['keypoints'][0])
  _, axes = plt.subplots(2, 3, figsize=(10, 5))
  for axis, name in zip(axes.flat, ACTIONS, strict=True):
    clip = clips[name]
    middle = clip.mean((0, 1))
    where = np.linspace(0.1, 0.9, MOMENTS) * (len(clip) - 1)
    for i, t in enumerate(where.astype(int)):
      shifted = clip[t] - middle + [0.3 * i, 0]
      for child, parent in layout.bone_indices:
        axis.plot(
          *shifted[[child, parent]].T,
          color=plt.cm.viridis(0.9 * i / MOMENTS),
          linewidth=2,
          solid_capstyle='round',
        )
    axis.set_title(name.replace('_', ' '), fontsize=11)
    axis.set_aspect('equal')
    axis.set_ylim(0.5, -0.45)  # y points down in images
    axis.axis('off')
  plt.tight_layout(pad=0.3)
  plt.savefig(pathlib.Path(__file__).parent / 'skeletons.png', dpi=90)


if __name__ == '__main__':
  main()
