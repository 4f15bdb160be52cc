"""Joint layouts as data: names, bones, centre and sides.

UNIK needs no graph, so a layout never enters a model. It serves the data
side: bone streams, centring, plots, and maps between datasets by joint name.

Joint names are the Kinect SDK's and COCO's in lower case, sides as a prefix
`left_` or `right_`, so that left/right pairs follow from the names.
"""

import dataclasses
import functools

from unik_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class Layout:
  """One way of placing joints on a body.

  Attributes:
    name: the key in `LAYOUTS`.
    joints: joint names, in the order of the data's joint axis.
    bones: (child, parent) joint names; a tree with one root.
    center: the joint that normalisation subtracts.
    root_keeps_position: whether the bone stream holds the root's own
      coordinates at the root's place rather than zeros. True for the 17
      joints of UNIK, whose published script leaves joint 1 untouched.
  """

  name: str
  joints: tuple[str, ...]
  bones: tuple[tuple[str, str], ...]
  center: str
  root_keeps_position: bool = False

  def index(self, joint: str) -> int:
    """The place of `joint` on the joint axis; a UserError if it has none."""
    try:
      return self.joints.index(joint)
    except ValueError:
      raise UserError(
        f'layout {self.name!r} has no joint {joint!r}; it has: '
        + ', '.join(self.joints)
      ) from None

  @property
  def num_joints(self) -> int:
    return len(self.joints)

  @functools.cached_property
  def bone_indices(self) -> tuple[tuple[int, int], ...]:
    """Bones as (child, parent) indices."""
    return tuple((self.index(c), self.index(p)) for c, p in self.bones)

  @functools.cached_property
  def parents(self) -> tuple[int, ...]:
    """Each joint's parent by index; the root is its own."""
    parents = list(range(self.num_joints))
    for child, parent in self.bone_indices:
      parents[child] = parent
    return tuple(parents)

  @property
  def root(self) -> int:
    """The index of the joint that is nobody's child."""
    return next(j for j, p in enumerate(self.parents) if j == p)

  @functools.cached_property
  def left_right(self) -> tuple[tuple[int, int], ...]:
    """Pairs of indices (left, right) of joints that mirror each other."""
    return tuple(
      (j, self.index('right_' + name.removeprefix('left_')))
      for j, name in enumerate(self.joints)
      if name.startswith('left_')
    )


def _bones(text: str) -> tuple[tuple[str, str], ...]:
  """Reads 'child<parent' words, with l_ and r_ short for the sides."""

  def name(word):
    side = {'l_': 'left_', 'r_': 'right_'}.get(word[:2])
    return side + word[2:] if side else word

  return tuple(
    tuple(name(end) for end in word.split('<')) for word in text.split()
  )


def _joints(text: str) -> tuple[str, ...]:
  return tuple(joint for (joint,) in _bones(text))


_NTU_25 = Layout(
  name='ntu_25',  # Kinect v2
  joints=_joints(
    'spine_base spine_mid neck head'
    ' l_shoulder l_elbow l_wrist l_hand r_shoulder r_elbow r_wrist r_hand'
    ' l_hip l_knee l_ankle l_foot r_hip r_knee r_ankle r_foot'
    ' spine_shoulder l_hand_tip l_thumb r_hand_tip r_thumb'
  ),
  # The tips hang on each other as in the list that all papers share.
  bones=_bones(
    'spine_base<spine_mid spine_mid<spine_shoulder neck<spine_shoulder'
    ' head<neck l_shoulder<spine_shoulder l_elbow<l_shoulder'
    ' l_wrist<l_elbow l_hand<l_wrist r_shoulder<spine_shoulder'
    ' r_elbow<r_shoulder r_wrist<r_elbow r_hand<r_wrist'
    ' l_hip<spine_base l_knee<l_hip l_ankle<l_knee l_foot<l_ankle'
    ' r_hip<spine_base r_knee<r_hip r_ankle<r_knee r_foot<r_ankle'
    ' l_hand_tip<l_thumb l_thumb<l_hand r_hand_tip<r_thumb r_thumb<r_hand'
  ),
  center='spine_mid',
)

_UNIK_17 = Layout(
  name='unik_17',  # LCR-Net's 13 joints and four made from them
  joints=_joints(
    'head nose neck chest mid_hip l_shoulder r_shoulder l_elbow r_elbow'
    ' l_wrist r_wrist l_hip r_hip l_knee r_knee l_ankle r_ankle'
  ),
  bones=_bones(
    'mid_hip<chest chest<neck neck<nose nose<head'
    ' r_shoulder<neck r_elbow<r_shoulder r_wrist<r_elbow'
    ' l_shoulder<neck l_elbow<l_shoulder l_wrist<l_elbow'
    ' l_hip<mid_hip l_knee<l_hip l_ankle<l_knee'
    ' r_hip<mid_hip r_knee<r_hip r_ankle<r_knee'
  ),
  center='chest',
  root_keeps_position=True,
)

_LCRNET_13 = Layout(
  name='lcrnet_13',
  joints=_joints(
    'r_ankle l_ankle r_knee l_knee r_hip l_hip r_wrist l_wrist'
    ' r_elbow l_elbow r_shoulder l_shoulder head'
  ),
  bones=_bones(
    'r_shoulder<head l_shoulder<head r_elbow<r_shoulder l_elbow<l_shoulder'
    ' r_wrist<r_elbow l_wrist<l_elbow r_hip<r_shoulder l_hip<l_shoulder'
    ' r_knee<r_hip l_knee<l_hip r_ankle<r_knee l_ankle<l_knee'
  ),
  center='head',
)

_OPENPOSE_18 = Layout(
  name='openpose_18',
  joints=_joints(
    'nose neck r_shoulder r_elbow r_wrist l_shoulder l_elbow l_wrist'
    ' r_hip r_knee r_ankle l_hip l_knee l_ankle r_eye l_eye r_ear l_ear'
  ),
  bones=_bones(
    'r_wrist<r_elbow r_elbow<r_shoulder l_wrist<l_elbow l_elbow<l_shoulder'
    ' l_ankle<l_knee l_knee<l_hip r_ankle<r_knee r_knee<r_hip'
    ' l_hip<l_shoulder r_hip<r_shoulder l_shoulder<neck r_shoulder<neck'
    ' nose<neck l_eye<nose r_eye<nose l_ear<l_eye r_ear<r_eye'
  ),
  center='neck',
)

_COCO_17 = Layout(
  name='coco_17',
  joints=_joints(
    'nose l_eye r_eye l_ear r_ear l_shoulder r_shoulder l_elbow r_elbow'
    ' l_wrist r_wrist l_hip r_hip l_knee r_knee l_ankle r_ankle'
  ),
  bones=_bones(
    'l_ankle<l_knee l_knee<l_hip r_ankle<r_knee r_knee<r_hip'
    ' l_hip<l_shoulder r_hip<r_shoulder l_wrist<l_elbow l_elbow<l_shoulder'
    ' r_wrist<r_elbow r_elbow<r_shoulder l_shoulder<nose r_shoulder<nose'
    ' l_eye<nose l_ear<l_eye r_eye<nose r_ear<r_eye'
  ),
  center='nose',
)

_KINECT_20_BONES = _bones(
  'spine<hip_center shoulder_center<spine head<shoulder_center'
  ' l_shoulder<shoulder_center r_shoulder<shoulder_center'
  ' l_elbow<l_shoulder r_elbow<r_shoulder l_wrist<l_elbow r_wrist<r_elbow'
  ' l_hand<l_wrist r_hand<r_wrist l_hip<hip_center r_hip<hip_center'
  ' l_knee<l_hip r_knee<r_hip l_ankle<l_knee r_ankle<r_knee'
  ' l_foot<l_ankle r_foot<r_ankle'
)

_KINECT_20 = Layout(
  name='kinect_20',  # Kinect v1, in the order of its SDK
  joints=_joints(
    'hip_center spine shoulder_center head'
    ' l_shoulder l_elbow l_wrist l_hand r_shoulder r_elbow r_wrist r_hand'
    ' l_hip l_knee l_ankle l_foot r_hip r_knee r_ankle r_foot'
  ),
  bones=_KINECT_20_BONES,
  center='hip_center',
)

_MSR_20 = Layout(
  name='msr_20',  # Kinect v1, in the order of MSR-Action3D's files
  joints=_joints(
    'l_shoulder r_shoulder shoulder_center spine l_hip r_hip hip_center'
    ' l_elbow r_elbow l_wrist r_wrist l_hand r_hand'
    ' l_knee r_knee l_ankle r_ankle l_foot r_foot head'
  ),
  bones=_KINECT_20_BONES,
  center='hip_center',
)

LAYOUTS = {
  layout.name: layout
  for layout in (
    _NTU_25,
    _UNIK_17,
    _LCRNET_13,
    _OPENPOSE_18,
    _COCO_17,
    _KINECT_20,
    _MSR_20,
  )
}


def get_layout(name: str) -> Layout:
  """The layout of that name; a UserError names the known ones."""
  if name not in LAYOUTS:
    raise UserError(
      f'unknown joint layout {name!r}; known: {", ".join(sorted(LAYOUTS))}'
    )
  return LAYOUTS[name]
