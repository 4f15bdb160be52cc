"""Draws docs/skeletons.png; needs matplotlib.

python docs/picture.py
"""

import pathlib

import matplotlib

matplotlib.use('Agg')
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402

from unik_jax.data import registry
from unik_jax.skeletons.layouts import get_layout

DATASET = 'synthetic_skeletons/unik_17_2d'
ACTIONS = (
  'jumping_jack',
  'sit_down',
  'drink',
  'climb_ladder',
  'lunge',
  'backward_arm_circles',
)
MOMENTS = 4  # poses per action, side by side


def main():
  builder = registry.prepare_dataset(DATASET)
  layout = get_layout(builder.info.metadata['layout'])
  labels = builder.info.features['label'].names
  clips = {}  # the first clip of each action without missing joints
  for record in builder.as_data_source('train'):
    action = labels[record['label']]
    if action in ACTIONS and record['keypoints'].any(-1).all():
      clips.setdefault(action, record['keypoints'][0])
  _, axes = plt.subplots(2, 3, figsize=(10, 5))
  for axis, action in zip(axes.flat, ACTIONS, strict=True):
    clip = clips[action]
    middle = clip.mean((0, 1))
    frames = np.linspace(0.1, 0.9, MOMENTS) * (len(clip) - 1)
    for i, t in enumerate(frames.astype(int)):
      pose = clip[t] - middle + [0.3 * i, 0]
      for child, parent in layout.bone_indices:
        axis.plot(
          *pose[[child, parent]].T,
          color=plt.cm.viridis(0.9 * i / MOMENTS),
          linewidth=2,
          solid_capstyle='round',
        )
    axis.set_title(action.replace('_', ' '), fontsize=11)
    axis.set_aspect('equal')
    axis.set_ylim(0.5, -0.45)  # y points down in images
    axis.axis('off')
  plt.tight_layout(pad=0.3)
  plt.savefig(pathlib.Path(__file__).parent / 'skeletons.png', dpi=90)


if __name__ == '__main__':
  main()
