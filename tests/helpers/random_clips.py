"""Random records and configs for them."""

import numpy as np

from unik_jax.config import default_config

RANDOM = {
  'sampling': 'uniform',
  'random_move': True,
  'rotate': 0.3,
  'rescale': (0.9, 1.1),
}


def make_records(count, *, persons=1, frames=(3, 9), channels=4):
  """Records in the layout msr_20. The label is the index of the record."""
  rng = np.random.default_rng(0)
  return [
    {
      'keypoints': rng.standard_normal(
        (persons, int(rng.integers(*frames)), 20, channels)
      ).astype(np.float32),
      'label': label,
      'subject': label % 3,
      'image_size': np.zeros(2, np.int32),
      'id': b'clip',
    }
    for label in range(count)
  ]


def make_config(**settings):
  """Returns a `data` config for such records."""
  data = default_config().data
  data.update(layout='msr_20', num_classes=20, persons=1, frames=6, threads=1)
  data.update(**settings)
  return data
