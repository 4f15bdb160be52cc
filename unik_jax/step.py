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


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class TrainState:
  """All that changes in training, as plain pytrees.

  Attributes:
    step: optimizer steps taken.
    params: trainable values.
    batch_stats: batch norm's running statistics.
    opt_state: optax's.
    ema: averaged (params, batch_stats), or None.
  """

  step: jax.Array
  params: Any
  batch_stats: Any
  opt_state: Any
  ema: Any

  def for_evaluation(self) -> tuple[Any, Any]:
    """The (params, batch_stats) that a figure is measured with."""
    return self.ema or (self.params, self.batch_stats)


def tuned(params: dict, tune: str) -> dict:
  """The part of the parameters that training changes.

  Args:
    params: of the network.
    tune: 'all', or 'head' for a linear probe.

  Raises:
    UserError: neither of the two.
  """
  if tune not in ('all', 'head'):
    raise UserError(f'config.tune is {tune!r}; use all or head')
  return params if tune == 'all' else {'head': params['head']}


def make_begin(
  optimizer: optax.GradientTransformation,
  *,
  ema: float = 0.0,
  tune: str = 'all',
) -> Callable[[Any, Any], TrainState]:
  """A function of (params, batch_stats) to the state before the first step.

  Args:
    optimizer: keeps a state of the parameters that are tuned.
    ema: decay of the averaged weights; 0 for none.
    tune: as of `tuned`.
  """

  def begin(params, stats):
    # Copied: what a step is given to write over must not be there twice.
    average = jax.tree.map(jnp.copy, (params, stats)) if ema else None
    opt_state = optimizer.init(tuned(params, tune))
    return TrainState(
      jnp.zeros((), jnp.int32), params, stats, opt_state, average
    )

  return begin


def make_train_step(
  net: Network,
  optimizer: optax.GradientTransformation,
  *,
  label_smoothing: float = 0.0,
  ema: float = 0.0,
  tune: str = 'all',
  accumulate: int = 1,
  seed: int = 0,
) -> Callable[[TrainState, dict], tuple[TrainState, dict]]:
  """One optimizer step: (state, batch) to (state, metrics of the batch).

  Args:
    net: the network.
    optimizer: its update includes the learning rate.
    label_smoothing: part of the target spread evenly over all classes.
    ema: decay of the averaged weights; 0 for none.
    tune: as of `tuned`. With 'head', all else is as when evaluating: batch
      norm neither uses the batch's statistics nor changes its own.
    accumulate: parts that the batch is taken in, one after the other: the
      gradient is the mean of theirs, and batch norm sees a part at a time.
    seed: of what dropout drops.
  """

  def part_of_step(params, stats, batch, key):
    """Gradient, batch statistics after it, and metrics of some clips."""

    def loss_fn(part):
      logits, new = net.apply(
        {**params, **part},
        stats,
        batch['x'],
        train=tune == 'all',
        key=key if tune == 'all' else None,
      )
      targets = jax.nn.one_hot(
        batch['label'], logits.shape[-1], dtype=logits.dtype
      )
      targets = optax.smooth_labels(targets, label_smoothing)
      loss = optax.softmax_cross_entropy(logits, targets).mean()
      top1 = (logits.argmax(-1) == batch['label']).mean()
      return loss, (new, {'loss': loss, 'top1': top1})

    grad = jax.grad(loss_fn, has_aux=True)
    grads, (stats, metrics) = grad(tuned(params, tune))
    return grads, stats, metrics

  def in_parts(params, stats, batch, key):
    """As `part_of_step`, of each part in turn."""
    # Every part has rows of each device, so that none of them moves.
    parts = jax.tree.map(
      lambda a: a.reshape(-1, accumulate, *a.shape[1:]).swapaxes(0, 1), batch
    )

    def add(carry, part):
      stats, total, i = carry
      key_of_part = jax.random.fold_in(key, i)
      grads, stats, metrics = part_of_step(params, stats, part, key_of_part)
      total = jax.tree.map(jnp.add, total, (grads, metrics))
      return (stats, total, i + 1), None

    first = jax.tree.map(lambda a: a[0], parts)
    shapes = jax.eval_shape(part_of_step, params, stats, first, key)
    zeros = jax.tree.map(
      lambda s: jnp.zeros(s.shape, s.dtype), (shapes[0], shapes[2])
    )
    (stats, total, _), _ = jax.lax.scan(add, (stats, zeros, 0), parts)
    grads, metrics = jax.tree.map(lambda a: a / accumulate, total)
    return grads, stats, metrics

  def train_step(state, batch):
    before = tuned(state.params, tune)
    key = jax.random.fold_in(jax.random.key(seed), state.step)
    compute = in_parts if accumulate > 1 else part_of_step
    grads, stats, metrics = compute(state.params, state.batch_stats, batch, key)
    updates, opt_state = optimizer.update(grads, state.opt_state, before)
    params = {**state.params, **optax.apply_updates(before, updates)}
    average = state.ema
    if ema:
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


def mean_metrics(
  pending: list[dict], step: int, workdir: pathlib.Path
) -> dict[str, float]:
  """Means of the metrics of some steps.

  Args:
    pending: of each step, as `make_train_step` gives them.
    step: the last of them.
    workdir: of the run, to be named in the error.

  Raises:
    UserError: a value is not finite.
  """
  fetched = jax.device_get(pending)
  keys = ('loss', 'top1', 'grad_norm', 'update_norm')
  means = {k: float(np.mean([m[k] for m in fetched])) for k in keys}
  if not all(map(math.isfinite, means.values())):
    raise UserError(
      f'the loss, its gradient or the update became NaN or infinite by step'
      f' {step} (means of the last {len(fetched)} steps: {means}). What is in'
      f' {workdir / "checkpoints"} is from before. Try a lower'
      ' config.optim.lr, config.optim.clip_norm=1, or look at the data.'
    )
  del means['update_norm']  # a check alone
  return means
