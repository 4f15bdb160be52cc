"""Texts in NTU RGB+D's .skeleton format, right and wrong."""

import numpy as np

from unik_jax.data.formats import ntu_text

# bodyIDs of three persons.
ANN, BEN, CAT = 72057594037927760, 72057594037927761, 72057594037927762


def make_kinect_pose(rng, at=(0.0, 0.0, 3.0)):
  """Returns (25, 3) metres with seven decimals, as in the files."""
  return (np.asarray(at) + rng.normal(scale=0.3, size=(25, 3))).round(7)


def make_frames(ids=((ANN,), (ANN, BEN), (), (BEN, ANN)), seed=0):
  """Returns frames, each a list of (bodyID, pose).

  Args:
    ids: bodyIDs in each frame. Ann is on the left, Ben and Cat to the right.
    seed: of the random poses.
  """
  rng = np.random.default_rng(seed)
  return [
    [(body, make_kinect_pose(rng, at=(body - ANN, 0, 3))) for body in bodies]
    for bodies in ids
  ]


def skeleton_text(frames, newline='\n'):
  """Returns the text that the tracker writes for frames."""
  lines = [str(len(frames))]
  for bodies in frames:
    lines.append(str(len(bodies)))
    for body_id, pose in bodies:
      lines += [f'{body_id} 0 1 1 1 1 0 -0.100419 -0.102671 2', '25']
      lines += [
        ' '.join(str(v) for v in joint)
        + ' 225.6643 207.2052 1002.657 528.821 0.1 -0.2 0.3 0.9 2'
        for joint in pose
      ]
  return newline.join([*lines, ''])


def parse_frames(frames):
  """Parses the text that the tracker writes for frames."""
  return ntu_text.parse_bodies(skeleton_text(frames).encode(), 'clip')


# Line 1: frames. 2: bodies; 3 ID, 4 joints, 5-29 of frame 0. 30: bodies; 31-57
# and 58-84 of frame 1. 85: bodies of frame 2. 86: bodies; 87-113 and 114-140 of
# frame 3.
TEXT = skeleton_text(make_frames())
LINES = TEXT.splitlines()


def replace_lines(*changes):
  """Returns TEXT with some lines replaced.

  Args:
    *changes: (line number from 1, new text); None removes the line.
  """
  lines = dict(enumerate(LINES, 1)) | dict(changes)
  return '\n'.join(text for text in lines.values() if text is not None)


def text_with_coordinate(value, joint=5, axis=1):
  """Returns bytes of a one-body frame, with another text for one coordinate."""
  lines = skeleton_text(make_frames([[ANN]])).splitlines()
  values = lines[4 + joint].split()
  values[axis] = value
  lines[4 + joint] = ' '.join(values)
  return '\n'.join(lines).encode()
