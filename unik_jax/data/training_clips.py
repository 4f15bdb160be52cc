"""What a run keeps of its training clips, to hold later inputs to it."""

from collections.abc import Iterator
from typing import NamedTuple

import ml_collections
import numpy as np

from unik_jax.data.clips import Records
from unik_jax.data.familiarity import (
  Familiarity,
  fit_familiarity,
  sample_bodies,
)
from unik_jax.data.transform import Transform
from unik_jax.skeletons.layouts import get_layout

_MAX_CLIPS = 1000  # enough for statistics, and read in seconds


class TrainingClips(NamedTuple):
  """A description of training clips.

  Attributes:
    image_sizes: the different (width, height) of the images, (0, 0) if unknown.
    familiarity: statistics of the bodies as the network sees them, None if
      there is none.
  """

  image_sizes: list[tuple[int, int]]
  familiarity: Familiarity | None


def describe_clips(
  clips: Records, config: ml_collections.ConfigDict
) -> TrainingClips:
  """Describes training clips, from a sample of at most 1000.

  Args:
    clips: records of the training split.
    config: the `data` part of a config.
  """
  transform = Transform(config, train=False)
  coordinates = config.channels - bool(config.confidence)
  sizes, subjects, bodies = set(), [], []
  for record in sample_records(clips):
    width, height = record['image_size']
    sizes.add((int(width), int(height)))
    subjects.append(int(record['subject']))
    clip = transform.standardize(record)[..., :coordinates]
    bodies.append(sample_bodies(clip))
  layout = get_layout(config.joints or config.layout)
  familiarity = fit_familiarity(bodies, subjects, layout)
  return TrainingClips(sorted(sizes), familiarity)


def sample_records(clips: Records) -> Iterator[dict]:
  """Yields records, evenly spaced, of at most 1000 clips."""
  count = min(len(clips), _MAX_CLIPS)
  for index in np.linspace(0, len(clips) - 1, count).round().astype(int):
    yield clips[int(index)]
