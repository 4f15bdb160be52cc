"""NTU RGB+D's tracks: joined persons, dropped noise, lost and found bodies."""

import itertools
import tracemalloc

import numpy as np
import pytest
from helpers.golden_files import NTU_FILES
from helpers.ntu import ANN, BEN, CAT, parse_frames

from unik_jax.data.formats import ntu_text, ntu_tracks

# Tracking by ID and by slot

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


def test_a_found_id_continues_the_nearest_lost_person():
  """Both are lost together, and found under other IDs in another order."""
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


# Which persons are kept: 80 frames, with pieces of (ID, first frame, poses)


def make_waver(x, z=3.0, wave=0.1, end=None):
  """Returns (80, 25, 3): a person who waves while walking from x to end."""
  rng = np.random.default_rng(round(100 * (x + z)))
  poses = STANDING + rng.normal(scale=0.005, size=(80, 25, 3)) + [0, 0, z]
  poses[..., 0] += np.linspace(x, x if end is None else end, 80)[:, None]
  poses[:, [9, 10, 11, 23, 24], 1] += wave * np.sin(np.arange(80) / 8)[:, None]
  return poses.round(7)


def make_noise(frames, at, scale=0.5):
  """Returns (T, 25, 3) random joints around a point."""
  return np.random.default_rng(0).normal(at, scale, (frames, 25, 3)).round(7)


def track_pieces(pieces, num_frames=80):
  """Returns the persons that `track_by_body` finds in pieces."""
  bodies = [
    (t, slot, body, pose)
    for slot, (body, start, poses) in enumerate(pieces)
    for t, pose in enumerate(poses, start)
  ]
  bodies.sort(key=lambda body: body[:2])
  frames, slots, names, joints = zip(*bodies, strict=True)
  ids = [list(dict.fromkeys(names)).index(name) for name in names]
  return ntu_tracks.track_by_body(
    ntu_text.Bodies(
      num_frames, *map(np.array, (frames, slots, ids)), np.float32(joints)
    )
  )


def join_pieces(*persons, num_frames=80):
  """Returns the clip of persons that are each pieces (first frame, poses)."""
  clip = np.zeros((2, num_frames, 25, 3), np.float32)
  for person, pieces in zip(clip, persons, strict=False):
    for start, poses in pieces:
      person[start : start + len(poses)] = poses
  return clip


A, B = make_waver(-0.4, wave=0.4), make_waver(0.4)  # A moves more
WALK, BACK = make_waver(-1.2, end=1.2), make_waver(1.1, z=4, end=-1.1)
RNG = np.random.default_rng(5)
# A still shape that the tracker takes for a body: wider than high.
CHAIR = RNG.uniform([-0.6, -0.4, -0.4], [0.6, 0.4, 0.4], (25, 3)) + [1.5, 0, 3]
CHAIR = (CHAIR + RNG.normal(scale=0.01, size=(80, 25, 3))).round(7)
# A lying shape that swings, with the bones of a large person.
TABLE = 1.3 * STANDING[:, [1, 0, 2]] + RNG.normal(scale=0.01, size=(80, 25, 3))
TABLE = (TABLE + RNG.normal([2, 0, 4], 0.4, (80, 1, 3))).round(7)
DAN = CAT + 1
SCENES = {
  'a frame of noise': (
    [(ANN, 0, A), (BEN, 0, B), (CAT, 40, make_noise(1, [1.5, 0, 3.5]))],
    [[(0, A)], [(0, B)]],
  ),
  '11 frames of somebody': (
    [(CAT, 9, WALK[9:20] + [0, 0, 2]), (BEN, 0, B), (ANN, 0, A)],
    [[(0, A)], [(0, B)]],
  ),
  'two and a chair': (
    [(ANN, 0, A), (BEN, 0, B), (CAT, 0, CHAIR)],
    [[(0, A)], [(0, B)]],
  ),
  'two and a table': (
    [(CAT, 0, TABLE), (ANN, 0, A), (BEN, 0, B)],
    [[(0, A)], [(0, B)]],
  ),
  'a reader and a chair': (
    [(ANN, 0, A * [1, 0.7, 1]), (CAT, 0, CHAIR)],
    [[(0, A * [1, 0.7, 1])]],
  ),
  'noise that jumps, for 12 frames': (
    [(ANN, 0, A), (CAT, 20, TABLE[:12])],
    [[(0, A)]],
  ),
  'a walker lost for 20 frames': (
    [(ANN, 0, WALK[:30]), (CAT, 50, WALK[50:]), (BEN, 0, B + [0, 0, 2])],
    [[(0, WALK[:30]), (50, WALK[50:])], [(0, B + [0, 0, 2])]],
  ),
  'two walkers lost for 20 frames': (
    [(ANN, 0, WALK[:30]), (BEN, 0, BACK[:30])]
    + [(CAT, 50, BACK[50:]), (DAN, 50, WALK[50:])],
    [[(0, p[:30]), (50, p[50:])] for p in (WALK, BACK)],
  ),
  'another ID for 4 frames': (
    [(ANN, 0, A[:30]), (CAT, 30, A[30:34]), (ANN, 34, A[34:]), (BEN, 0, B)],
    [[(0, A)], [(0, B)]],
  ),
  'another ID time and again': (
    [(ANN if t % 9 < 4 else CAT, t, A[t : t + 1]) for t in range(80)]
    + [(BEN, 0, B)],
    [[(0, A)], [(0, B)]],
  ),
  'one before the other, both of 8 frames': (
    [(ANN, 0, A[:8]), (BEN, 8, B[8:16])],
    [[(0, A[:8])], [(8, B[8:16])]],
  ),
  'noise where somebody left': (
    [(ANN, 0, A[:30]), (BEN, 0, B + [2, 0, 0])]
    + [(CAT, 50, A[30] + make_noise(30, [0.3, 0, 0.2], 0.3))],
    [[(0, A[:30])], [(0, B + [2, 0, 0])]],
  ),
  'both IDs for 2 frames': (
    [(ANN, 0, A[:42]), (CAT, 40, A[40:] + 0.01), (BEN, 0, B)],
    [[(0, A[:42]), (42, A[42:] + 0.01)], [(0, B)]],
  ),
  'one, noise at the start': (
    [(CAT, 0, make_noise(5, [0.9, 0, 3])), (ANN, 3, A[3:])],
    [[(3, A[3:])]],
  ),
  # An error that goes unnoticed.
  'IDs exchanged in crossing': (
    [(ANN, 0, WALK[:40]), (BEN, 0, BACK[:40])]
    + [(BEN, 40, WALK[40:]), (ANN, 40, BACK[40:])],
    [[(0, WALK[:40]), (40, BACK[40:])], [(0, BACK[:40]), (40, WALK[40:])]],
  ),
  # The last person stays, even if it is noise.
  'a table alone': ([(CAT, 0, TABLE)], [[(0, TABLE)]]),
  'nothing but noise': (
    [
      (CAT, 9, make_noise(5, [0, 0, 3])),
      (BEN, 0, make_noise(40, [3, 0, 3], 0.2)),
    ],
    [[(0, make_noise(40, [3, 0, 3], 0.2))]],
  ),
}


@pytest.mark.parametrize('case', SCENES)
def test_kept_persons(case):
  pieces, persons = SCENES[case]
  expected = join_pieces(*persons)
  if len(persons) == 2:  # in order of their motion
    expected = sorted(expected, key=energy, reverse=True)
  np.testing.assert_array_equal(track_pieces(pieces), expected)


def resize_person(height, width, bones=None):
  """Returns a person of a height and width, or of a mean bone length."""
  pairs = '1-2 2-21 3-21 4-3 5-21 6-5 7-6 8-7 9-21 10-9 11-10 12-11 13-1 14-13'
  pairs += ' 15-14 16-15 17-1 18-17 19-18 20-19 22-23 23-8 24-25 25-12'
  if bones:
    ends = np.array([pair.split('-') for pair in pairs.split()], int) - 1
    rods = np.diff(STANDING[ends], axis=1)
    return STANDING * bones / np.sqrt((rods**2).sum(-1)).mean()
  return STANDING * [width / 0.54, height / 1.6, 1]


@pytest.mark.parametrize(
  ('frames', 'is_kept'),
  [
    (np.tile(STANDING, (11, 1, 1)), False),
    (np.tile(STANDING, (12, 1, 1)), True),
    (np.tile(resize_person(1, 0.79), (12, 1, 1)), True),
    (np.tile(resize_person(1, 0.81), (12, 1, 1)), False),
    (np.stack([resize_person(1, 0.9)] * 23 + [STANDING] * 10), True),  # 0.69697
    (
      np.stack([resize_person(1, 0.9)] * 30 + [STANDING] * 13),
      False,
    ),  # 0.69767
    (np.tile(resize_person(0, 0, bones=0.39), (12, 1, 1)), True),
    (np.tile(resize_person(0, 0, bones=0.41), (12, 1, 1)), False),
  ],
  ids='11 12 narrow wide less more giant monster'.split(),
)
def test_limits_of_a_person(frames, is_kept):
  frames = frames + [3, 0, 4]
  clip = track_pieces([(CAT, 20, frames), (BEN, 0, B)])
  assert (clip == np.float32(frames[0])).all((2, 3)).any() == is_kept
  assert (clip == np.float32(B)).all((1, 2, 3)).any()


@pytest.mark.parametrize(
  ('start', 'way', 'is_one'),
  [
    # After frame 29: half a metre, and one metre more per second.
    *((30, 0.53, True), (30, 0.54, False)),
    *((49, 1.16, True), (49, 1.17, False)),
    *((89, 2.49, True), (89, 2.51, False), (90, 0.0, False)),
    # Both are present in two, three and four frames.
    *((28, 0.19, True), (28, 0.21, False)),
    *((27, 0.19, True), (27, 0.21, False), (26, 0.0, False)),
  ],
)
@pytest.mark.parametrize('axis', [0, 1, 2])
def test_how_far_a_person_may_move(start, way, is_one, axis):
  first = np.tile(STANDING + [0, 0, 3], (30, 1, 1))
  second = first.copy()
  second[..., axis] += way
  clip = track_pieces([(ANN, 0, first), (BEN, start, second)], start + 30)
  if is_one:
    # If a frame has both, the earlier ID counts.
    expected = join_pieces([(start, second), (0, first)], num_frames=start + 30)
  else:
    expected = join_pieces(
      [(0, first)], [(start, second)], num_frames=start + 30
    )
  # Both move equally, so they may come in either order.
  if not clip[0, 0].any():
    clip = clip[::-1]
  np.testing.assert_array_equal(clip, expected)


@pytest.mark.parametrize(('end', 'is_one'), [(1.0, True), (0.0, False)])
def test_in_a_gap_both_ends_must_be_near(end, is_one):
  """Ann is lost at 0 m and found at 1 m. In between, another ID walks."""
  poses = np.tile(STANDING + [0, 0, 3], (80, 1, 1))
  poses[50:, :, 0] += 1
  poses[30:50, :, 0] += np.linspace(0, end, 20)[:, None]
  clip = track_pieces(
    [(ANN, 0, poses[:30]), (BEN, 30, poses[30:50])] + [(ANN, 50, poses[50:])]
  )
  assert clip[1].any() != is_one
  np.testing.assert_array_equal(clip.sum(0), np.float32(poses))


def test_many_ids_need_little_memory():
  """800 IDs in 1,600 frames would be 380 MB as padded tracks."""
  at = np.arange(1600)
  joints = np.float32(STANDING + (at // 2 % 7)[:, None, None])
  bodies = ntu_text.Bodies(1600, at, 0 * at, at // 2, joints)
  tracemalloc.start()
  ntu_tracks.track_by_body(bodies)
  peak = tracemalloc.get_traced_memory()[1]
  tracemalloc.stop()
  assert peak < 2e7


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
  kept = [t[3] for t in tracks if t[0] == tracks[0][0]][:2]
  kept += [np.zeros_like(kept[0])] * (2 - len(kept))
  clip = ntu_tracks.track_by_body(bodies)
  assert clip.dtype == np.float32
  np.testing.assert_array_equal(clip, kept)
