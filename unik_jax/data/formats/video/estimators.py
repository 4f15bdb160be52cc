"""Pose estimators, behind one interface.

An estimator is a function of an image (H, W, 3), uint8, red green blue, to the
bodies in it, (N, V, 3): x, y in pixels from the top left corner, and a
confidence within [0, 1]. Another one is a function that makes it, and its name
in the place of `rtmpose` in `make`.
"""

from collections.abc import Callable

import numpy as np

from unik_jax.errors import UserError

Estimator = Callable[[np.ndarray], np.ndarray]

LAYOUT = 'coco_17'  # of the joints that `make`'s estimator finds
INSTALL = "pip install 'unik_jax[video]'"


def rtmpose() -> Estimator:
  """RTMPose on the persons that YOLOX detects, of rtmlib (Apache-2.0), COCO-17.

  rtmlib fetches the weights when it is first used, and keeps them in
  ~/.cache/rtmlib.

  Raises:
    UserError: it is not installed, or its weights cannot be fetched.
  """
  try:
    from rtmlib import Body
  except ImportError:
    raise UserError(f'estimating poses takes rtmlib: {INSTALL}') from None
  try:
    body = Body(mode='balanced', backend='onnxruntime', device='cpu')
  except Exception as error:  # of a download that fails, of any kind
    raise UserError(
      f'the weights of the pose estimator could not be fetched or read'
      f' ({str(error)[:200]}); connect to the network, or run an estimator'
      ' elsewhere and name its output instead of the video'
    ) from None

  def estimate(image: np.ndarray) -> np.ndarray:
    image = np.ascontiguousarray(image[..., ::-1])
    boxes = body.det_model(image)
    if not len(boxes):  # of no box it would make one of the whole image
      return np.zeros((0, 17, 3))
    points, scores = body.pose_model(image, bboxes=boxes)
    return np.concatenate([points, np.clip(scores, 0, 1)[..., None]], -1)

  return estimate


def make() -> Estimator:
  """The estimator that videos are looked at with."""
  return rtmpose()
