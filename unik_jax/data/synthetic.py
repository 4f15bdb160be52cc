"""Synthetic clips: performances, cameras and tracking errors.

A clip is made in four steps: joint angles over time (`perform_action`), joint
positions (`forward_kinematics`), the camera's view (`to_camera`,
`project_points`), and a tracker's errors (`_track`). Only the last line of
`generate_clip` knows the joint layout, so one clip shows the same motion in
every layout.

Camera axes, as the Kinect's: x to the sensor's left, y up, z away from it, in
metres. World axes: see `synthetic_body`.
"""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from unik_jax.data import synthetic_actions as actions
from unik_jax.data.clips import ClipFile
from unik_jax.data.synthetic_body import (
  JOINTS,
  SEED,
  SKELETON,
  Subject,
  axis_rotation,
  forward_kinematics,
  make_subject,
)
from unik_jax.skeletons.layouts import get_layout

LABELS = tuple(actions.ACTIONS)
FRAMES = (32, 80)  # of the shortest and the longest clip
FRAME_RATE = 20.0
FOCAL = 1.43  # half image widths: a horizontal field of view of 70 degrees


@dataclasses.dataclass(frozen=True)
class Split:
  """The subjects and the viewpoints of a split.

  Attributes:
    subjects: ids; disjoint between splits.
    views: the yaw range is cut into slices of `SLICE` degrees, numbered 0 to 4
      over and over. Cameras stand in slices with these numbers; disjoint
      between splits.
  """

  subjects: range
  views: tuple[int, ...]


SPLITS = {
  'train': Split(range(40), (0, 1, 3)),
  'validation': Split(range(40, 48), (2,)),
  'test': Split(range(48, 60), (4,)),
}
EPISODES = 2  # performances of each action by each subject
YAW = 70.0  # cameras stand within this angle of the performer's front
SLICE = 7.0

# Names of the body's joints in layouts that name them differently.
_KINECT_1 = {
  'hip_center': 'spine_base',
  'spine': 'spine_mid',
  'shoulder_center': 'spine_shoulder',
}
_ALIASES = {
  'ntu_25': {},
  'kinect_20': _KINECT_1,
  'msr_20': _KINECT_1,
  # LCR-Net's neck is the middle of the shoulders.
  'unik_17': {
    'mid_hip': 'spine_base',
    'chest': 'spine_mid',
    'neck': 'spine_shoulder',
  },
}

# A tracker loses one of these joints and its descendants, sometimes a whole
# limb. It does not lose the trunk, as most trackers do not.
_LOSABLE = (
  'head',
  *(joint for joint in JOINTS if joint.startswith(('left_', 'right_'))),
)


def perform_action(
  action: str, subject: Subject, frames: int, rng: np.random.Generator
) -> dict[str, np.ndarray]:
  """Returns the joint angles of one performance.

  Args:
    action: a name in `LABELS`.
    subject: the performer.
    frames: T.
    rng: draws side, posture, timing, amplitude and sway.

  Returns:
    (T,) degrees for each name in `synthetic_actions.ANGLES`; 'root.lift' is in
    body heights.
  """
  entry = actions.ACTIONS[action]
  keys = actions.performed_keys(entry, rng)
  if rng.random() < subject.left_handed:
    keys = actions.mirror_keys(keys)

  time = np.linspace(0, 1, frames)
  start, end, first = rng.uniform(0, 0.18), rng.uniform(0.78, 1), rng.random()
  pace = subject.speed * np.exp(rng.normal(0, 0.1))
  haste = rng.uniform(-0.12, 0.12)  # > 0: faster in the first half
  if entry.seconds is None:
    phase = np.clip((time - start) / (end - start), 0, 1)
    phase = phase + haste * np.sin(np.pi * phase)
  else:
    cycles = pace * frames / FRAME_RATE / entry.seconds
    phase = first + np.clip(cycles, 1.25, 4.5) * (
      time + 0.5 * haste * np.sin(np.pi * time)
    )

  gain = subject.gain * rng.uniform(0.93, 1.07)
  angles = {}
  for name in actions.ANGLES:
    middle = keys[name].mean()
    track = actions.interpolate_keys(
      keys[name], phase, entry.seconds is not None
    )
    angles[name] = middle + gain * (track - middle)
    offset, sway, beat = rng.normal(size=3)
    if name != 'root.lift':
      drift = np.sin(np.pi * (2 * time * (1 + abs(beat)) + beat))
      angles[name] += subject.habit[name] + 4 * offset + 2 * sway * drift
  # Elbows and knees do not bend backwards, and no foot is below the floor.
  for name in angles:
    if name.endswith(('elbow', 'knee', 'lift')):
      angles[name] = np.maximum(angles[name], 0)
  return angles


def to_camera(
  points: np.ndarray, yaw: float, pitch: float, place: np.ndarray
) -> np.ndarray:
  """Converts world axes to camera axes.

  Args:
    points: (..., 3) metres in world axes.
    yaw: the camera's angle around the performer, degrees; 0 sees the front,
      a positive angle the left side.
    pitch: the camera's angle downwards, degrees.
    place: (3,) the world's origin in camera axes, metres.

  Returns:
    (..., 3) metres in camera axes.
  """
  turn = axis_rotation(0, np.array(-pitch)) @ axis_rotation(
    1, np.array(180.0 - yaw)
  )
  return points @ turn.T + place


def project_points(points: np.ndarray) -> np.ndarray:
  """Projects points into the image with a pinhole camera.

  Args:
    points: (..., 3) in camera axes.

  Returns:
    (..., 2): x to the right, from -1 to 1 across the image's width; y
    downwards in the same unit.
  """
  return -FOCAL * points[..., :2] / points[..., 2:]


def _track(
  points: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
  """Adds a tracker's errors.

  Args:
    points: (T, J, 3) metres.
    rng: draws bias, jitter and lost joints.

  Returns:
    (T, J, 3) noisy points, and (T, J) whether the tracker has the joint.
  """
  frames, joints, _ = points.shape
  bias = rng.normal(0, 0.01, (joints, 3))
  jitter = rng.normal(0, rng.uniform(0.005, 0.016), points.shape)
  seen = np.ones((frames, joints), bool)
  for _ in range(rng.poisson(1.5)):
    lost = {_LOSABLE[rng.integers(len(_LOSABLE))]}
    length = int(frames * rng.uniform(0.1, 0.35))
    start = rng.integers(frames - length + 1)
    for j, joint in enumerate(JOINTS):
      if joint in lost or SKELETON[joint][0] in lost:
        lost.add(joint)
        seen[start : start + length, j] = False
  return points + bias + jitter, seen


def generate_clip(
  action: str,
  subject: Subject,
  rng: np.random.Generator,
  layout: str,
  *,
  channels: int = 3,
  yaw: float = 0.0,
  noise: bool = True,
) -> np.ndarray:
  """Generates a clip of one person performing one action.

  Args:
    action: a name in `LABELS`.
    subject: the performer.
    rng: draws everything else. The same state gives the same performance and
      camera for every layout, channels, yaw and noise.
    layout: 'unik_17', 'ntu_25', 'msr_20' or 'kinect_20'.
    channels: 3 for metres in camera axes, 2 for their projection.
    yaw: yaw of the camera in degrees; see `to_camera`.
    noise: whether to add tracking errors and missing joints (all zeros).

  Returns:
    (1, T, V, channels) float32, T within `FRAMES`.
  """
  frames = int(rng.integers(FRAMES[0], FRAMES[1] + 1))
  angles = perform_action(action, subject, frames, rng)
  points = forward_kinematics(angles, subject)
  distance = rng.uniform(3.2, 5.0)
  place = np.array(
    [rng.uniform(-0.2, 0.2) * distance, rng.uniform(-1.1, -0.8), distance]
  )
  points = to_camera(points, yaw, rng.uniform(-4, 14), place)
  seen = np.ones(points.shape[:2], bool)
  if noise:
    points, seen = _track(points, rng)
  if channels == 2:
    points = project_points(points)
  points = np.where(seen[..., None], points, 0)
  alias = _ALIASES[layout]
  order = [JOINTS.index(alias.get(j, j)) for j in get_layout(layout).joints]
  return points[None, :, order].astype(np.float32)


def draw_yaw(split: str, rng: np.random.Generator) -> float:
  """Draws a camera yaw in degrees from the slices of a split."""
  slices = [
    k for k in range(round(2 * YAW / SLICE)) if k % 5 in SPLITS[split].views
  ]
  return SLICE * (slices[rng.integers(len(slices))] + rng.random()) - YAW


class Episode(NamedTuple):
  """One performance: its split, subject, action (label) and number."""

  split: str
  subject: int
  label: int
  number: int

  def __str__(self) -> str:
    return f'a{self.label + 1:02}_s{self.subject:02}_e{self.number + 1:02}'


def list_episodes() -> Iterator[ClipFile]:
  """Yields all performances of all splits."""
  for split, part in SPLITS.items():
    for episode in itertools.product(
      [split], part.subjects, range(len(LABELS)), range(EPISODES)
    ):
      episode = Episode(*episode)
      yield ClipFile(
        id=str(episode),
        source=episode,
        splits=(split,),
        label=episode.label,
        subject=episode.subject,
      )


def read_episode(episode: Episode, *, layout: str, channels: int) -> np.ndarray:
  """Generates the clip of a performance; the same one every time.

  Args:
    episode: from `list_episodes`.
    layout: see `generate_clip`.
    channels: see `generate_clip`.

  Returns:
    (1, T, V, channels) float32.
  """
  split, subject, label, number = episode
  rng = np.random.default_rng((SEED, 1, subject, label, number))
  yaw = draw_yaw(split, rng)
  return generate_clip(
    LABELS[label],
    make_subject(subject),
    rng,
    layout,
    channels=channels,
    yaw=yaw,
  )
