"""Persons of NTU RGB+D: the tracker's bodies joined to tracks, noise dropped.

The Kinect's tracker loses people and finds them again under other bodyIDs. It
also sees people in tables and seats, or in nothing. `track_by_body` first joins
the IDs of one person, so that a short piece of a track is not taken for noise.
Then it drops some tracks by the rules of pyskl's script
(tools/data/ntu_preproc.py of https://github.com/kennymckormick/pyskl).
`track_by_slot` takes the bodies as 2s-AGCN's and UNIK's scripts do.

Constants without a source are our own, for Kinect v2 (30 frames a second,
metres).
"""

import numpy as np

from unik_jax.data.energy import motion_energy, sort_by_energy
from unik_jax.data.formats.ntu_text import JOINTS, Bodies
from unik_jax.data.track_pieces import join_tracks
from unik_jax.skeletons.layouts import get_layout

_SLOTS = 4  # bodies of a frame that the published scripts have room for

FPS = 30
# A track's centre (its mean joint) may jump this far when the tracker loses the
# body and fits it anew: half a body's width, or a limb or two.
JOIN_DISTANCE = 0.5
# Meanwhile the person walks on, at 1 m/s as people do in a room.
JOIN_SPEED = 1.0
# Two bodies of one person in a frame coincide. Centres of two people are
# further apart, even when they hug.
OVERLAP_DISTANCE = 0.2
# Metres, mean of a body's 24 bones: about 0.19 for an adult, and less than
# twice that for the tallest person.
MAX_MEAN_BONE = 0.4
# pyskl drops a track of this many frames or fewer ...
MAX_NOISE_FRAMES = 11
# ... and one that is wider than WIDE times its height in more than this share
# of its frames.
WIDE = 0.8
MAX_WIDE_SHARE = 0.69754


def track_by_slot(bodies: Bodies) -> np.ndarray:
  """Returns the two most active persons, as the published scripts find them.

  A person is a place in the frame: the first body of each frame makes the first
  of four persons, and so on, regardless of bodyIDs.

  Returns:
    (2, T, 25, 3) float32, highest motion energy first; zeros where absent.
  """
  clip = np.zeros((_SLOTS, bodies.num_frames, JOINTS, 3), np.float32)
  is_kept = bodies.slots < _SLOTS
  slots, frames = bodies.slots[is_kept], bodies.frames[is_kept]
  clip[slots, frames] = bodies.joints[is_kept]
  return sort_by_energy(clip)[:2]


def track_by_body(bodies: Bodies) -> np.ndarray:
  """Returns the two most active persons, tracked by bodyID.

  Steps:

  1. A bodyID is a track, in any slot. If a frame has an ID twice, the first
     body counts. IDs with bones too long for a person are dropped
     (`MAX_MEAN_BONE`).
  2. IDs of one person are joined (`track_pieces.join_tracks`), if they are no
     further apart than one gets in the time between (`JOIN_DISTANCE`,
     `JOIN_SPEED`).
  3. Persons of `MAX_NOISE_FRAMES` or fewer are dropped, then those who are too
     wide for their height, such as tables and seats. Both are pyskl's rules.
  4. The two of highest motion energy are kept.

  No step drops the last person: if none passes, all stay. Two errors go
  unnoticed: IDs that two people exchange as they cross, and noise of a person's
  size near to where somebody was lost, which continues that person.

  Returns:
    (2, T, 25, 3) float32, highest motion energy first; zeros where absent.
  """
  clip = np.zeros((2, bodies.num_frames, JOINTS, 3), np.float32)
  frames, joints = bodies.frames, bodies.joints
  persons = find_persons(frames, bodies.ids, joints)
  for person, indices in zip(clip, persons, strict=False):
    person[frames[indices]] = joints[indices]
  return clip


def find_persons(
  frames: np.ndarray, ids: np.ndarray, joints: np.ndarray
) -> list[np.ndarray]:
  """Groups bodies to persons; see `track_by_body`.

  Args:
    frames: (K,) frame of each body, ascending.
    ids: (K,) bodyID of each body, numbered in order of first occurrence.
    joints: (K, 25, 3) metres.

  Returns:
    For each person, highest motion energy first, the indices of the person's
    bodies in these arrays, at most one per frame.
  """
  if not len(frames):
    return []
  # The first body of each ID in each frame, sorted by ID, then by frame.
  bodies = np.unique(ids * (frames[-1] + 1) + frames, return_index=True)[1]
  tracks = np.split(bodies, np.flatnonzero(np.diff(ids[bodies])) + 1)
  if len(tracks) == 1:
    return tracks

  # (joints, 3, K): numpy reduces fastest with the longest axis last.
  points = joints.transpose(1, 2, 0).astype(np.float64, order='C')
  child, parent = np.transpose(get_layout('ntu_25').bone_indices)
  bones = np.linalg.norm(points[child] - points[parent], axis=1).mean(0)
  tracks = _select_tracks(
    tracks, lambda t: np.median(bones[t]) <= MAX_MEAN_BONE
  )
  persons = join_tracks(tracks, frames, _measure_steps(points.mean(0).T))

  width, height, _ = np.ptp(points, axis=0)
  is_wide = width > WIDE * height
  persons = _select_tracks(persons, lambda p: len(p) > MAX_NOISE_FRAMES)
  persons = _select_tracks(
    persons, lambda p: is_wide[p].mean() <= MAX_WIDE_SHARE
  )
  return sorted(persons, key=lambda p: -motion_energy(joints[None, p])[0])


def _select_tracks(tracks, is_person):
  """Returns the tracks that pass a test; all of them if none passes."""
  return [track for track in tracks if is_person(track)] or tracks


def _measure_steps(centers):
  """Returns a `track_pieces.Measure` of metres between the bodies' centres."""

  def measure(before, after, gaps):
    distances = np.linalg.norm(centers[after] - centers[before], axis=-1)
    reach = JOIN_DISTANCE + JOIN_SPEED / FPS * gaps
    return distances, np.where(gaps == 0, OVERLAP_DISTANCE, reach)

  return measure
