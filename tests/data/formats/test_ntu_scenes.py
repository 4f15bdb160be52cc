"""NTU RGB+D's persons by ID: joined tracks, dropped noise, limits.

Scenes have 80 frames, with pieces of (ID, first frame, poses).
"""

import tracemalloc

import numpy as np
import pytest
from helpers.ntu import ANN, BEN, CAT
from helpers.ntu_tracks import STANDING, energy

from unik_jax.data.formats import ntu_text, ntu_tracks


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
  'only a table': ([(CAT, 0, TABLE)], [[(0, TABLE)]]),
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
  """Ann disappears at 0 m and reappears at 1 m; another ID walks in between."""
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
