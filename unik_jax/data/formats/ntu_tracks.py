"""Who is who in NTU RGB+D: bodyIDs joined to persons, what is none left out.

The tracker loses people and finds them again under other IDs, and it sees
people in tables and seats, or in nothing at all. Here IDs are put together
first, so that a piece of a person is not taken for noise; of the persons that
this makes, some are dropped by the rules that pyskl prepares its files with.

The constants without a source are ours, for Kinect v2: 30 frames a second,
metres.
"""

import numpy as np

from unik_jax.data.energy import motion_energy
from unik_jax.skeletons.layouts import get_layout

FPS = 30
# The mean joint of one body may jump so far from one frame to the next as the
# tracker loses it and fits it anew: half a body's width or a limb or two.
JOIN_DISTANCE = 0.5
# And meanwhile the person walks on: at 1 m/s, as people do in a room.
JOIN_SPEED = 1.0
# After this time it could be anybody, anywhere in the room.
JOIN_FRAMES = 2 * FPS
# For some frames the tracker may see one person twice, under the old and the
# new ID. Two people's mean joints are further apart, even when they hug.
OVERLAP_FRAMES = 3
OVERLAP_DISTANCE = 0.2
# Metres, in the mean of a body's 24 bones. It is about 0.19 for an adult, and
# even a giant has no more than twice that.
LONGEST_BONES = 0.4
# pyskl's: a person is there in more frames than this,
SHORTEST = 11
# and not in more than this share of them wider than so many times the height.
WIDE = 0.8
WIDE_SHARE = 0.69754


def find_persons(
  frames: np.ndarray, ids: np.ndarray, joints: np.ndarray
) -> list[np.ndarray]:
  """The bodies that make up each person; see `ntu.track_by_body`.

  Args:
    frames: (K,) the frame that a body is in, ascending.
    ids: (K,) its bodyID, numbered as they first occur.
    joints: (K, 25, 3) metres.

  Returns:
    For each person, the one of most energy first, the places of the bodies in
    those arrays, one for each frame that the person is in.
  """
  if not len(frames):
    return []
  # The first body of each frame, for each ID.
  bodies = np.unique(ids * (frames[-1] + 1) + frames, return_index=True)[1]
  tracks = np.split(bodies, np.flatnonzero(np.diff(ids[bodies])) + 1)
  if len(tracks) == 1:
    return tracks

  # Bodies last, which numpy is quickest with.
  places = joints.transpose(1, 2, 0).astype(np.float64, order='C')
  child, parent = np.transpose(get_layout('ntu_25').bone_indices)
  bones = np.linalg.norm(places[child] - places[parent], axis=1).mean(0)
  tracks = _which(tracks, lambda t: np.median(bones[t]) <= LONGEST_BONES)
  persons = _join(tracks, frames, places.mean(0).T)

  width, height, _ = np.ptp(places, axis=0)
  is_wide = width > WIDE * height
  persons = _which(persons, lambda p: len(p) > SHORTEST)
  persons = _which(persons, lambda p: is_wide[p].mean() <= WIDE_SHARE)
  return sorted(persons, key=lambda p: -motion_energy(joints[None, p])[0])


def _which(tracks, is_person):
  """Those that are; all, where none is: a clip keeps somebody."""
  return [track for track in tracks if is_person(track)] or tracks


def _join(tracks, frames, centres):
  """Puts together the tracks, in the order they start, that are one person."""
  persons = []
  owner = np.full(len(frames), -1)  # the person of each body
  for track in tracks:
    # Where each person was last until then: all have started.
    until = np.searchsorted(frames, frames[track[0]], 'right')
    known = np.flatnonzero(owner[:until] >= 0)
    last = np.zeros(len(persons), int)
    last[owner[known]] = known  # the latest stays
    near = np.flatnonzero(_steps(last, track[0], frames, centres)[2])
    ways = [_way(persons[i], track, frames, centres) for i in near]
    if min(ways, default=np.inf) < np.inf:
      i = near[np.argmin(ways)]
      both = np.concatenate([persons[i], track])
      # Of two bodies in a frame, the one of the ID that was there before.
      persons[i] = both[np.unique(frames[both], return_index=True)[1]]
    else:
      i = len(persons)
      persons.append(track)
    owner[persons[i]] = i
  return persons


def _way(person, track, frames, centres):
  """How far it is from one to the other; infinite if they cannot be one.

  Their frames may lie in each other's gaps: each time that the one follows
  the other, the way must be one that can be gone meanwhile.
  """
  both = np.concatenate([person, track])
  order = np.argsort(frames[both], kind='stable')
  changes = np.flatnonzero(np.diff(order < len(person)))
  before, after = both[order[changes]], both[order[changes + 1]]
  gaps, ways, can_be = _steps(before, after, frames, centres)
  is_one = (
    can_be.all()
    and gaps.min() <= JOIN_FRAMES
    and (gaps == 0).sum() <= OVERLAP_FRAMES
  )
  return ways[gaps.argmin()] if is_one else np.inf


def _steps(before, after, frames, centres):
  """Frames and metres between bodies, and whether one gets there in time."""
  gaps = frames[after] - frames[before]
  ways = np.linalg.norm(centres[after] - centres[before], axis=-1)
  far = JOIN_DISTANCE + JOIN_SPEED / FPS * gaps
  return gaps, ways, ways <= np.where(gaps == 0, OVERLAP_DISTANCE, far)
