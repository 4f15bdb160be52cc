"""Synthetic skeletons: a dataset without a download.

`unik_jax.data.synthetic` generates it in seconds: twenty everyday and gymnastic
actions of sixty synthetic people. Examples, tests and first runs train on it.
It can also pre-train for recorded datasets of the same layout. None of its
actions occurs in MSR-Action3D.

    python -m unik_jax.prepare synthetic_skeletons
"""

import dataclasses
import functools

import tensorflow_datasets as tfds

from unik_jax.data import synthetic
from unik_jax.data.builder import ClipBuilder

_DESCRIPTION = """\
One person performs one of twenty actions before a camera. Bodies, postures,
pace, amplitude, handedness, viewpoint, tracker noise and occlusion (joints
that are exactly zero for some frames) vary. No subject and no range of camera
yaw (within 70 degrees of the front) is in two splits. Some actions are the time
reversal of others, so that mean poses do not distinguish them.
"""


@dataclasses.dataclass
class Config(tfds.core.BuilderConfig):
  """The sensor that records the performances.

  Attributes:
    layout: a key of `unik_jax.skeletons.layouts.LAYOUTS`.
    channels: 2 for image coordinates, 3 for metres.
    units: of the coordinates.
  """

  layout: str = ''
  channels: int = 3
  units: str = 'metres'


class Builder(ClipBuilder):
  """Synthetic skeletons with splits by subject and camera."""

  VERSION = tfds.core.Version('1.1.0')
  RELEASE_NOTES = {'1.1.0': 'Image sizes; clips as bytes.'}
  # Worker processes import the main script. A user's script need not guard
  # against that to train on this dataset.
  parallel = False
  BUILDER_CONFIGS = [
    Config(
      name='unik_17_2d',
      description="UNIK's 17 joints in the image, as from LCR-Net.",
      layout='unik_17',
      channels=2,
      units='half image widths, from the centre, y downwards',
    ),
    Config(
      name='ntu_25_3d',
      description='25 joints in camera coordinates, as in NTU RGB+D.',
      layout='ntu_25',
    ),
    Config(
      name='msr_20_3d',
      description='20 joints in camera coordinates, as in MSR-Action3D.',
      layout='msr_20',
    ),
  ]

  def _info(self) -> tfds.core.DatasetInfo:
    config = self.builder_config
    return self.clip_info(
      layout=config.layout,
      persons=1,
      channels=config.channels,
      labels=list(synthetic.LABELS),
      description=_DESCRIPTION,
      units=config.units,
    )

  def list_clips(self, folder):
    del folder  # nothing to download
    return synthetic.list_episodes()

  def reader(self):
    config = self.builder_config
    return functools.partial(
      synthetic.read_episode, layout=config.layout, channels=config.channels
    )
