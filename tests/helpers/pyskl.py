"""Shared by tests: from test_pyskl."""

import collections

import numpy as np


def tracks(shape=(2, 4, 25, 3), seed=0):
  return np.random.default_rng(seed).normal(size=shape).astype(np.float16)


def annotation(name, label=0, shape=(2, 4, 25, 3), seed=0, **changes):
  made = {
    'frame_dir': name,
    'label': label,
    'total_frames': shape[1],
    'keypoint': tracks(shape, seed),
  }
  if shape[2] < 25:
    made['keypoint'] = abs(made['keypoint']) * np.float16(100)
    score = np.random.default_rng(seed + 1).uniform(size=shape[:3])
    made['keypoint_score'] = score.astype(np.float16)
    made['img_shape'] = made['original_shape'] = (1080, 1920)
  made |= changes
  return {k: v for k, v in made.items() if v is not None}


COCO = (1, 3, 17, 2)


def packed(frames, seed=0):
  bodies = np.random.default_rng(seed).uniform(1, 300, (len(frames), 17, 3))
  bodies[..., 2] /= 300
  return bodies.astype(np.float16), np.array(frames, np.int16)


def unpacked(bodies, frames, persons):
  """As pyskl does it, one frame after another.

  Its DecompressPose sorts by score (float16) where a frame has more than ten,
  and its FormatGCNInput keeps the first.
  """
  by_frame = collections.defaultdict(list)
  for frame, body in zip(frames.tolist(), np.float32(bodies), strict=True):
    by_frame[frame].append(body)
  crowded = max(map(len, by_frame.values())) > 10
  most = min(persons, max(map(len, by_frame.values())))
  clip = np.zeros((most, len(by_frame), 17, 3), np.float32)
  for t, frame in enumerate(sorted(by_frame)):
    present = by_frame[frame]
    if crowded:
      present = sorted(present, key=lambda body: -np.float16(body[:, 2].sum()))
    for m, body in enumerate(present[:persons]):
      clip[m, t] = body
  return clip
