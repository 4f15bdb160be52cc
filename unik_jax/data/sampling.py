"""From a clip of any length to a fixed number of frames.

Each sampler takes a clip (M, T, V, C), the number of frames F, and a random
generator, or None at test time, and returns (M, F, V, C).
"""

from collections.abc import Callable

import numpy as np

from unik_jax.errors import UserError

Sampler = Callable[[np.ndarray, int, np.random.Generator | None], np.ndarray]


def crop(
  clip: np.ndarray, frames: int, rng: np.random.Generator | None
) -> np.ndarray:
  """A run of frames; a shorter clip is padded with zeros.

  With `rng` the run, or the clip's place within the zeros, starts anywhere
  (the official `random_choose`); without, both start at the first frame.
  """
  spare = frames - clip.shape[1]
  start = 0 if rng is None else int(rng.integers(abs(spare) + 1))
  if spare <= 0:
    return clip[:, start : start + frames]
  return np.pad(clip, ((0, 0), (start, spare - start), (0, 0), (0, 0)))


def repeat(
  clip: np.ndarray, frames: int, rng: np.random.Generator | None
) -> np.ndarray:
  """A run of frames as in `crop`; a shorter clip starts over until full."""
  if clip.shape[1] >= frames:
    return crop(clip, frames, rng)
  return clip[:, np.arange(frames) % clip.shape[1]]


def linear(
  clip: np.ndarray, frames: int, rng: np.random.Generator | None
) -> np.ndarray:
  """The whole clip, resampled in time by linear interpolation."""
  del rng
  where = np.linspace(0, clip.shape[1] - 1, frames)
  before = np.floor(where).astype(int)
  after = np.minimum(before + 1, clip.shape[1] - 1)
  part = (where - before).astype(clip.dtype)[:, None, None]
  return clip[:, before] * (1 - part) + clip[:, after] * part


def uniform(
  clip: np.ndarray, frames: int, rng: np.random.Generator | None
) -> np.ndarray:
  """One frame from each of F equal stretches of the clip.

  With `rng` a random frame of the stretch, without its middle one. A clip
  shorter than F repeats frames.
  """
  inside = np.full(frames, 0.5) if rng is None else rng.random(frames)
  where = (np.arange(frames) + inside) * clip.shape[1] / frames
  return clip[:, np.minimum(where.astype(int), clip.shape[1] - 1)]


SAMPLERS: dict[str, Sampler] = {
  'crop': crop,
  'repeat': repeat,
  'linear': linear,
  'uniform': uniform,
}


def window(clip: np.ndarray, frames: int, index: int, count: int) -> np.ndarray:
  """One of some evenly spaced runs of frames, for `crop` and `repeat` to test.

  The first begins with the clip, and the last ends with it. A clip that is not
  longer than that stays as it is, each time.

  Args:
    clip: (M, T, V, C).
    frames: of a run.
    index: of the run.
    count: of the runs; where it is 1, the clip stays as it is.

  Returns:
    (M, min(T, frames), V, C); or `clip`.
  """
  if count == 1:
    return clip
  spare = max(clip.shape[1] - frames, 0)
  start = index * spare // (count - 1)
  return clip[:, start : start + frames]


def check_views(sampling: str, test_clips: int, test_crops: int) -> None:
  """Raises a UserError where a clip cannot be tested several times like that.

  Args:
    sampling: name of a sampler.
    test_clips: random samplings of a clip.
    test_crops: windows of a clip.
  """
  if test_crops == 1:
    return
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
