"""MiniRocket and MultiRocket: random convolutions and a ridge classifier.

  Dempster et al., "MiniRocket", KDD 2021.
  Tan et al., "MultiRocket", DMKD 2022.

The classifiers are aeon's with their defaults. Their input is a clip's
coordinates over time, as the loader makes them: (M * V * C, T).

Shape legend: N clips, K classes, M persons, T frames, V joints, C coordinates.
"""

import contextlib
import importlib.metadata
import warnings
from collections.abc import Callable, Iterator

import numpy as np

from unik_jax.data.transform import Transform
from unik_jax.errors import UserError

FRAMES = 64
INSTALL = "pip install 'unik_jax[baseline]'"

_CLASSES = {
  'minirocket': 'MiniRocketClassifier',
  'multirocket': 'MultiRocketClassifier',
}


def installed_version() -> str:
  """Returns the version of aeon, which has the classifiers; '' without it."""
  try:
    return importlib.metadata.version('aeon')
  except importlib.metadata.PackageNotFoundError:
    return ''


def make_series(record: dict, transform: Transform) -> np.ndarray:
  """Returns a clip as time series (M * V * C, T), float32.

  Args:
    record: record of a prepared dataset.
    transform: makes the clip (M, T, V, C) of it.
  """
  clip = transform(record)['x']
  return clip.transpose(0, 2, 3, 1).reshape(-1, clip.shape[1])


def fit_rocket(
  name: str,
  series: np.ndarray,
  labels: np.ndarray,
  num_classes: int,
  seed: int,
) -> Callable[[np.ndarray], np.ndarray]:
  """Fits a classifier, on one core.

  Args:
    name: 'minirocket' or 'multirocket'.
    series: (N, M * V * C, T) float32.
    labels: (N,) class indices.
    num_classes: K.
    seed: seed of the random convolutions.

  Returns:
    A function from series of other clips to logits (N, K): the ridge
    classifier's distances. A class without training clips is never predicted.

  Raises:
    UserError: all training clips are of one class.
  """
  if len(np.unique(labels)) < 2:
    raise UserError(
      f'{name}: expected training clips of at least two classes, got one. Use'
      ' another training split'
    )
  with _quiet():
    from aeon.classification import convolution_based

    classifier = getattr(convolution_based, _CLASSES[name])(random_state=seed)
    classifier.fit(series, labels)
  classes = classifier.classes_

  def classify(series):
    with _quiet():
      # aeon's own probabilities are one-hot: the ridge classifier has none.
      distances = classifier.pipeline_.decision_function(series)
    if distances.ndim == 1:  # two classes: the distance of the second
      distances = np.stack([-distances, distances], 1)
    logits = np.full((len(series), num_classes), distances.min() - 1)
    logits[:, classes] = distances
    return logits

  return classify


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
  """Hides the warnings of numba's compiler and of what aeon imports."""
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    yield
