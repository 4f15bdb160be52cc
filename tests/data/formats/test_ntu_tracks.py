"""NTU RGB+D's persons, tracked by ID or by slot."""

import itertools

import numpy as np
import pytest
from helpers.golden_files import NTU_FILES
from helpers.ntu import ANN, BEN, CAT, parse_frames
from helpers.ntu_tracks import STANDING, energy, make_track

from unik_jax.data.formats import ntu_text, ntu_tracks


def make_scene(*persons, num_frames=10, scale=1.0):
  """Returns the frames and the tracks of persons.

  Args:
    *persons: each ({frame: bodyID}, place in metres). The first moves most.
    num_frames: T.
    scale: of their bodies.
  """
  rng = np.random.default_rng(1)
  frames = [[] for _ in range(num_frames)]
  tracks = []
  for i, (ids, place) in enumerate(persons):
    poses = {
      t: np.round(
        (STANDING + rng.normal(scale=0.02, size=(25, 3))) * scale / (i + 1)
        + place,
        7,
      )
      for t in ids
    }
    for t, body in ids.items():
      frames[t].append((body, poses[t]))
    tracks.append(make_track(list(poses.values()), poses, num_frames))
  return frames, tracks


def frames_of_ann(*times):
  """Returns {frame: bodyID} of Ann in a range of frames."""
  return {t: ANN for t in range(*times)}


def test_ids_are_tracked_across_slots():
  frames, (first, second) = make_scene(
    (dict.fromkeys(range(10), ANN), (0, 0, 3)),
    (dict.fromkeys(range(3, 9), BEN), (1, 0, 3)),
  )
  for bodies in frames[5:]:
    bodies.reverse()
  np.testing.assert_array_equal(
    ntu_tracks.track_by_body(parse_frames(frames)), [first, second]
  )
  # Tracking by slot mixes them.
  first[5:9], second[5:9] = second[5:9].copy(), first[5:9].copy()
  slots = [first, second] if energy(first) > energy(second) else [second, first]
  np.testing.assert_array_equal(
    ntu_tracks.track_by_slot(parse_frames(frames)), slots
  )


@pytest.mark.parametrize(
  'track', [ntu_tracks.track_by_body, ntu_tracks.track_by_slot]
)
def test_the_two_most_active_are_kept(track):
  places = [(0, 0, 3), (1, 0, 3), (-1, 0, 3), (2, 0, 3), (3, 0, 3)]
  frames, tracks = make_scene(
    *((dict.fromkeys(range(10), ANN + i), p) for i, p in enumerate(places))
  )
  assert energy(tracks[0]) > energy(tracks[1]) > energy(tracks[2])
  for order in itertools.islice(itertools.permutations(range(4)), 0, 24, 5):
    shuffled = [[bodies[i] for i in (*order, 4)] for bodies in frames]
    np.testing.assert_array_equal(track(parse_frames(shuffled)), tracks[:2])


def test_slots_after_the_fourth_are_ignored():
  places = [(i, 0, 3) for i in range(5)]
  frames, tracks = make_scene(
    *((dict.fromkeys(range(10), ANN + i), p) for i, p in enumerate(places))
  )
  for bodies in frames:
    bodies.reverse()
  np.testing.assert_array_equal(
    ntu_tracks.track_by_slot(parse_frames(frames)), tracks[1:3]
  )
  np.testing.assert_array_equal(
    ntu_tracks.track_by_body(parse_frames(frames)), tracks[:2]
  )


def test_an_id_that_changes_where_a_person_stands_is_the_same_person():
  ids = (
    frames_of_ann(0, 4) | dict.fromkeys((6, 7), BEN) | dict.fromkeys((9,), CAT)
  )
  frames, (track,) = make_scene((ids, (0, 0, 3)))
  clip = ntu_tracks.track_by_body(parse_frames(frames))
  np.testing.assert_array_equal(clip[0], track)
  assert not clip[1].any()


def test_persons_who_never_overlap_stay_two():
  frames, tracks = make_scene(
    (frames_of_ann(0, 5), (0, 0, 3)),
    (dict.fromkeys(range(5, 10), BEN), (0.8, 0, 3)),
  )
  np.testing.assert_array_equal(
    ntu_tracks.track_by_body(parse_frames(frames)), tracks
  )


def test_a_new_id_continues_the_nearest_lost_person():
  """Both persons get new IDs at the same time, in another order."""
  frames, tracks = make_scene(
    (frames_of_ann(0, 5) | dict.fromkeys(range(6, 10), CAT + 1), (0, 0, 3)),
    (
      dict.fromkeys(range(5), BEN) | dict.fromkeys(range(6, 10), CAT),
      (0.45, 0, 3),
    ),
    scale=0.2,
  )
  for bodies in frames[6:]:
    bodies.reverse()
  np.testing.assert_array_equal(
    ntu_tracks.track_by_body(parse_frames(frames)), tracks
  )


def test_if_a_frame_has_an_id_twice_the_first_body_counts():
  frames, (track,) = make_scene((frames_of_ann(0, 10), (0, 0, 3)))
  frames[3].append((ANN, frames[5][0][1]))
  clip = ntu_tracks.track_by_body(parse_frames(frames))
  np.testing.assert_array_equal(clip[0], track)
  assert not clip[1].any()


def test_huge_coordinates_do_not_overflow():
  frames = [[(ANN, np.full((25, 3), 3e38))], [(BEN, STANDING)]]
  # Without any motion, Ann comes second.
  np.testing.assert_array_equal(
    ntu_tracks.track_by_body(parse_frames(frames))[1, 0],
    np.float32(frames[0][0][1]),
  )


# Golden files


@pytest.mark.parametrize('path', NTU_FILES, ids=lambda path: path.stem)
def test_by_body_keeps_whole_ids(path):
  """All IDs have over 11 frames, and some are too wide for their height."""
  bodies = ntu_text.parse_bodies(path.read_bytes(), path.name)
  tracks = []
  for i in range(bodies.ids.max() + 1):
    is_of_id = bodies.ids == i
    joints = bodies.joints[is_of_id]
    width, height, _ = np.ptp(joints, axis=1).T
    is_wide = (width > 0.8 * height).mean() > 0.69754
    person = make_track(joints, bodies.frames[is_of_id], bodies.num_frames)
    tracks.append((is_wide, -energy(person), i, person))
  tracks.sort(key=lambda t: t[:3])
  expected = [t[3] for t in tracks if t[0] == tracks[0][0]][:2]
  expected += [np.zeros_like(expected[0])] * (2 - len(expected))
  clip = ntu_tracks.track_by_body(bodies)
  assert clip.dtype == np.float32
  np.testing.assert_array_equal(clip, expected)
