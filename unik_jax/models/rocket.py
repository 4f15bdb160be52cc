"""MiniRocket and MultiRocket: random convolutions and a ridge classifier.

  Dempster et al., "MiniRocket", KDD 2021.
  Tan et al., "MultiRocket", DMKD 2022.

The classifiers are aeon's with their defaults. Their input is a clip's
coordinates over time: (M * V * C, T). A fitted one is plain arrays, so that it
can be kept without code: aeon computes its features, and the ridge classifier
is a product of matrices.

Shape legend: N clips, K classes, S = M * V * C series, M persons, T frames, V
joints, C coordinates, F features.
"""

import contextlib
import importlib.metadata
import warnings
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from unik_jax.errors import UserError, check_choice
from unik_jax.models.options import ROCKETS

FRAMES = 64
INSTALL = "pip install 'unik_jax[baseline]'"

_CLASSES = {'minirocket': 'MiniRocket', 'multirocket': 'MultiRocket'}
_COLUMNS = 4096  # features that are multiplied at a time, to save memory
# Softmax of a ridge classifier's distances, which are within about -1 and 1,
# is far too even. A sharper one than the last would be certain of everything.
_TEMPERATURES = np.geomspace(0.5, 20, 60)


class Rocket(NamedTuple):
  """A fitted classifier.

  Attributes:
    name: one of `ROCKETS`.
    num_classes: K.
    seed: seed of the random convolutions.
    deviation: of the training clips' series, which are divided by it.
    kernels: arrays of the convolutions, as aeon has them; for MultiRocket also
      those of the series' differences.
    scale: (F,) divisor of the features.
    classes: indices of the classes that had training clips; k of them.
    weights: (k, F) of the ridge classifier.
    intercepts: (k,).
    alpha: strength of its regularisation, chosen on the training clips.
    temperature: factor of the logits, from `calibrate_rocket`.
  """

  name: str
  num_classes: int
  seed: int
  deviation: float
  kernels: tuple[tuple[np.ndarray, ...], ...]
  scale: np.ndarray
  classes: np.ndarray
  weights: np.ndarray
  intercepts: np.ndarray
  alpha: float
  temperature: float = 1.0

  def compute_features(self, series: np.ndarray) -> np.ndarray:
    """Returns the features (N, F), float32, of series (N, S, T)."""
    transformer = _make_transformer(self.name, self.seed)
    transformer._n_jobs = 1
    if self.name == 'minirocket':
      (transformer.parameters,) = self.kernels
    else:
      transformer.parameter, transformer.parameter1 = self.kernels
      transformer.random_state_ = self.seed
    with _quiet():
      return transformer._transform(np.float32(series / self.deviation))

  def __call__(self, series: np.ndarray) -> np.ndarray:
    """Returns logits (N, K) of series (N, S, T).

    They are the ridge classifier's distances, times the temperature. A class
    without training clips is never predicted.
    """
    features = self.compute_features(series)
    distances = self.intercepts + np.zeros((len(series), 1))
    for part in _column_blocks(len(self.scale)):
      block = np.float64(features[:, part]) / self.scale[part]
      distances += block @ self.weights[:, part].T
    lowest = distances.min(1, keepdims=True) - 1
    logits = np.repeat(lowest, self.num_classes, 1)
    logits[:, self.classes] = distances
    return self.temperature * logits

  def num_params(self) -> int:
    """Returns the number of fitted weights of the ridge classifier."""
    return self.weights.size + self.intercepts.size


def installed_version() -> str:
  """Returns the version of aeon, which has the classifiers; '' without it."""
  try:
    return importlib.metadata.version('aeon')
  except importlib.metadata.PackageNotFoundError:
    return ''


def make_series(clips_nmtvc: np.ndarray) -> np.ndarray:
  """Returns clips (N, M, T, V, C) as time series (N, S, T), float32."""
  n, _, frames, *_ = clips_nmtvc.shape
  series = np.moveaxis(np.float32(clips_nmtvc), 2, -1)
  return series.reshape(n, -1, frames)


def fit_rocket(
  name: str,
  series: np.ndarray,
  labels: np.ndarray,
  num_classes: int,
  seed: int,
) -> Rocket:
  """Fits a classifier, on one core.

  Args:
    name: one of `ROCKETS`.
    series: (N, S, T) float32.
    labels: (N,) class indices.
    num_classes: K.
    seed: seed of the random convolutions.

  Raises:
    UserError: all training clips are of one class.
  """
  check_choice('model.name', name, ROCKETS)
  if len(np.unique(labels)) < 2:
    raise UserError(
      f'{name}: expected training clips of at least two classes, got one. Use'
      ' another training split'
    )
  deviation = float(series.std()) or 1.0
  with _quiet():
    from aeon.classification import convolution_based

    classifier = getattr(convolution_based, f'{_CLASSES[name]}Classifier')
    classifier = classifier(random_state=seed)
    classifier.fit(series / np.float32(deviation), labels)
  transformer, ridge = classifier._transformer, classifier.estimator_
  weights = np.atleast_2d(ridge.coef_)
  intercepts = np.atleast_1d(ridge.intercept_)
  if len(weights) == 1:  # two classes: the distance of the second
    weights = np.concatenate([-weights, weights])
    intercepts = np.concatenate([-intercepts, intercepts])
  kernels = (
    (transformer.parameters,)
    if name == 'minirocket'
    else (transformer.parameter, transformer.parameter1)
  )
  return Rocket(
    name=name,
    num_classes=num_classes,
    seed=seed,
    deviation=deviation,
    kernels=kernels,
    scale=classifier._scaler.scale_,
    classes=np.asarray(classifier.classes_),
    weights=np.float64(weights),
    intercepts=np.float64(intercepts),
    alpha=float(ridge.alpha_),
  )


def calibrate_rocket(
  rocket: Rocket, series: np.ndarray, labels: np.ndarray
) -> Rocket:
  """Returns a classifier whose softmax are probabilities.

  Its temperature has the highest likelihood of the training clips' labels, each
  predicted by a classifier that was fitted without it. Predictions stay the
  same.

  Args:
    rocket: the classifier.
    series: (N, S, T) of its training clips.
    labels: (N,) class indices.
  """
  features = rocket.compute_features(series)
  left_out = leave_one_out(features, labels, rocket)
  truth = np.searchsorted(rocket.classes, labels)[:, None]

  def loss(temperature):
    logits = temperature * left_out
    logits = logits - logits.max(1, keepdims=True)
    total = np.log(np.exp(logits).sum(1))
    return np.mean(total - np.take_along_axis(logits, truth, 1)[:, 0])

  return rocket._replace(temperature=float(min(_TEMPERATURES, key=loss)))


def leave_one_out(
  features: np.ndarray, labels: np.ndarray, rocket: Rocket
) -> np.ndarray:
  """Returns (N, k) distances of a ridge classifier fitted without each clip.

  In closed form: with the hat matrix H of the fit to all clips, the residual of
  a clip that is left out is its residual / (1 - H_nn) (Allen's PRESS). With
  more features than clips, both are almost zero. So I - H = alpha G is computed
  without a difference: G is the inverse of the centred Gram matrix plus alpha,
  without the constant vector, which the intercept fits.

  Args:
    features: (N, F) of the training clips.
    labels: (N,) class indices.
    rocket: has the features' scale, the classes and the regularisation.
  """
  n = len(features)
  gram = np.zeros((n, n))
  for part in _column_blocks(features.shape[1]):
    block = np.float64(features[:, part]) / rocket.scale[part]
    block -= block.mean(0)
    gram += block @ block.T
  # The constant vector has the eigenvalue alpha alone. It gets a large one,
  # whose inverse is subtracted again.
  large = np.trace(gram) + rocket.alpha
  inverse = np.linalg.inv(gram + rocket.alpha * np.eye(n) + large / n)
  inverse -= 1 / (n * (large + rocket.alpha))
  targets = np.where(labels[:, None] == rocket.classes, 1.0, -1.0)
  return targets - inverse @ targets / np.diag(inverse)[:, None]


def to_arrays(rocket: Rocket) -> dict[str, np.ndarray]:
  """Returns a classifier as named arrays, for a file.

  They have the version of aeon, and the logits of made-up series, by which
  `from_arrays` notices another version's other features.
  """
  arrays = {
    key: np.array(value)
    for key, value in rocket._asdict().items()
    if key != 'kernels'
  }
  for i, kernel in enumerate(rocket.kernels):
    arrays |= {f'kernel_{i}_{j}': array for j, array in enumerate(kernel)}
  return arrays | {
    'aeon': np.array(installed_version()),
    'probe_logits': rocket(_make_probes(rocket)),
  }


def from_arrays(arrays: Mapping[str, np.ndarray], where: str) -> Rocket:
  """Returns the classifier of `to_arrays`.

  Args:
    arrays: the named arrays.
    where: their file, for errors.

  Raises:
    UserError: an array is missing, aeon is not installed, or its features are
      others than those of the version that fitted the classifier.
  """
  try:
    fields = {key: arrays[key] for key in Rocket._fields if key != 'kernels'}
    fields |= {
      key: kind(fields[key])
      for key, kind in Rocket.__annotations__.items()
      if kind in (str, int, float)
    }
    kernels = tuple(
      tuple(arrays[f'kernel_{i}_{j}'] for j in range(5))
      for i in range(1 + (fields['name'] == 'multirocket'))
    )
    rocket = Rocket(kernels=kernels, **fields)
    fitted_with, expected = str(arrays['aeon']), arrays['probe_logits']
  except (KeyError, TypeError, ValueError) as error:
    raise UserError(
      f'{where}: expected a fitted classifier, got {error!r}. Delete it, and'
      ' run the command that made it once more'
    ) from None
  check_installed(f'{where}: ')
  found = rocket(_make_probes(rocket))
  if not np.allclose(found, expected, atol=0.02 * np.ptp(expected)):
    raise UserError(
      f'{where}: expected the features of aeon {fitted_with}, which fitted it,'
      f' got others from aeon {installed_version()}. Install aeon=='
      f'{fitted_with}, or fit it again in another --workdir'
    )
  return rocket


def check_installed(prefix: str = '') -> None:
  """Raises a UserError if aeon is not installed."""
  if not installed_version():
    raise UserError(
      f'{prefix}MiniRocket and MultiRocket need aeon, which is not installed.'
      f' {INSTALL}'
    )


def _make_probes(rocket):
  """Returns made-up series (2, S, T), the same for each version of numpy."""
  # The convolutions do not see a series after the last that they sum.
  last = max(int(kernel[1].max()) for kernel in rocket.kernels)
  num_series = max(2, 1 + last)
  waves = np.sin(np.arange(2 * num_series * FRAMES) ** 1.5 / 100)
  waves = waves.reshape(2, num_series, FRAMES)
  return np.float32(rocket.deviation * waves)


def _make_transformer(name, seed):
  with _quiet():
    from aeon.transformations.collection import convolution_based

    return getattr(convolution_based, _CLASSES[name])(random_state=seed)


def _column_blocks(columns):
  return [slice(i, i + _COLUMNS) for i in range(0, columns, _COLUMNS)]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
  """Hides the warnings of numba's compiler and of what aeon imports."""
  with warnings.catch_warnings():
    warnings.simplefilter('ignore')
    yield
