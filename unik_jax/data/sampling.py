"""Frame samplers: a clip of any length to a fixed number of frames.

A sampler takes the clip's length T, the number of frames F and a random
generator (None: no random sampling). It returns (F,) times in [0, T - 1]; a
fraction lies between two frames. Times outside this range stand for frames of
zeros. `take_frames` turns times into frames.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from unik_jax.errors import UserError, check_choice

Sampler = Callable[[int, int, np.random.Generator | None], np.ndarray]


def crop(
  length: int, frames: int, rng: np.random.Generator | None
) -> np.ndarray:
  """Takes F consecutive frames; pads a shorter clip with zeros.

  Random sampling draws the window's start, and a shorter clip's place between
  the zeros (the official `random_choose`). Without it, both start at the clip's
  first frame.
  """
  spare = length - frames
  start = 0 if rng is None else int(rng.integers(abs(spare) + 1))
  return np.arange(frames) + (start if spare >= 0 else -start)


def repeat(
  length: int, frames: int, rng: np.random.Generator | None
) -> np.ndarray:
  """Takes F consecutive frames, as `crop` does. Repeats a shorter clip."""
  if length >= frames:
    return crop(length, frames, rng)
  return np.arange(frames) % length


def linear(
  length: int, frames: int, rng: np.random.Generator | None
) -> np.ndarray:
  """Resamples the whole clip to F frames by linear interpolation in time.

  Where a joint is missing (all zeros) in one of the two frames around a time,
  it is taken from the nearer one, and from the later one halfway.
  """
  del rng
  return np.linspace(0, length - 1, frames)


def uniform(
  length: int, frames: int, rng: np.random.Generator | None
) -> np.ndarray:
  """Takes one frame from each of F equal segments of the clip.

  Random sampling takes a random frame of each segment. Without it, the middle
  frame is taken. A clip shorter than F repeats frames.
  """
  inside = np.full(frames, 0.5) if rng is None else rng.random(frames)
  times = (np.arange(frames) + inside) * length / frames
  return np.minimum(times.astype(int), length - 1)


def random(
  length: int, frames: int, rng: np.random.Generator | None
) -> np.ndarray:
  """Takes F random frames in their order; a frame may come several times.

  Without random sampling, the frames are evenly spaced from the first to the
  last. As CTR-GCN's feeder for NW-UCLA does.
  """
  if rng is None:
    return np.linspace(0, length - 1, frames).astype(int)
  return np.sort(rng.integers(length, size=frames))


SAMPLERS: dict[str, Sampler] = {
  'crop': crop,
  'repeat': repeat,
  'linear': linear,
  'uniform': uniform,
  'random': random,
}


def random_window(
  length: int, least: float, rng: np.random.Generator
) -> tuple[int, int]:
  """Draws a window of a clip: its first frame, and its number of frames.

  Args:
    length: length of the clip, in frames.
    least: least share of the clip's frames, in (0, 1].
    rng: the random generator.
  """
  kept = max(round(length * rng.uniform(least, 1)), 1)
  return int(rng.integers(length - kept + 1)), kept


_STRETCHES = 4  # parts of a clip with a speed of their own


def stretch_times(
  times: np.ndarray, first: int, length: int, size: float, rng
) -> np.ndarray:
  """Makes parts of a window faster and others slower.

  The window is cut into four equal parts, whose durations are multiplied by
  random factors of median 1 and then fill the window again.

  Args:
    times: (F,) within the window.
    first: first frame of the window.
    length: number of frames of the window.
    size: standard deviation of the factors' logarithms.
    rng: the random generator.

  Returns:
    (F,), in the same order. Times outside the window do not change.
  """
  factors = np.exp(size * rng.standard_normal(_STRETCHES))
  ends = np.concatenate([[0], np.cumsum(factors)]) / factors.sum()
  last = max(length - 1, 1)
  share = (times - first) / last
  inside = (share >= 0) & (share <= 1)
  even = np.linspace(0, 1, _STRETCHES + 1)
  stretched = first + last * np.interp(share, ends, even)
  return np.where(inside, np.minimum(stretched, first + length - 1), times)


def split_times(
  times: np.ndarray, length: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
  """Splits times into frame indices and interpolation weights.

  Args:
    times: (F,) from a sampler.
    length: number of frames of the clip.

  Returns:
    Four arrays (F,): the index of the frame before each time, the index of the
    frame after it, the weight of the latter in [0, 1), and whether the time is
    inside the clip. Indices of times outside are undefined.
  """
  floor = np.floor(times).astype(int)
  before = floor.clip(0, length - 1)
  after = np.minimum(before + 1, length - 1)
  return before, after, times - floor, (times >= 0) & (times <= length - 1)


def take_frames(clip: np.ndarray, times: np.ndarray) -> np.ndarray:
  """Returns the frames of a clip at some times.

  Args:
    clip: (M, T, V, C).
    times: (F,) from a sampler.

  Returns:
    (M, F, V, C), interpolated between two frames (`mix_frames`); zeros outside
    the clip.
  """
  before, after, part, inside = split_times(times, clip.shape[1])
  taken = clip[:, before]
  if part.any():
    part = part.astype(clip.dtype)[:, None, None]
    taken = mix_frames(taken, clip[:, after], part)
  return taken if inside.all() else np.where(inside[:, None, None], taken, 0)


def mix_frames(before: Any, after: Any, part: Any) -> Any:
  """Interpolates joints that both frames have; takes others from the nearer.

  Zeros mark an absent person and a missing joint. Halfway between zeros and a
  body, there is nobody.

  Args:
    before: frames (..., V, C), numpy's or JAX's.
    after: the frames that follow them, of the same shape.
    part: weight of `after` in [0, 1), broadcast to (..., V, C).

  Returns:
    (..., V, C), the same kind of array as `before`.
  """
  xp = before.__array_namespace__()
  both = before.any(-1, keepdims=True) & after.any(-1, keepdims=True)
  weight = xp.where(both, part, part >= 0.5)
  return before * (1 - weight) + after * weight


def crop_window(
  length: int, frames: int, index: int, count: int
) -> tuple[int, int]:
  """Returns one of `count` evenly spaced windows of a test clip.

  The first window starts at the clip's first frame, the last one ends at its
  last frame. If the clip is not longer than a window, or `count` is 1, every
  window is the whole clip.

  Args:
    length: length of the clip, in frames.
    frames: number of frames of a window.
    index: index of the window, from 0.
    count: number of windows.

  Returns:
    The window's first frame, and its number of frames.
  """
  if count == 1:
    return 0, length
  spare = max(length - frames, 0)
  return index * spare // (count - 1), length - spare


def round_length(length: int) -> int:
  """Rounds a clip's length up to 2^k or 3 * 2^k, to compile few shapes."""
  power = 1 << (length - 1).bit_length()
  three = power // 4 * 3
  return three if length <= three else power


def check_views(
  sampling: str, test_clips: int, test_crops: int, test_frames: int = 0
) -> None:
  """Checks that the settings for several views of a test clip fit together.

  Args:
    sampling: name of a sampler.
    test_clips: number of random samplings of a clip.
    test_crops: number of windows of a clip.
    test_frames: frames of each view; -1 for whole clips.

  Raises:
    UserError: the settings exclude each other.
  """
  if test_crops == 1:
    return
  where = f'config.data.test_crops is {test_crops}'
  if test_frames < 0:
    raise UserError(
      f'{where}: expected test_frames of 0 or more, got {test_frames} (whole'
      ' clips). Set only one of the two'
    )
  if sampling not in ('crop', 'repeat'):
    raise UserError(
      f'{where}: expected sampling crop or repeat, got {sampling!r}, which'
      ' takes the whole clip. With uniform, use --config.data.test_clips'
    )
  if test_clips > 1:
    raise UserError(
      f'{where}: expected test_clips of 1, got {test_clips}. Leave one of the'
      ' two at 1'
    )


def get_sampler(name: str) -> Sampler:
  """Returns the sampler with this name.

  Raises:
    UserError: the name is unknown.
  """
  check_choice('config.data.sampling', name, SAMPLERS)
  return SAMPLERS[name]
