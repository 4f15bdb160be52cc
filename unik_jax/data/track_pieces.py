"""Pieces of a person's track, joined across the IDs that a tracker gave them.

A tracker loses people and finds them again under other IDs. Each ID is a track,
which is one piece of a person.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

# After a longer gap it could be anybody, anywhere: two seconds at 30 fps.
MAX_GAP = 60
# The tracker may see one person twice for some frames, under the old and the
# new ID.
MAX_OVERLAP = 3

# Maps (bodies before, bodies after, frames between) to the distance of each
# step, and to the largest distance that one person can move in that time.
Measure = Callable[[np.ndarray, Any, np.ndarray], tuple[np.ndarray, np.ndarray]]


def join_tracks(
  tracks: Sequence[np.ndarray], frames: np.ndarray, measure: Measure
) -> list[np.ndarray]:
  """Joins tracks of one person.

  In order of their first frames, each track continues the nearest person who is
  absent in its frames, if it can be the same person: lost or found at most
  `MAX_GAP` away, and no further than `measure` allows. Both may be present in
  up to `MAX_OVERLAP` frames, if they coincide.

  Args:
    tracks: for each ID, in order of their first frames, the indices of its
      bodies in order of their frames, at most one per frame.
    frames: (K,) frame of each body, ascending.
    measure: see `Measure`. Both arguments are indices of bodies. With 0 frames
      between, the bodies are in one frame.

  Returns:
    For each person, the indices of the person's bodies, at most one per frame.
    If a frame has two, the body of the earlier ID stays.
  """
  persons = []
  owner = np.full(len(frames), -1)  # person of each body
  for track in tracks:
    # The last body of each person up to the track's start. Each person has one,
    # since tracks come in order of their starts.
    until = np.searchsorted(frames, frames[track[0]], 'right')
    owned = np.flatnonzero(owner[:until] >= 0)
    last = np.zeros(len(persons), int)
    last[owner[owned]] = owned  # of repeated indices, the latest value stays
    # A cheap test by the track's first body, then the full one.
    distances, limits = measure(last, track[0], frames[track[0]] - frames[last])
    near = np.flatnonzero(distances <= limits)
    distances = [_distance(persons[i], track, frames, measure) for i in near]
    if min(distances, default=np.inf) < np.inf:
      i = near[np.argmin(distances)]
      joined = np.concatenate([persons[i], track])
      persons[i] = joined[np.unique(frames[joined], return_index=True)[1]]
    else:
      i = len(persons)
      persons.append(track)
    owner[persons[i]] = i
  return persons


def _distance(person, track, frames, measure):
  """Returns the distance of a person to a track; inf if not the same person.

  Their frames may lie in each other's gaps. Each time that one follows the
  other, the step must be possible in the time between.
  """
  joined = np.concatenate([person, track])
  order = np.argsort(frames[joined], kind='stable')
  changes = np.flatnonzero(np.diff(order < len(person)))
  before, after = joined[order[changes]], joined[order[changes + 1]]
  gaps = frames[after] - frames[before]
  distances, limits = measure(before, after, gaps)
  is_one_person = (
    (distances <= limits).all()
    and gaps.min() <= MAX_GAP
    and (gaps == 0).sum() <= MAX_OVERLAP
  )
  return distances[gaps.argmin()] if is_one_person else np.inf
