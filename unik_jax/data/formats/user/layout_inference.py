"""The joint layout of a clip, inferred from its format or joint count."""

from unik_jax.data.formats.user.keypoints import ParsedClip
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import BUILT_IN, LAYOUTS, Layout


def infer_layout(clip: ParsedClip, where: str) -> Layout:
  """Returns the built-in layout of a clip.

  Args:
    clip: the parsed clip.
    where: the file, for errors.

  Raises:
    UserError: neither the format nor the joint count determines one layout.
  """
  _, frames, joints, _ = clip.keypoints.shape
  names = [clip.layout] if clip.layout else layouts_with_joints(joints)
  if len(names) != 1:
    is_transposed = bool(layouts_with_joints(frames))
    raise UserError(
      f'{where}: {joints} joints; {advise_on_layout(joints, is_transposed)}'
    )
  return LAYOUTS[names[0]]


def layouts_with_joints(joints: int) -> list[str]:
  """Returns the names of the built-in layouts with that number of joints."""
  return sorted(n for n in BUILT_IN if LAYOUTS[n].num_joints == joints)


def advise_on_layout(joints: int, is_transposed: bool) -> str:
  """Returns a remedy for an unknown or unexpected number of joints.

  Args:
    joints: number of joints in the clip.
    is_transposed: whether the axes of frames and joints may be swapped.
  """
  names = layouts_with_joints(joints)
  order = ''
  if is_transposed:
    order = 'is the order (frames, joints, channels)? If it is, '
  if not names:
    return (
      f'{order}no built-in layout has {joints} joints: describe yours in'
      ' layout.yaml, as docs/own_data.md shows'
    )
  return (
    f'{order}built-in layouts with {joints} joints: {", ".join(names)}. Write'
    f' yours into layout.yaml in the folder of the clips, as in `layout:'
    f' {names[0]}`, or describe another one there'
  )
