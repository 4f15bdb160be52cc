"""The training state, and one optimizer step as a pure function of it."""

import dataclasses
import math
import pathlib
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from unik_jax.errors import UserError
from unik_jax.models.network import Network
from unik_jax.models.vocabulary import DatasetNetwork

_MIXING = 2**31 - 1  # tells mixup's random numbers from those of dropout


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class TrainState:
  """Everything that training changes, as plain pytrees.

  Attributes:
    step: optimizer steps taken.
    params: trainable values.
    batch_stats: batch norm's running statistics.
    opt_state: optax's state.
    ema: exponential moving average of (params, batch_stats), or None.
  """

  step: jax.Array
  params: Any
  batch_stats: Any
  opt_state: Any
  ema: Any

  def for_evaluation(self) -> tuple[Any, Any]:
    """Returns the (params, batch_stats) that are evaluated."""
    return self.ema or (self.params, self.batch_stats)


def select_tuned(params: dict, tune: str) -> dict:
  """Returns the part of the parameters that training changes.

  Args:
    params: parameters of the network.
    tune: 'all', or 'head' for a linear probe.

  Raises:
    UserError: `tune` is neither.
  """
  if tune not in ('all', 'head'):
    raise UserError(f'config.tune: expected all or head, got {tune!r}')
  return params if tune == 'all' else {'head': params['head']}


def make_init_state(
  optimizer: optax.GradientTransformation,
  *,
  ema: float = 0.0,
  tune: str = 'all',
) -> Callable[[Any, Any], TrainState]:
  """Returns a function of (params, batch_stats) to the first training state.

  Args:
    optimizer: optax's transformation; it has state for tuned parameters only.
    ema: decay of the averaged weights; 0 for no average.
    tune: as in `select_tuned`.
  """

  def init_state(params, batch_stats):
    # Copied: the train step donates its state, and a buffer that appears twice
    # in it cannot be donated.
    average = None
    if ema:
      average = jax.tree.map(jnp.copy, (params, batch_stats))
    opt_state = optimizer.init(select_tuned(params, tune))
    step = jnp.zeros((), jnp.int32)
    return TrainState(step, params, batch_stats, opt_state, average)

  return init_state


def make_train_step(
  net: Network | DatasetNetwork,
  optimizer: optax.GradientTransformation,
  *,
  label_smoothing: float = 0.0,
  mixup: float = 0.0,
  ema: float = 0.0,
  tune: str = 'all',
  accumulate: int = 1,
  seed: int = 0,
) -> Callable[[TrainState, dict], tuple[TrainState, dict]]:
  """Returns one optimizer step: (state, batch) to (state, metrics).

  Args:
    net: the network.
    optimizer: optax's transformation, learning rate included.
    label_smoothing: share of the target spread evenly over all classes.
    mixup: parameter of `draw_mixing`; 0 for none.
    ema: decay of the averaged weights; 0 for no average.
    tune: as in `select_tuned`. With 'head', batch norm uses its running
      statistics and does not update them, and nothing is dropped out.
    accumulate: number of parts of the batch, computed one after the other. The
      gradient is the mean over parts, and batch norm sees one part at a time.
    seed: random seed of dropout and mixup.
  """
  trains_all = tune == 'all'

  def part_of_step(params, batch_stats, batch, key):
    """Returns the gradient, new batch statistics and metrics of some clips."""
    x, mix = batch['x'], lambda a: a
    if mixup:
      mix = draw_mixing(jax.random.fold_in(key, _MIXING), len(x), mixup)

    def loss_fn(tuned):
      logits, new_stats = net.apply(
        {**params, **tuned},
        batch_stats,
        mix(x),
        train=trains_all,
        key=key if trains_all else None,
      )
      targets = jax.nn.one_hot(
        batch['label'], logits.shape[-1], dtype=logits.dtype
      )
      targets = mix(targets)
      targets = optax.smooth_labels(targets, label_smoothing)
      # Logits of a network's branches are (N, S, K). The losses are summed, so
      # that each branch has the gradient that it would have alone.
      logits = logits.reshape(len(x), -1, logits.shape[-1])
      losses = optax.softmax_cross_entropy(logits, targets[:, None]).mean(0)
      top1 = (logits.mean(1).argmax(-1) == batch['label']).mean()
      return losses.sum(), (new_stats, {'loss': losses.mean(), 'top1': top1})

    grad = jax.grad(loss_fn, has_aux=True)
    grads, (new_stats, metrics) = grad(select_tuned(params, tune))
    return grads, new_stats, metrics

  def all_parts(params, batch_stats, batch, key):
    """Does the same as `part_of_step`, in `accumulate` parts."""
    # Part i takes rows i, i + accumulate, ... The batch is sharded in
    # contiguous blocks, so every part has rows on each device and no row moves.
    parts = jax.tree.map(
      lambda a: a.reshape(-1, accumulate, *a.shape[1:]).swapaxes(0, 1), batch
    )

    def add_part(carry, part):
      stats, total, i = carry
      part_key = jax.random.fold_in(key, i)
      grads, stats, metrics = part_of_step(params, stats, part, part_key)
      total = jax.tree.map(jnp.add, total, (grads, metrics))
      return (stats, total, i + 1), None

    first = jax.tree.map(lambda a: a[0], parts)
    grads, _, metrics = jax.eval_shape(
      part_of_step, params, batch_stats, first, key
    )
    zeros = jax.tree.map(
      lambda s: jnp.zeros(s.shape, s.dtype), (grads, metrics)
    )
    (new_stats, total, _), _ = jax.lax.scan(
      add_part, (batch_stats, zeros, 0), parts
    )
    grads, metrics = jax.tree.map(lambda a: a / accumulate, total)
    return grads, new_stats, metrics

  def train_step(state, batch):
    tuned = select_tuned(state.params, tune)
    key = jax.random.fold_in(jax.random.key(seed), state.step)
    compute = all_parts if accumulate > 1 else part_of_step
    grads, stats, metrics = compute(state.params, state.batch_stats, batch, key)
    updates, opt_state = optimizer.update(grads, state.opt_state, tuned)
    params = {**state.params, **optax.apply_updates(tuned, updates)}
    average = state.ema
    if ema:
      # optax.incremental_update adds the terms in the other order. XLA:CPU then
      # fuses the other product into the sum, and last bits differ.
      average = jax.tree.map(
        lambda old, new: ema * old + (1 - ema) * new, average, (params, stats)
      )
    metrics = {
      **metrics,
      'grad_norm': optax.tree.norm(grads),
      'update_norm': optax.tree.norm(updates),
    }
    new_state = TrainState(state.step + 1, params, stats, opt_state, average)
    return new_state, metrics

  return train_step


def draw_mixing(
  key: jax.Array, clips: int, parameter: float
) -> Callable[[jax.Array], jax.Array]:
  """Draws mixup (Zhang et al., ICLR 2018) of a batch.

  Each clip gets a weight of Beta(a, a), and the clip before it in the batch the
  rest. The clip's own weight is the larger of the two.

  Args:
    key: random key.
    clips: N.
    parameter: a.

  Returns:
    A function that mixes the rows of an array (N, ...).
  """
  weights = jax.random.beta(key, parameter, parameter, (clips,))
  weights = jnp.maximum(weights, 1 - weights)

  def mix(rows):
    w = weights.astype(rows.dtype).reshape(-1, *[1] * (rows.ndim - 1))
    return w * rows + (1 - w) * jnp.roll(rows, 1, axis=0)

  return mix


def average_metrics(
  metrics: list[dict], step: int, checkpoints: pathlib.Path
) -> dict[str, float]:
  """Returns the means of the metrics of some steps.

  Args:
    metrics: metrics of each step, as `make_train_step` returns them.
    step: the last of the steps.
    checkpoints: folder of the run's checkpoints, named in the error.

  Raises:
    UserError: a mean is not finite.
  """
  metrics = jax.device_get(metrics)
  keys = ('loss', 'top1', 'grad_norm', 'update_norm')
  means = {k: float(np.mean([m[k] for m in metrics])) for k in keys}
  if not all(map(math.isfinite, means.values())):
    raise UserError(
      'the loss, its gradient or the update became NaN or infinite by step'
      f' {step} (means of the last {len(metrics)} steps: {means}). The'
      f' checkpoints in {checkpoints} are from before. Try a lower'
      ' config.optim.lr or config.optim.clip_norm=1, or look at the data.'
    )
  del means['update_norm']  # only checked, not reported
  return means
