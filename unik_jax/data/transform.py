"""The transform of one clip, from prepared record to network input.

It has three steps, so that the last one can also run on an accelerator
(`on_device`): `standardize` is the same for every epoch, `choose` draws random
numbers, `finish` applies them.
"""

from typing import Any

import ml_collections
import numpy as np

from unik_jax.data import augment, gaps, sampling
from unik_jax.data.normalize import fit_axes, get_preset
from unik_jax.data.padding import repeat_tracks
from unik_jax.data.streams import get_stream
from unik_jax.errors import UserError
from unik_jax.skeletons import joint_maps
from unik_jax.skeletons.layouts import get_layout

# Config keys of the largest rotations, to their axes, in their order.
_ANGLES = {'rotate': 1, 'rotate_x': 0, 'rotate_z': 2}
WHOLE_CLIP = -1  # value of `test_frames`: each clip keeps its length


def frames_to_test(config: ml_collections.ConfigDict) -> int:
  """Returns the frames per test clip of a `data` config, or `WHOLE_CLIP`."""
  return config.test_frames or config.frames


def input_frames(config: ml_collections.ConfigDict) -> int:
  """Returns the number of frames in a network's input at test time.

  A network that is tested on whole clips has no fixed number; then this is the
  number that it was trained on.

  Args:
    config: the `data` part of a config.
  """
  frames = frames_to_test(config)
  return config.frames if frames == WHOLE_CLIP else frames


class Transform:
  """Maps (record, rng) to one row of a batch.

  The steps, in this order, with the config keys that control them:

  1. `standardize`: cut channels (`channels`); cut or zero-pad persons
     (`persons`); map joints to another layout (`joints`); drop empty frames at
     both ends (`trim`); repeat each track (`pad`); normalise coordinates
     (`normalize`) and divide them by `scale`; outside training, scale each axis
     (`fit_axes`).
  2. `choose`: sample frames (`sampling`, `frames`), and in training draw the
     augmentation (`window`, `stretch`; `random_move`, `rotate`, `rotate_x`,
     `rotate_z`, `rescale`, `flip`, `drop_joints`, `drop_limb`).
  3. `finish`: augment, in the order of these keys; scale each axis by the
     augmented clip's frames, sampled or not (`fit_axes`); derive the stream
     (`stream`).

  A confidence channel is cut, mapped, padded and sampled with the coordinates.
  It is not normalised, augmented or part of a stream.

  Args:
    config: the `data` part of a config.
    train: whether to augment, and to sample frames at random.

  Attributes:
    frames: frames of a clip after sampling, or `WHOLE_CLIP`.
    views: number of views per clip: 1 in training, else `test_clips` or
      `test_crops`.
    interpolates: whether sampled times can lie between two frames.
    needs_whole: whether `finish` needs all frames of a clip.

  Raises:
    UserError: a name is unknown, settings exclude each other, or one layout
      cannot be mapped to the other.
  """

  def __init__(self, config: ml_collections.ConfigDict, *, train: bool):
    self._config, self._train = config, train
    self._source = get_layout(config.layout)
    self._layout = get_layout(config.joints or config.layout)
    if self._source != self._layout:
      # Raises an error now, not at the first clip.
      joint_maps.map_weights(self._source, self._layout)
    self._normalize = get_preset(config.normalize)
    self._sample = sampling.get_sampler(config.sampling)
    self.interpolates = config.sampling == 'linear'
    self._stream = get_stream(config.stream)
    self._coordinates = config.channels - bool(config.confidence)
    angles = [key for key in _ANGLES if config[key]]
    if angles and self._coordinates != 3:
      raise UserError(
        f'config.data.{angles[0]}: expected 3-D data, got {self._coordinates}'
        ' coordinates. Set '
        + ' '.join(f'--config.data.{key}=0' for key in angles)
      )
    if config.fit_axes and config.random_move:
      raise UserError(
        'config.data.fit_axes: expected random_move to be off, since it moves'
        ' sampled frames and not the clip, got both. Leave one of them off'
      )
    self.needs_whole = train and config.fit_axes
    self.frames = config.frames if train else frames_to_test(config)
    self._crops = 1 if train else config.test_crops
    self.views = 1 if train else max(config.test_clips, config.test_crops)
    sampling.check_views(
      config.sampling, config.test_clips, config.test_crops, config.test_frames
    )

  def standardize(self, record: dict) -> np.ndarray:
    """Returns a record's clip (M, T, V, C), before frames are sampled."""
    config = self._config
    clip = record['keypoints'][: config.persons, ..., : config.channels]
    absent = config.persons - clip.shape[0]
    clip = np.pad(clip, ((0, absent), (0, 0), (0, 0), (0, 0)))
    clip = joint_maps.convert_clip(
      clip, self._source, self._layout, confidence=config.confidence
    )
    if config.trim:
      clip = clip[:, gaps.occupied_frames(clip[..., : self._coordinates])]
    if config.pad:
      clip = repeat_tracks(clip, config.pad)
    # Padding comes before normalisation, as in the published scripts: their
    # presets look for the first person in frame 0.
    clip, confidence = np.split(clip, [self._coordinates], -1)
    clip = self._normalize(clip, self._layout, record['image_size'])
    clip = clip / np.float32(config.scale)
    if config.fit_axes and not self._train:
      clip = fit_axes(clip)
    return np.concatenate([clip, confidence], -1)

  def output_length(self, frames: int) -> int:
    """Returns the frames after sampling of a clip with that many frames."""
    if self.frames == WHOLE_CLIP:
      return sampling.round_length(frames)
    return self.frames

  def choose(
    self, frames: int, rng: np.random.Generator | None, view: int = 0
  ) -> dict[str, Any]:
    """Chooses the frames and the augmentation of one view of a clip.

    Args:
      frames: length of the clip.
      rng: None at test time, unless frames are sampled at random.
      view: index of the window, if `test_crops` > 1.

    Returns:
      `times` (F,) from a sampler; in training also the arguments of the
      functions of `augment` that the config asks for.
    """
    config = self._config
    start, length = sampling.crop_window(frames, self.frames, view, self._crops)
    if self._train and config.window < 1:
      start, length = sampling.random_window(length, config.window, rng)
    times = start + self._sample(length, self.output_length(frames), rng)
    if not self._train:
      return {'times': times}
    if config.stretch:
      times = sampling.stretch_times(times, start, length, config.stretch, rng)
      times = times if self.interpolates else np.rint(times)
    choices = {'times': times}
    if config.random_move:
      choices['ends'] = augment.draw_move(rng)
    for key in _ANGLES:
      if config[key]:
        choices[key] = augment.draw_angle(rng, config[key])
    if config.rescale:
      choices['factor'] = augment.draw_factor(rng, *config.rescale)
    if config.flip:
      choices['flip'] = augment.draw_flip(rng, config.flip)
    if config.drop_joints or config.drop_limb:
      choices['kept'] = augment.draw_kept(
        rng, self._layout, config.drop_joints, config.drop_limb
      )
    return choices

  def finish(
    self, clip: Any, choices: dict[str, Any], whole: Any = None
  ) -> Any:
    """Augments a clip's sampled frames and derives the stream.

    Args:
      clip: (M, F, V, C), numpy's or JAX's.
      choices: from `choose`.
      whole: (M, T, V, C), all frames of the clip, if `needs_whole`. Frames of
        zeros may follow.

    Returns:
      (M, F, V, C), the network's input; the same kind of array as `clip`.
    """
    coordinates = self._augment(clip[..., : self._coordinates], choices)
    if self.needs_whole:
      whole = self._augment(whole[..., : self._coordinates], choices)
      coordinates = fit_axes(coordinates, whole)
    coordinates = self._stream(coordinates, self._layout)
    xp = clip.__array_namespace__()
    return xp.concatenate([coordinates, clip[..., self._coordinates :]], -1)

  def _augment(self, coordinates, choices):
    """Applies the augmentation that was drawn."""
    if 'ends' in choices:
      coordinates = augment.move_clip(coordinates, choices['ends'])
    for key, axis in _ANGLES.items():
      if key in choices:
        coordinates = augment.rotate_clip(coordinates, choices[key], axis)
    if 'factor' in choices:
      coordinates = augment.rescale_clip(coordinates, choices['factor'])
    if 'flip' in choices:
      coordinates = augment.flip_clip(
        coordinates, choices['flip'], self._layout
      )
    if 'kept' in choices:
      coordinates = augment.drop_clip(coordinates, choices['kept'])
    return coordinates

  def __call__(
    self, record: dict, rng: np.random.Generator | None = None, view: int = 0
  ) -> dict[str, np.ndarray]:
    """Applies all three steps on the host.

    Args:
      record: record of a prepared dataset.
      rng: see `choose`.
      view: see `choose`.

    Returns:
      `x` (M, F, V, C) float32 and `label` int32.
    """
    clip = self.standardize(record)
    choices = self.choose(clip.shape[1], rng, view)
    x = self.finish(
      sampling.take_frames(clip, choices['times']), choices, whole=clip
    )
    return {'x': np.float32(x), 'label': np.int32(record['label'])}
