"""Synthetic skeletons: the dataset that needs no download.

Twenty everyday and gymnastic actions by sixty synthetic people, made by
`unik_jax.data.synthetic` in seconds. It is what examples, tests and first runs
train on, and it can pre-train for recorded datasets of the same layout: none
of its actions occurs in MSR-Action3D.

    python -m unik_jax.prepare synthetic_skeletons
"""

import dataclasses

import tensorflow_datasets as tfds

from unik_jax.data import synthetic
from unik_jax.data.clips import ClipBuilder, check_clip

_DESCRIPTION = """\
One person performs one of twenty actions before a camera. Bodies, postures,
pace, amplitude, handedness, viewpoint, tracker noise and occlusion (joints
that are exactly zero for a while) vary. Subjects and the slices of camera yaw
(within 70 degrees of the front) are disjoint between splits. Several actions
are each other's time reversal, so that mean poses do not tell them apart.
"""


@dataclasses.dataclass
class Config(tfds.core.BuilderConfig):
  """The same performances through one kind of sensor.

  Attributes:
    layout: a key of `unik_jax.skeletons.LAYOUTS`.
    channels: 2 for image coordinates, 3 for metres.
    units: of the coordinates.
  """

  layout: str = ''
  channels: int = 3
  units: str = 'metres'


class Builder(ClipBuilder):
  """Builds the synthetic skeletons."""

  VERSION = tfds.core.Version('1.0.0')
  RELEASE_NOTES = {'1.0.0': 'Twenty actions, sixty subjects, three layouts.'}
  BUILDER_CONFIGS = [
    Config(
      name='unik_17_2d',
      description="UNIK's 17 joints in the image, as LCR-Net finds them.",
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

  def _split_generators(self, dl_manager):
    del dl_manager  # nothing to download
    return {split: self._generate_examples(split) for split in synthetic.SPLITS}

  def _generate_examples(self, split):
    config = self.builder_config
    for record in synthetic.generate_split(
      split, config.layout, config.channels
    ):
      check_clip(record['keypoints'], config.layout, record['id'])
      yield record['id'], record
