"""Bodies of the synthetic people: bones, proportions, forward kinematics.

World axes (right-handed): x to the performer's left, y up, z forwards; the
floor is at y = 0.
"""

import dataclasses

import numpy as np

from unik_jax.data.synthetic_actions import ANGLES

SEED = 2106  # followed by (0, subject) for a body, (1, ...) for a clip

# joint: (parent, segment, place). A joint is fixed to a segment; its place
# relative to the parent is in the segment's axes, in body heights. The right
# side is the mirror image of the left.
_BODY = {
  'spine_base': (None, 'root', (0, 0, 0)),
  'spine_mid': ('spine_base', 'waist', (0, 0.14, 0)),
  'spine_shoulder': ('spine_mid', 'chest', (0, 0.16, 0)),
  'neck': ('spine_shoulder', 'head', (0, 0.035, 0.005)),
  'head': ('neck', 'head', (0, 0.085, 0.01)),
  'nose': ('head', 'head', (0, -0.015, 0.055)),
  'left_shoulder': ('spine_shoulder', 'left_collar', (0.11, -0.015, 0)),
  'left_elbow': ('left_shoulder', 'left_upper_arm', (0, -0.18, 0)),
  'left_wrist': ('left_elbow', 'left_forearm', (0, -0.146, 0)),
  'left_hand': ('left_wrist', 'left_forearm', (0, -0.045, 0)),
  'left_hand_tip': ('left_hand', 'left_forearm', (0, -0.045, 0)),
  'left_thumb': ('left_hand', 'left_forearm', (0, -0.01, 0.03)),
  'left_hip': ('spine_base', 'root', (0.052, -0.02, 0)),
  'left_knee': ('left_hip', 'left_thigh', (0, -0.24, 0)),
  'left_ankle': ('left_knee', 'left_shin', (0, -0.24, 0)),
  'left_foot': ('left_ankle', 'root', (0.01, -0.035, 0.09)),
}


def _skeleton():
  """Returns `_BODY` with its right side, parents before children."""
  body = {}
  for joint, (parent, segment, place) in _BODY.items():
    body[joint] = (parent, segment, np.array(place, np.float64))
    if joint.startswith('left_'):
      right = [
        name.replace('left_', 'right_') for name in (joint, parent, segment)
      ]
      body[right[0]] = (right[1], right[2], np.multiply(place, (-1, 1, 1)))
  return body


# joint: (parent, segment, place), parents before children.
SKELETON = _skeleton()
JOINTS = tuple(SKELETON)


@dataclasses.dataclass(frozen=True)
class Subject:
  """A person: proportions and style of motion.

  Attributes:
    bones: maps each joint to its (3,) place in its segment's axes, metres.
    height: metres.
    speed: factor on the pace of repetitions.
    gain: factor on the amplitude of motion.
    habit: maps each angle to a constant offset in degrees.
    left_handed: probability of doing an action with the left.
  """

  bones: dict[str, np.ndarray]
  height: float
  speed: float
  gain: float
  habit: dict[str, float]
  left_handed: float


def make_subject(subject: int) -> Subject:
  """Returns the person with an id; the same one every time."""
  rng = np.random.default_rng((SEED, 0, subject))
  height = rng.uniform(1.5, 1.95)
  # Trunk, arms, legs and widths vary independently; both sides are the same.
  build = {
    group: rng.normal(1, 0.05) for group in ('trunk', 'arm', 'leg', 'width')
  }
  bones = {}
  for joint, (_, segment, place) in SKELETON.items():
    group = 'trunk'
    if segment.endswith('arm'):
      group = 'arm'
    elif segment.endswith(('thigh', 'shin')):
      group = 'leg'
    scale = np.array([build['width'], build[group], build[group]])
    bones[joint] = height * scale * place
  return Subject(
    bones=bones,
    height=height,
    speed=np.exp(rng.normal(0, 0.15)),
    gain=rng.uniform(0.8, 1.1),
    habit={name: rng.normal(0, 4) for name in ANGLES},
    left_handed=rng.choice((0.15, 0.85), p=(0.75, 0.25)),
  )


def axis_rotation(axis: int, degrees: np.ndarray) -> np.ndarray:
  """Returns rotations (T, 3, 3) about axis 0, 1 or 2 by (T,) degrees."""
  angle = np.radians(degrees)
  b, c = (axis + 1) % 3, (axis + 2) % 3
  matrix = np.zeros((*angle.shape, 3, 3))
  matrix[..., axis, axis] = 1
  matrix[..., b, b] = matrix[..., c, c] = np.cos(angle)
  matrix[..., c, b] = np.sin(angle)
  matrix[..., b, c] = -np.sin(angle)
  return matrix


def _segments(angles: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Returns the orientation (T, 3, 3) of each segment in world axes."""

  def trunk(part, share=1.0):
    bend, lean, turn = (
      share * angles[f'{part}.{angle}'] for angle in ('bend', 'lean', 'turn')
    )
    return (
      axis_rotation(1, turn) @ axis_rotation(2, -lean) @ axis_rotation(0, bend)
    )

  def limb(part, out):
    """Swings a limb by `raise` in direction `plane`, after its `twist`."""
    up, plane, twist = (
      angles[f'{part}.{angle}'] for angle in ('raise', 'plane', 'twist')
    )
    return (
      axis_rotation(1, out * plane)
      @ axis_rotation(0, -up)
      @ axis_rotation(1, out * (twist - plane))
    )

  still = np.zeros_like(angles['root.lift'])
  segments = {
    'root': axis_rotation(0, still),
    'waist': trunk('spine', 0.5),
    'chest': trunk('spine'),
  }
  segments['head'] = segments['chest'] @ trunk('head')
  for side, out in (('left', 1), ('right', -1)):
    arm, leg = f'{side}_arm', f'{side}_leg'
    collar = segments['chest'] @ axis_rotation(2, out * angles[f'{arm}.shrug'])
    upper = segments['chest'] @ limb(arm, out)
    thigh = limb(leg, out)
    segments |= {
      f'{side}_collar': collar,
      f'{side}_upper_arm': upper,
      f'{side}_forearm': upper @ axis_rotation(0, -angles[f'{arm}.elbow']),
      f'{side}_thigh': thigh,
      f'{side}_shin': thigh @ axis_rotation(0, angles[f'{leg}.knee']),
    }
  return segments


def forward_kinematics(
  angles: dict[str, np.ndarray], subject: Subject
) -> np.ndarray:
  """Returns joint positions from joint angles.

  The lower foot stays in place on the floor (or `lift` above it). So the hips
  move back in a squat, and from foot to foot in a march.

  Args:
    angles: (T,) degrees for each name in `ANGLES`.
    subject: gives the bones.

  Returns:
    (T, len(JOINTS), 3) metres in world axes.
  """
  segments = _segments(angles)
  points = {}
  for joint, (parent, segment, _) in SKELETON.items():
    place = segments[segment] @ subject.bones[joint]
    points[joint] = place if parent is None else points[parent] + place

  # Horizontally, puts the lower foot below its hip's rest position. The weights
  # (on a scale of 5 cm) change smoothly when the other foot becomes the lower.
  feet = np.stack([points['left_ankle'], points['right_ankle']])
  home = np.stack([subject.bones['left_hip'], subject.bones['right_hip']])
  weight = np.exp(-(feet[..., 1] - feet[..., 1].min(0)) / 0.05)
  weight /= weight.sum(0)
  shift = -np.einsum('st,stc->tc', weight, feet - home[:, None])
  sole = -subject.bones['left_foot'][1]
  lift = angles['root.lift'] * subject.height
  shift[:, 1] = lift + sole - feet[..., 1].min(0)
  return np.stack([points[joint] for joint in JOINTS], 1) + shift[:, None]
