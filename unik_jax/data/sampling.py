"""From a clip of any length to a fixed number of frames.

A sampler takes the length T of a clip, the number of frames F, and a random
generator, or None at test time. It returns (F,) times in frames of the clip,
from 0; a whole number is a frame, what lies before the first frame or after
the last is zeros. `take_frames` makes the frames.
"""

from collections.abc import Callable

import numpy as np

from unik_jax.errors import UserError

Sampler = Callable[[int, int, np.random.Generator | None], np.ndarray]


def crop(
  length: int, frames: int, rng: np.random.Generator | None
) -> np.ndarray:
  """A run of frames; a shorter clip is padded with zeros.

  With `rng` the run, or the clip's place within the zeros, starts anywhere
  (the official `random_choose`); without, both start at the first frame.
  """
  spare = length - frames
  start = 0 if rng is None else int(rng.integers(abs(spare) + 1))
  return np.arange(frames) + (start if spare >= 0 else -start)


def repeat(
  length: int, frames: int, rng: np.random.Generator | None
) -> np.ndarray:
  """A run of frames as in `crop`; a shorter clip starts over until full."""
  if length >= frames:
    return crop(length, frames, rng)
  return np.arange(frames) % length


def linear(
  length: int, frames: int, rng: np.random.Generator | None
) -> np.ndarray:
  """The whole clip, resampled in time by linear interpolation."""
  del rng
  return np.linspace(0, length - 1, frames)


def uniform(
  length: int, frames: int, rng: np.random.Generator | None
) -> np.ndarray:
  """One frame from each of F equal stretches of the clip.

  With `rng` a random frame of the stretch, without its middle one. A clip
  shorter than F repeats frames.
  """
  inside = np.full(frames, 0.5) if rng is None else rng.random(frames)
  times = (np.arange(frames) + inside) * length / frames
  return np.minimum(times.astype(int), length - 1)


SAMPLERS: dict[str, Sampler] = {
  'crop': crop,
  'repeat': repeat,
  'linear': linear,
  'uniform': uniform,
}


def split_times(
  times: np.ndarray, length: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
  """Times as what is to be taken of a clip of `length` frames.

  Returns:
    Each (F,): the frame before each time and the one after it, the part of the
    way between them, and whether the time is within the clip. Where it is not,
    the frames are any.
  """
  whole = np.floor(times).astype(int)
  before = whole.clip(0, length - 1)
  after = np.minimum(before + 1, length - 1)
  return before, after, times - whole, (times >= 0) & (times <= length - 1)


def take_frames(clip: np.ndarray, times: np.ndarray) -> np.ndarray:
  """The frames (M, F, V, C) of a clip (M, T, V, C) at some times."""
  before, after, part, inside = split_times(times, clip.shape[1])
  taken = clip[:, before]
  if part.any():
    part = part.astype(clip.dtype)[:, None, None]
    taken = taken * (1 - part) + clip[:, after] * part
  return taken if inside.all() else np.where(inside[:, None, None], taken, 0)


def crop_window(
  length: int, frames: int, index: int, count: int
) -> tuple[int, int]:
  """One of some evenly spaced runs of frames, for `crop` and `repeat` to test.

  The first begins with the clip, and the last ends with it. A clip that is not
  longer than that stays as it is, each time.

  Args:
    length: of the clip.
    frames: of a run.
    index: of the run.
    count: of the runs; where it is 1, the clip stays as it is.

  Returns:
    Its first frame, and how many it has.
  """
  if count == 1:
    return 0, length
  spare = max(length - frames, 0)
  return index * spare // (count - 1), length - spare


def round_length(length: int) -> int:
  """A clip's length, rounded up to 2^k or 3 * 2^k: few shapes to compile."""
  power = 1 << (length - 1).bit_length()
  three = power // 4 * 3
  return three if length <= three else power


def check_views(
  sampling: str, test_clips: int, test_crops: int, test_frames: int = 0
) -> None:
  """Raises a UserError where a clip cannot be tested several times like that.

  Args:
    sampling: name of a sampler.
    test_clips: random samplings of a clip.
    test_crops: windows of a clip.
    test_frames: of each; -1 for whole clips.
  """
  if test_crops == 1:
    return
  if test_frames < 0:
    raise UserError(
      f'config.data.test_crops is {test_crops}, but test_frames is'
      f' {test_frames}, which takes whole clips; leave one of them out'
    )
  if sampling not in ('crop', 'repeat'):
    raise UserError(
      f'config.data.test_crops is {test_crops}, but sampling {sampling!r} takes'
      ' the whole clip; use --config.data.test_clips with uniform, or sampling'
      ' crop or repeat'
    )
  if test_clips > 1:
    raise UserError(
      f'config.data.test_crops is {test_crops} and test_clips is {test_clips};'
      ' leave one of them at 1'
    )


def get_sampler(name: str) -> Sampler:
  """The sampler of that name; a UserError names the known ones."""
  if name not in SAMPLERS:
    raise UserError(
      f'data.sampling is {name!r}; use one of {", ".join(SAMPLERS)}'
    )
  return SAMPLERS[name]
