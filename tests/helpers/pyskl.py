"""Annotations in pyskl's format, and packed poses as pyskl unpacks them."""

import collections

import numpy as np

COCO_SHAPE = (1, 3, 17, 2)


def make_tracks(shape=(2, 4, 25, 3), seed=0):
  """Returns random keypoints (M, T, V, C) in float16."""
  return np.random.default_rng(seed).normal(size=shape).astype(np.float16)


def make_annotation(name, label=0, shape=(2, 4, 25, 3), seed=0, **changes):
  """Returns an annotation, with other values, or without those that are None.

  Args:
    name: of the clip.
    label: of the clip.
    shape: (M, T, V, C). Poses of fewer than 25 joints are in pixels, with
      scores and an image size.
    seed: of the random poses.
    **changes: other values by key.
  """
  record = {
    'frame_dir': name,
    'label': label,
    'total_frames': shape[1],
    'keypoint': make_tracks(shape, seed),
  }
  if shape[2] < 25:
    record['keypoint'] = abs(record['keypoint']) * np.float16(100)
    score = np.random.default_rng(seed + 1).uniform(size=shape[:3])
    record['keypoint_score'] = score.astype(np.float16)
    record['img_shape'] = record['original_shape'] = (1080, 1920)
  record |= changes
  return {k: v for k, v in record.items() if v is not None}


def make_packed(frames, seed=0):
  """Returns bodies (N, 17, 3) and frame_inds (N,), a body per given frame."""
  bodies = np.random.default_rng(seed).uniform(1, 300, (len(frames), 17, 3))
  bodies[..., 2] /= 300
  return bodies.astype(np.float16), np.array(frames, np.int16)


def unpack_as_pyskl(bodies, frames, persons):
  """Returns (M, T, 17, 3) as pyskl unpacks it, one frame after another.

  Its DecompressPose sorts by score (float16) if a frame has more than ten
  bodies, and its FormatGCNInput keeps the first.
  """
  by_frame = collections.defaultdict(list)
  for frame, body in zip(frames.tolist(), np.float32(bodies), strict=True):
    by_frame[frame].append(body)
  is_crowded = max(map(len, by_frame.values())) > 10
  most = min(persons, max(map(len, by_frame.values())))
  clip = np.zeros((most, len(by_frame), 17, 3), np.float32)
  for t, frame in enumerate(sorted(by_frame)):
    present = by_frame[frame]
    if is_crowded:
      present = sorted(present, key=lambda body: -np.float16(body[:, 2].sum()))
    for m, body in enumerate(present[:persons]):
      clip[m, t] = body
  return clip
