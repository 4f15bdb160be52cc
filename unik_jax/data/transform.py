"""What happens to a clip between a prepared dataset and a network.

In three steps, so that the last can be taken on an accelerator: what is the
same each time, random choices, and what follows from them.
"""

from typing import Any

import ml_collections
import numpy as np

from unik_jax.data import augment, gaps, sampling
from unik_jax.data.normalize import get_preset
from unik_jax.data.padding import repeat_tracks
from unik_jax.data.streams import get_stream
from unik_jax.errors import UserError
from unik_jax.skeletons import joint_maps
from unik_jax.skeletons.layouts import get_layout

WHOLE_CLIP = -1  # as `test_frames`: clips keep their length


def frames_to_test(config: ml_collections.ConfigDict) -> int:
  """Frames of a clip to test, by the `data` of a config; or `WHOLE_CLIP`."""
  return config.test_frames or config.frames


class Transform:
  """What happens to each clip, in this order.

  `standardize`: channels are cut to `channels`, persons cut or zero-padded to
  `persons`, joints mapped to another layout (`joints`), frames at both ends in
  which nobody is seen dropped (`trim`), each person's track repeated to `pad`
  frames, coordinates normalised and divided by `scale`. Then frames are
  sampled, as `choose` says; and `finish`: the clip is augmented (training
  only), and the stream made. A confidence channel is cut, mapped, padded and
  sampled with the coordinates, and otherwise left alone.

  Args:
    config: the `data` part of a config.
    train: whether random choices are made.

  Attributes:
    frames: of a clip at the end; `WHOLE_CLIP` for its own, rounded up.
    views: how often each clip is sampled, to test it.
    interpolates: whether there are times between two frames.

  Raises:
    UserError: an unknown name, settings that are at odds, or a layout that
      cannot be mapped to the other.
  """

  def __init__(self, config: ml_collections.ConfigDict, *, train: bool):
    self._config, self._train = config, train
    self._source = get_layout(config.layout)
    self._layout = get_layout(config.joints or config.layout)
    if self._source != self._layout:
      joint_maps.map_weights(self._source, self._layout)  # refuses what misfits
    self._normalize = get_preset(config.normalize)
    self._sample = sampling.get_sampler(config.sampling)
    self.interpolates = config.sampling == 'linear'
    self._stream = get_stream(config.stream)
    self._coordinates = config.channels - bool(config.confidence)
    if config.rotate and self._coordinates != 3:
      raise UserError('config.data.rotate needs 3-D data')
    self.frames = config.frames if train else frames_to_test(config)
    self._crops = 1 if train else config.test_crops
    self.views = 1 if train else max(config.test_clips, config.test_crops)
    sampling.check_views(
      config.sampling, config.test_clips, config.test_crops, config.test_frames
    )

  def standardize(self, record: dict) -> np.ndarray:
    """The clip (M, T, V, C) of a record, before its frames are sampled."""
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
    clip, confidence = np.split(clip, [self._coordinates], -1)
    clip = self._normalize(clip, self._layout, record['image_size'])
    return np.concatenate([clip / np.float32(config.scale), confidence], -1)

  def output_length(self, frames: int) -> int:
    """How many frames a clip of so many has at the end."""
    return (
      sampling.round_length(frames)
      if self.frames == WHOLE_CLIP
      else self.frames
    )

  def choose(
    self, frames: int, rng: np.random.Generator | None, view: int = 0
  ) -> dict[str, Any]:
    """What is drawn, or given, for one sampling of a clip.

    Args:
      frames: of the clip.
      rng: None at test time, unless frames are sampled at random.
      view: index of one of `test_crops`.

    Returns:
      `times` (F,) of the frames; in training also `ends`, `angle` and `factor`
      for `augment`, if the config asks for them.
    """
    config = self._config
    start, length = sampling.crop_window(frames, self.frames, view, self._crops)
    times = start + self._sample(length, self.output_length(frames), rng)
    choices = {'times': times}
    if self._train:
      if config.random_move:
        choices['ends'] = augment.draw_move(rng)
      if config.rotate:
        choices['angle'] = augment.draw_angle(rng, config.rotate)
      if config.rescale:
        choices['factor'] = augment.draw_factor(rng, *config.rescale)
    return choices

  def finish(self, clip: Any, choices: dict[str, Any]) -> Any:
    """What the network is given, of a clip's sampled frames (M, F, V, C).

    Args:
      clip: numpy's or JAX's; so is what is returned.
      choices: from `choose`.
    """
    coordinates, confidence = (
      clip[..., : self._coordinates],
      clip[..., self._coordinates :],
    )
    if 'ends' in choices:
      coordinates = augment.move_clip(coordinates, choices['ends'])
    if 'angle' in choices:
      coordinates = augment.rotate_clip(coordinates, choices['angle'])
    if 'factor' in choices:
      coordinates = augment.rescale_clip(coordinates, choices['factor'])
    coordinates = self._stream(coordinates, self._layout)
    xp = clip.__array_namespace__()
    return xp.concatenate([coordinates, confidence], -1)

  def __call__(
    self, record: dict, rng: np.random.Generator | None = None, view: int = 0
  ) -> dict[str, np.ndarray]:
    """`x` (M, F, V, C) and `label` of a record; arguments as of `choose`."""
    clip = self.standardize(record)
    choices = self.choose(clip.shape[1], rng, view)
    x = self.finish(sampling.take_frames(clip, choices['times']), choices)
    return {'x': np.float32(x), 'label': np.int32(record['label'])}
