"""Shared by tests: from test_ntu."""

from helpers.fixtures import (
  ANN,
  make_frames,
  skeleton_text,
)

from unik_jax.data.formats import ntu


def parse(frames):
  return ntu.parse_bodies(skeleton_text(frames).encode(), 'clip')


def with_value(text, joint=5, axis=1):
  """A frame of one body, with another text for one coordinate."""
  lines = skeleton_text(make_frames([[ANN]])).splitlines()
  values = lines[4 + joint].split()
  values[axis] = text
  lines[4 + joint] = ' '.join(values)
  return '\n'.join(lines).encode()


# Lines of WHOLE: 1 frames; 2 bodies; 3 ID, 4 joints, 5-29 of frame 0; 30
# bodies; 31-57 and 58-84 of frame 1; 85 of frame 2; 86, 87-113 and 114-140.
WHOLE = skeleton_text(make_frames())


LINES = WHOLE.splitlines()


def altered(*changes):
  """WHOLE with lines, from 1, replaced by others; None leaves one out."""
  lines = dict(enumerate(LINES, 1)) | dict(changes)
  return '\n'.join(text for text in lines.values() if text is not None)
