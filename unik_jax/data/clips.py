"""A clip between its raw file and the prepared dataset.

A builder lists `ClipFile`s. Its reader turns each one into a `Recording`, which
`read_clip` checks. The builder then writes a record:

  keypoints: (M, T, V, C) float32, tracked coordinates in the source's units:
    M persons (an absent one is all zeros), T frames as recorded, V joints,
    C channels.
  label: index of the class.
  subject: number of the acting person, -1 if unknown.
  id: a name that is unique in the dataset.
  image_size: (width, height) in pixels, zeros if unknown.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import Layout

# Of a coordinate. In millimetres it is a kilometre.
MAX_VALUE = 1e6
# The parts of a protocol; a clip is in one of them.
EVALUATED_PARTS = ('val', 'validation', 'test')
PARTS = ('train', *EVALUATED_PARTS)


@dataclasses.dataclass(frozen=True)
class ClipFile:
  """A clip as a builder lists it, before it is read.

  Attributes:
    id: unique in the dataset.
    source: argument of the builder's reader: a `raw_files.RawFile`, or any
      other small picklable object. Its `str` names the clip in errors.
    splits: all splits with this clip, such as ('xsub_train', 'xview_test').
    label: index of the class.
    subject: number of the acting person, -1 if unknown.
    image_size: (width, height) in pixels, zeros if unknown before reading.
  """

  id: str
  source: Any
  splits: tuple[str, ...]
  label: int
  subject: int = -1
  image_size: tuple[int, int] = (0, 0)


def parse_split(split: str) -> tuple[str, str]:
  """Returns the protocol and the part of a split's name.

  'xsub_test' is the part 'test' of the protocol 'xsub', and 'test' that of the
  protocol ''. Other names have the part ''.
  """
  protocol, _, part = split.rpartition('_')
  return (protocol, part) if part in PARTS else (split, '')


class Recording(NamedTuple):
  """The content of a clip's file.

  Attributes:
    keypoints: (M, T, V, C).
    image_size: (width, height) in pixels, if the file states it.
    units: units of the coordinates, if they may differ between clips.
    notes: sentences to show to the user.
  """

  keypoints: np.ndarray
  image_size: tuple[int, int] | None = None
  units: str = ''
  notes: tuple[str, ...] = ()


class Records(Protocol):
  """Records of clips by index, as `PreparedSplit` has them."""

  def __len__(self) -> int: ...

  def __getitem__(self, index: int, /) -> Any: ...


class LeftOut(Exception):
  """Raised by a reader if the dataset's own rules exclude a clip."""


def read_clip(
  clip: ClipFile,
  *,
  reader: Callable[[Any], Recording | np.ndarray],
  layout: Layout,
  persons: int,
  channels: int,
) -> Recording:
  """Reads and checks one clip; runs in worker processes.

  Args:
    clip: the clip to read.
    reader: called with `clip.source`.
    layout: joint layout of the dataset.
    persons: M; a clip with fewer persons is padded with zeros.
    channels: C.

  Returns:
    The recording, with M persons and an image size.

  Raises:
    UserError: the reader, `check_clip` or `check_image_size` raises it, or the
      clip has too many persons or another number of channels.
    LeftOut: the reader raises it.
  """
  recording = reader(clip.source)
  if not isinstance(recording, Recording):
    recording = Recording(recording)
  keypoints = check_clip(recording.keypoints, layout, str(clip.source))
  if len(keypoints) > persons or keypoints.shape[-1] != channels:
    raise UserError(
      f'{clip.source}: expected at most {persons} persons with {channels}'
      f' channels, got {len(keypoints)} persons with {keypoints.shape[-1]}'
    )
  size = recording.image_size or clip.image_size
  check_image_size(keypoints, size, str(clip.source))
  absent = persons - len(keypoints)
  keypoints = np.pad(keypoints, ((0, absent), (0, 0), (0, 0), (0, 0)))
  return recording._replace(keypoints=keypoints, image_size=size)


def summarize_notes(
  notes: Iterable[tuple[Any, Sequence[str]]],
) -> list[str]:
  """Returns each note once, with the first clip and the number of the others.

  Args:
    notes: pairs of a clip and its notes.
  """
  clips_by_note = {}
  for clip, texts in notes:
    for text in texts:
      clips_by_note.setdefault(text, []).append(clip)
  lines = []
  for text, clips in clips_by_note.items():
    others = len(clips) - 1
    more = f' (as in {others} other clip{"s" * (others > 1)})' if others else ''
    lines.append(f'{clips[0]}: {text}{more}')
  return lines


def check_clip(keypoints: np.ndarray, layout: Layout, where: str) -> np.ndarray:
  """Checks a clip and returns it as float32.

  Args:
    keypoints: (M, T, V, C).
    layout: the joint layout that the clip must have.
    where: the file and the place in it, for errors.

  Returns:
    (M, T, V, C) float32.

  Raises:
    UserError: the clip has no frames, another number of joints, a value that is
      not finite or beyond MAX_VALUE, or only zeros.
  """
  # A value too large for float32 becomes infinite, and is refused below.
  with np.errstate(over='ignore'):
    keypoints = np.asarray(keypoints, np.float32)
  if keypoints.ndim != 4 or keypoints.shape[2] != layout.num_joints:
    raise UserError(
      f'{where}: expected keypoints of shape (persons, frames,'
      f' {layout.num_joints}, channels) for layout {layout.name!r}, got'
      f' {keypoints.shape}'
    )
  if keypoints.shape[1] == 0:
    raise UserError(
      f'{where}: expected at least one frame, got no frames. Remove this clip'
    )
  if len(bad := np.argwhere(~(np.abs(keypoints) <= MAX_VALUE))):
    m, t, v, c = bad[0]
    raise UserError(
      f'{where}: expected finite values, at most {MAX_VALUE:g}, got'
      f' {keypoints[m, t, v, c]:g} at person {m}, frame {t}, joint {v}'
      f' ({layout.joints[v]}). Write 0 for a missing joint'
    )
  # Only x and y: a confidence can be present without coordinates.
  if not keypoints[..., :2].any():
    raise UserError(
      f'{where}: expected a visible joint, got only zeros. Remove this clip'
    )
  return keypoints


def check_image_size(
  keypoints: np.ndarray, size: Sequence[int], where: str
) -> None:
  """Raises a UserError if an image's width and height are swapped.

  They are if many joints are outside the image, and none are with the two
  exchanged. Estimators place few joints outside.

  Args:
    keypoints: (..., C). Joints at zero are missing.
    size: (width, height) in the units of the keypoints; zeros if unknown.
    where: the clip, for errors.
  """
  width, height = map(int, size)
  points = keypoints[..., :2]
  points = points[points.any(-1)]

  def outside(size):
    return (points > size).any(-1).mean()

  if width == height or not width or not len(points):
    return
  if outside((width, height)) > 0.05 and outside((height, width)) < 0.01:
    x, y = points.max(0)
    raise UserError(
      f'{where}: image size: expected joints within width {width} and height'
      f' {height}, got x up to {x:g} and y up to {y:g}. Exchange the two'
    )
