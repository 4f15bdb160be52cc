"""Actions of the synthetic people: a table of joint angles.

An action gives a few keys for each angle that it moves. The keys are evenly
spaced over one repetition (then the first key follows the last) or, for an
action that is done once, over the whole clip. A single number is constant. The
other angles come from a random posture, see `POSTURES`.

Angles are in degrees, zero when standing with the arms down:

  arm  raise: of the upper arm from straight down; plane: the direction of the
       raise, 0 forwards, 90 to the side; twist: about the arm's own axis,
       positive outwards; elbow: flexion; shrug: of the collar bone, upwards.
  leg  raise, plane, twist: as for the arm; knee: flexion.
  spine  bend: forwards; lean: to the left; turn: to the left.
  head  bend, lean, turn: relative to the spine.
  root  lift: of the lowest foot above the floor, in body heights.

'arms' and 'legs' stand for both sides. Angles of one side are a right-hander's;
`mirror_keys` returns a left-hander's.
"""

import dataclasses
import types

import numpy as np

_ARM = ('shrug', 'raise', 'plane', 'twist', 'elbow')
_LEG = ('raise', 'plane', 'twist', 'knee')
_TRUNK = ('bend', 'lean', 'turn')
_PARTS = {
  'left_arm': _ARM,
  'right_arm': _ARM,
  'left_leg': _LEG,
  'right_leg': _LEG,
  'spine': _TRUNK,
  'head': _TRUNK,
  'root': ('lift',),
}
ANGLES = tuple(f'{part}.{a}' for part, names in _PARTS.items() for a in names)


@dataclasses.dataclass(frozen=True)
class Action:
  """One action of the table.

  Attributes:
    seconds: duration of a repetition; None for an action that is done once.
    keys: maps the name of an angle to its keys.
  """

  seconds: float | None
  keys: dict[str, float | tuple[float, ...]]

  def reversed(self) -> 'Action':
    """Returns the same motion backwards in time."""
    keys = {
      name: keys[::-1] if isinstance(keys, tuple) else keys
      for name, keys in self.keys.items()
    }
    return Action(self.seconds, keys)


_SIT_DOWN = Action(
  None,
  {
    'legs.raise': (3, 8, 52, 86, 86),
    'legs.knee': (5, 14, 70, 86, 86),
    'spine.bend': (2, 12, 36, 14, 4),
  },
)
_PUT_ON_HAT = Action(
  None,
  {
    'arms.raise': (25, 35, 125, 105, 105, 30, 8),
    'arms.plane': (0, 0, 20, 35, 35, 50, 60),
    'arms.twist': (-30, -30, 0, 10, 10, 0, 0),
    'arms.elbow': (85, 90, 85, 125, 125, 60, 15),
  },
)
# A shoulder lets the arm pass close in front of the body, but only wide behind
# it. So the direction of a circle can be seen from the front too.
_BACKWARD_ARM_CIRCLES = Action(
  1.3,
  {
    'arms.raise': (12, 70, 135, 165, 125, 65),
    'arms.plane': (5, 5, 10, 60, 105, 110),
    'arms.elbow': 12,
  },
)

ACTIONS = types.MappingProxyType(
  {
    'sit_down': _SIT_DOWN,
    'stand_up': _SIT_DOWN.reversed(),
    'put_on_hat': _PUT_ON_HAT,
    'take_off_hat': _PUT_ON_HAT.reversed(),
    'backward_arm_circles': _BACKWARD_ARM_CIRCLES,
    'forward_arm_circles': _BACKWARD_ARM_CIRCLES.reversed(),
    'squat': Action(
      1.5,
      {
        'legs.raise': (4, 92),
        'legs.plane': 22,
        'legs.knee': (6, 112),
        'spine.bend': (2, 34),
      },
    ),
    'lunge': Action(
      1.7,
      {
        'right_leg.raise': (2, 50, 74, 50),
        'right_leg.knee': (5, 62, 84, 62),
        'left_leg.raise': (0, -14),
        'left_leg.knee': (5, 72),
        'legs.plane': 5,
      },
    ),
    'march_in_place': Action(
      1.1,
      {
        'right_leg.raise': (2, 78, 2, 0),
        'right_leg.knee': (5, 88, 8, 3),
        'left_leg.raise': (2, 0, 2, 78),
        'left_leg.knee': (8, 3, 5, 88),
        'legs.plane': 5,
        'right_arm.raise': (5, -24, 5, 34),
        'left_arm.raise': (5, 34, 5, -24),
        'arms.plane': 8,
        'arms.elbow': 45,
      },
    ),
    'hop': Action(
      0.75,
      {
        'right_leg.raise': (26, 2),
        'right_leg.knee': (48, 4),
        'left_leg.raise': (18, 30),
        'left_leg.knee': 82,
        'legs.plane': 5,
        'root.lift': (0, 0.02, 0.08, 0.02),
      },
    ),
    'jumping_jack': Action(
      1.0,
      {
        'arms.raise': (10, 160),
        'arms.plane': 88,
        'arms.elbow': (12, 24),
        'legs.raise': (2, 26),
        'legs.plane': 88,
        'legs.knee': (10, 4),
        'root.lift': (0, 0.04),
      },
    ),
    'row': Action(
      1.4,
      {
        'arms.raise': (80, 40, -28, 20),
        'arms.plane': 8,
        'arms.elbow': (8, 70, 100, 60),
        'spine.bend': (26, 6, -8, 10),
      },
    ),
    'climb_ladder': Action(
      1.4,
      {
        'right_arm.raise': (158, 85),
        'right_arm.elbow': (28, 98),
        'left_arm.raise': (85, 158),
        'left_arm.elbow': (98, 28),
        'arms.plane': 10,
        'right_leg.raise': (68, 8),
        'right_leg.knee': (84, 12),
        'left_leg.raise': (8, 68),
        'left_leg.knee': (12, 84),
        'legs.plane': 12,
      },
    ),
    'breaststroke': Action(
      1.5,
      {
        'arms.raise': (38, 88, 84, 62),
        'arms.plane': (20, 0, 75, 80),
        'arms.elbow': (132, 12, 12, 90),
        'spine.bend': (10, 24),
      },
    ),
    'twist_torso': Action(
      1.4,
      {
        'spine.turn': (-46, 46),
        'head.turn': (-12, 12),
        'arms.raise': 66,
        'arms.plane': 30,
        'arms.twist': -40,
        'arms.elbow': 105,
      },
    ),
    'side_stretch': Action(
      1.9,
      {
        'spine.lean': (2, -34),
        'head.lean': (0, -10),
        'left_arm.raise': (40, 168),
        'left_arm.plane': 85,
        'left_arm.elbow': (15, 30),
      },
    ),
    'drink': Action(
      None,
      {
        'right_arm.raise': (12, 20, 48, 62, 62, 30, 12),
        'right_arm.plane': (30, 15, 10, 12, 12, 15, 30),
        'right_arm.twist': (0, -15, -28, -30, -30, -15, 0),
        'right_arm.elbow': (25, 85, 130, 134, 134, 90, 25),
        'head.bend': (0, 0, -8, -22, -22, 0, 0),
      },
    ),
    'salute': Action(
      None,
      {
        'right_arm.raise': (8, 35, 82, 84, 84, 35, 8),
        'right_arm.plane': (60, 65, 72, 72, 72, 65, 60),
        'right_arm.twist': (0, 30, 72, 75, 75, 30, 0),
        'right_arm.elbow': (15, 70, 142, 146, 146, 70, 15),
      },
    ),
    'comb_hair': Action(
      1.1,
      {
        'right_arm.raise': (92, 125, 140, 110),
        'right_arm.plane': (25, 35, 75, 70),
        'right_arm.twist': (15, 30, 45, 30),
        'right_arm.elbow': (128, 118, 140, 148),
        'head.lean': (4, 8),
      },
    ),
    'shrug': Action(
      1.2,
      {
        'arms.shrug': (-2, 30),
        'arms.raise': (8, 22),
        'arms.plane': 55,
        'arms.twist': (0, 42),
        'arms.elbow': (22, 78),
      },
    ),
  }
)

# Postures of the limbs that an action does not move. A limb with any angle in
# the action's keys takes none of these.
POSTURES = {
  'arm': (
    {'raise': 8, 'plane': 60, 'elbow': 15},  # hanging
    {'raise': 8, 'plane': 60, 'elbow': 15},
    {'raise': 42, 'plane': 112, 'twist': -75, 'elbow': 92},  # on the hip
    {'raise': 26, 'plane': 5, 'twist': -62, 'elbow': 98},  # at the belly
    {'raise': 28, 'plane': 150, 'twist': -70, 'elbow': 60},  # at the back
    {'raise': 30, 'plane': 10, 'twist': 0, 'elbow': 75},  # held out
  ),
  'legs': (
    {'raise': 3, 'plane': 80, 'knee': 5},  # standing
    {'raise': 14, 'plane': 85, 'knee': 5},  # feet apart
    {'raise': 20, 'plane': 20, 'knee': 34},  # crouching
    {'raise': 86, 'plane': 10, 'knee': 86},  # seated
  ),
}


def performed_keys(
  action: Action, rng: np.random.Generator
) -> dict[str, np.ndarray]:
  """Returns keys for every angle, from the action or from random postures.

  Args:
    action: a row of the table.
    rng: draws a posture for each arm, and one for both legs.

  Returns:
    (K,) float64 keys in degrees for each name in `ANGLES`.
  """
  own = {}
  for name, keys in action.keys.items():
    part, angle = name.split('.')
    sides = ('left_', 'right_') if part in ('arms', 'legs') else ('',)
    for side in sides:
      own[f'{side}{part.removesuffix("s") if side else part}.{angle}'] = keys
  busy = {name.split('.')[0] for name in own}

  choice = {
    'left_arm': POSTURES['arm'][rng.integers(len(POSTURES['arm']))],
    'right_arm': POSTURES['arm'][rng.integers(len(POSTURES['arm']))],
  }
  legs = POSTURES['legs'][rng.integers(len(POSTURES['legs']))]
  choice |= {'left_leg': legs, 'right_leg': legs}
  for part, posture in choice.items():
    if part not in busy:
      own |= {f'{part}.{angle}': value for angle, value in posture.items()}
  return {name: np.atleast_1d(own.get(name, 0.0)) for name in ANGLES}


def mirror_keys(keys: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
  """Swaps the sides: returns the keys of the mirrored performance."""
  swap = {'left': 'right', 'right': 'left'}
  mirrored = {}
  for name, value in keys.items():
    side, _, rest = name.partition('_')
    if rest:
      mirrored[f'{swap[side]}_{rest}'] = value
    else:
      mirrored[name] = -value if name.endswith(('lean', 'turn')) else value
  return mirrored


def interpolate_keys(
  keys: np.ndarray, phase: np.ndarray, cyclic: bool
) -> np.ndarray:
  """Interpolates keys with a Catmull-Rom spline.

  Args:
    keys: (K,) values.
    phase: (T,) places on the curve. If cyclic, in repetitions; else from the
      first key (0) to the last (1).
    cyclic: whether the first key follows the last.

  Returns:
    (T,) values.
  """
  count = len(keys)
  if cyclic:
    place = phase * count
    left = np.floor(place).astype(int)
  else:
    place = np.clip(phase, 0, 1) * (count - 1)
    left = np.minimum(np.floor(place).astype(int), max(count - 2, 0))
  t = place - left
  around = left[:, None] + np.arange(-1, 3)
  around = around % count if cyclic else np.clip(around, 0, count - 1)
  a, b, c, d = keys[around].T
  return b + 0.5 * t * (
    c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a))
  )
