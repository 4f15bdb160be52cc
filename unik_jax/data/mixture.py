"""Training batches of several datasets, one dataset in each."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict

from unik_jax.data import loader
from unik_jax.data.mesh_batches import MeshBatches
from unik_jax.data.prepared_split import PreparedSplit
from unik_jax.errors import name_dataset


class Mixture:
  """Draws the dataset of each step, and makes its batch.

  The order of the datasets depends only on the seed, and the batches of each
  only on the seed and their number. A run resumes at any step.

  Args:
    clips: training clips by dataset, in the order of `config.datasets`.
    config: the whole config.
    mesh: mesh of the batches.

  Attributes:
    steps_per_epoch: as many as all datasets together have whole batches.
    shares: probability of each dataset in a step.

  Raises:
    UserError: a dataset has fewer clips than a batch, or has no weight.
  """

  def __init__(
    self, clips: Mapping[str, PreparedSplit], config: ConfigDict, mesh: Mesh
  ):
    self._names, self._config = list(clips), config
    self._batches, steps, weights = {}, [], []
    for name, split in clips.items():
      data = config.datasets[name]
      with name_dataset(name):
        steps.append(loader.steps_per_epoch(split, config.batch_size))
        self._batches[name] = MeshBatches(split, data, mesh, train=True)
      weights.append(data.weight or len(split) ** 0.5)
    self.steps_per_epoch = sum(steps)
    self.shares = dict(
      zip(clips, np.divide(weights, sum(weights)).tolist(), strict=True)
    )

  def order(self, total: int) -> list[str]:
    """Returns the dataset of each of the first steps.

    Args:
      total: number of steps. The order of fewer steps is its beginning.
    """
    rng = np.random.default_rng(self._config.seed)
    shares = list(self.shares.values())
    drawn = rng.choice(len(shares), total, p=shares)
    return [self._names[i] for i in drawn]

  def batches(
    self, start: int, total: int
  ) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the dataset and the batch of each step.

    Args:
      start: first step.
      total: number of steps of the whole run.
    """
    order = self.order(total)
    batches = {
      name: source.train_batches(
        batch_size=self._config.batch_size,
        seed=self._config.seed,
        start=order[:start].count(name),
      )
      for name, source in self._batches.items()
    }
    for name in order[start:]:
      yield name, next(batches[name])

  def warm_steps(self, start: int, total: int) -> int:
    """Returns the steps from `start` until each dataset has had one."""
    order = self.order(total)[start:]
    return max((order.index(name) for name in set(order)), default=0) + 1
