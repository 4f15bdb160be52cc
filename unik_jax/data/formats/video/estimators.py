"""Pose estimators behind one interface.

An estimator is a function from an image (H, W, 3), uint8 in RGB, to the bodies
in it, (N, V, 3): x, y in pixels from the top left corner, and a confidence in
[0, 1]. To use another one, write a function like `load_rtmpose`, call it in
`load_estimator`, and set LAYOUT.
"""

from collections.abc import Callable
from importlib.util import find_spec

import numpy as np

from unik_jax.errors import UserError

Estimator = Callable[[np.ndarray], np.ndarray]

LAYOUT = 'coco_17'  # of the joints that `load_estimator`'s estimator returns
INSTALL = "pip install 'unik_jax[video]'"


def load_rtmpose() -> Estimator:
  """Returns RTMPose on the persons that YOLOX detects, with COCO's 17 joints.

  Both are from rtmlib (Apache-2.0), https://github.com/Tau-J/rtmlib, which
  downloads the weights to ~/.cache/rtmlib at the first use.

  Raises:
    UserError: rtmlib is not installed, or its weights cannot be downloaded.
  """
  check_installed()
  from rtmlib import Body

  try:
    body = Body(mode='balanced', backend='onnxruntime', device='cpu')
  except Exception as error:  # a failed download may raise anything
    raise UserError(
      'the weights of the pose estimator could not be downloaded or read'
      f' ({str(error)[:200]}). Connect to the network, or run an estimator'
      ' elsewhere and name its output instead of the video'
    ) from None

  def estimate(image: np.ndarray) -> np.ndarray:
    image = np.ascontiguousarray(image[..., ::-1])  # rtmlib takes BGR
    boxes = body.det_model(image)
    if not len(boxes):  # without boxes, it would take the whole image for one
      return np.zeros((0, 17, 3))
    points, scores = body.pose_model(image, bboxes=boxes)
    return np.concatenate([points, np.clip(scores, 0, 1)[..., None]], -1)

  return estimate


def check_installed() -> None:
  """Raises a UserError if the estimator's package is not installed."""
  if find_spec('rtmlib') is None:
    raise UserError(f'estimating poses needs rtmlib: {INSTALL}')


def load_estimator() -> Estimator:
  """Returns the estimator used for videos."""
  return load_rtmpose()
