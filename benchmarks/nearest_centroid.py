"""Accuracy from mean poses: python benchmarks/nearest_centroid.py NAME ...

Classifies each clip by its mean pose's nearest class centroid, as reports do
for their floor. A dataset that this solves needs no model of motion.
"""

import argparse

import numpy as np

from unik_jax.data import registry
from unik_jax.report import floor
from unik_jax.skeletons.layouts import get_layout


def main():
  parser = argparse.ArgumentParser(description=__doc__)
  default = ['synthetic_skeletons/unik_17_2d']
  parser.add_argument('names', nargs='*', default=default, help='datasets')
  for name in parser.parse_args().names:
    builder = registry.prepare_dataset(name)
    layout = get_layout(builder.info.metadata['layout'])
    channels = builder.info.features['keypoints'].shape[-1]
    coordinates = channels - bool(builder.info.metadata['confidence'])
    centroids = floor.average_classes(
      builder.as_data_source('train'), layout, coordinates
    )
    test = builder.as_data_source('test')
    poses = [floor.mean_pose(r['keypoints'], layout, coordinates) for r in test]
    labels = np.array([record['label'] for record in test])
    classes = builder.info.features['label'].num_classes
    logits = floor.classify_poses(np.stack(poses), centroids, classes)
    accuracy = (logits.argmax(1) == labels).mean()
    print(f'{name}: {100 * accuracy:.1f}% of {len(labels)} test clips')


if __name__ == '__main__':
  main()
