"""Accuracy from mean poses: python benchmarks/nearest_centroid.py NAME ...

Classifies each clip by its mean pose's nearest class centroid. A dataset that
this solves needs no model of motion. Missing joints (all zeros) do not count
in a clip's mean.
"""

import argparse

import numpy as np

from unik_jax.data import registry
from unik_jax.data.normalize import center_first
from unik_jax.skeletons.layouts import get_layout


def mean_poses(builder, split):
  """Returns the first person's mean centred pose (N, V, C), and labels (N,)."""
  layout = get_layout(builder.info.metadata['layout'])
  poses, labels = [], []
  for record in builder.as_data_source(split):
    seen = record['keypoints'][0].any(-1, keepdims=True)
    clip = center_first(record['keypoints'], layout, record['image_size'])[0]
    poses.append(clip.sum(0) / np.maximum(seen.sum(0), 1))
    labels.append(record['label'])
  return np.stack(poses), np.array(labels)


def main():
  parser = argparse.ArgumentParser(description=__doc__)
  default = ['synthetic_skeletons/unik_17_2d']
  parser.add_argument('names', nargs='*', default=default, help='datasets')
  for name in parser.parse_args().names:
    builder = registry.prepare_dataset(name)
    poses, labels = mean_poses(builder, 'train')
    centroids = np.stack(
      [poses[labels == k].mean(0) for k in range(max(labels) + 1)]
    )
    poses, labels = mean_poses(builder, 'test')
    distances = ((poses[:, None] - centroids) ** 2).sum((2, 3))
    accuracy = (distances.argmin(1) == labels).mean()
    print(f'{name}: {100 * accuracy:.1f}% of {len(labels)} test clips')


if __name__ == '__main__':
  main()
