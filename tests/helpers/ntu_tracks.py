"""A person as a Kinect sees one, and tracks of persons."""

import numpy as np

# A person in metres, upright and seen from the front, with the spine's base at
# 0: 0.54 wide and 1.6 high.
STANDING = np.zeros((25, 3))
STANDING[[1, 20, 2, 3], 1] = 0.3, 0.5, 0.55, 0.7
ARM = (0.18, 0.5), (0.25, 0.25), (0.27, 0), (0.27, -0.08)
LEG = (0.08, -0.02), (0.1, -0.45), (0.1, -0.85), (0.1, -0.9)
HAND = (0.27, -0.15), (0.25, -0.08)
for _first, _limb in ((4, ARM), (12, LEG), (21, HAND)):
  _other = _first + (2 if _limb is HAND else 4)
  STANDING[_first : _first + len(_limb), :2] = _limb
  STANDING[_other : _other + len(_limb), :2] = np.multiply(_limb, [-1, 1])


def make_track(joints, at, num_frames):
  """Returns (T, 25, 3) float32 with poses in some frames."""
  clip = np.zeros((num_frames, 25, 3), np.float32)
  clip[list(at)] = joints
  return clip


def energy(person):
  """Returns the motion energy of a track, axis by axis."""
  seen = np.float64(person[person.any((1, 2))])
  return sum(seen[..., axis].std() for axis in range(3)) if len(seen) else 0
