"""TFDS configs of the datasets that have LCR-Net's 2-D and 3-D poses."""

import dataclasses

import tensorflow_datasets as tfds


@dataclasses.dataclass
class PoseConfig(tfds.core.BuilderConfig):
  """2-D poses (in the image) or 3-D poses (in space).

  Attributes:
    channels: C, coordinates per joint.
    units: units of the coordinates.
  """

  channels: int = 2
  units: str = 'pixels'


def make_pose_configs() -> list[PoseConfig]:
  """Returns configs '2d' and '3d', the `channels` of `lcrnet.read_poses`."""
  return [
    PoseConfig(
      name='2d',
      description='x, y in pixels: the input that UNIK was published with.',
    ),
    PoseConfig(
      name='3d',
      description='x, y, z relative to the body, as estimated by LCR-Net++.',
      channels=3,
      units="as LCR-Net's pose3d, about metres",
    ),
  ]
