"""What every prepared dataset holds, and the check each clip passes first.

A record is one clip:

  keypoints: (M, T, V, C) float32, tracked coordinates in the source's units;
    M persons (a missing one is all zeros), T frames as recorded, V joints,
    C channels.
  label: the class; subject: who acts, -1 where unknown; id: a unique name.
"""

import numpy as np
import tensorflow_datasets as tfds

from unik_jax.errors import UserError
from unik_jax.skeletons import get_layout


class ClipBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
  """A TFDS builder of skeleton clips; subclasses read one dataset's files."""

  def clip_info(
    self,
    *,
    layout: str,
    persons: int,
    channels: int,
    labels: list[str],
    description: str,
    units: str,
    homepage: str = '',
    citation: str = '',
  ) -> tfds.core.DatasetInfo:
    """The features above, with the layout and units kept as metadata.

    Args:
      layout: a key of `unik_jax.skeletons.LAYOUTS`.
      persons: M, how many persons a clip has room for.
      channels: C, coordinates (and confidence) per joint.
      labels: class names, in label order.
      description: what the dataset is.
      units: of the coordinates, such as 'metres'.
      homepage: where the authors describe the dataset.
      citation: BibTeX.

    Returns:
      The DatasetInfo for `_info`.
    """
    joints = get_layout(layout).num_joints
    return tfds.core.DatasetInfo(
      builder=self,
      description=description,
      features=tfds.features.FeaturesDict(
        {
          'id': tfds.features.Text(),
          'keypoints': tfds.features.Tensor(
            shape=(persons, None, joints, channels), dtype=np.float32
          ),
          'label': tfds.features.ClassLabel(names=labels),
          'subject': tfds.features.Scalar(dtype=np.int32),
        }
      ),
      metadata=tfds.core.MetadataDict(layout=layout, units=units),
      homepage=homepage or None,
      citation=citation or None,
      disable_shuffling=True,  # the loader shuffles; ids stay in order
    )


def check_clip(keypoints: np.ndarray, layout: str, where: str) -> np.ndarray:
  """Returns (M, T, V, C) keypoints as float32, or says what is wrong.

  Args:
    keypoints: one clip.
    layout: the joint layout that it must have.
    where: the file (and place in it) to name in the error.

  Raises:
    UserError: no frames, a wrong number of joints, a value that is not
      finite, or nothing but zeros.
  """
  keypoints = np.asarray(keypoints, np.float32)
  joints = get_layout(layout).num_joints
  if keypoints.ndim != 4 or keypoints.shape[2] != joints:
    raise UserError(
      f'{where}: keypoints of shape {keypoints.shape}, but layout {layout!r}'
      f' needs (persons, frames, {joints}, channels)'
    )
  if keypoints.shape[1] == 0:
    raise UserError(f'{where}: no frames; remove this clip or record it again')
  bad = np.argwhere(~np.isfinite(keypoints))
  if len(bad):
    m, t, v, _ = bad[0]
    raise UserError(
      f'{where}: NaN or infinity at person {m}, frame {t}, joint {v}'
      f' ({get_layout(layout).joints[v]}); write 0 for a missing joint'
    )
  if not keypoints[..., :2].any():  # a confidence may be there all the same
    raise UserError(f'{where}: every coordinate is zero; remove this clip')
  return keypoints
