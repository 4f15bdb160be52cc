"""What a run keeps of its training clips, to hold later inputs to it."""

from collections.abc import Iterable, Iterator

import numpy as np

from unik_jax.data.clips import Records

_MAX_CLIPS = 1000  # enough for statistics, and read in seconds


def sample_records(clips: Records) -> Iterator[dict]:
  """Yields records, evenly spaced, of at most 1000 clips."""
  count = min(len(clips), _MAX_CLIPS)
  for index in np.linspace(0, len(clips) - 1, count).round().astype(int):
    yield clips[int(index)]


def list_image_sizes(records: Iterable[dict]) -> list[tuple[int, int]]:
  """Returns the different (width, height) of records, (0, 0) if unknown."""
  sizes = {tuple(record['image_size']) for record in records}
  return sorted((int(width), int(height)) for width, height in sizes)
