"""Learning-rate schedules and optimizers."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import optax

from unik_jax.errors import UserError


def make_schedule(
  name: str,
  *,
  base_lr: float,
  steps_per_epoch: int,
  epochs: int,
  warmup_epochs: int = 0,
  decay_epochs: Sequence[int] = (),
  decay_rate: float = 0.1,
) -> Callable[[jax.Array], jax.Array]:
  """The learning rate of each step.

  Warm-up goes by whole epochs: epoch e of w has base_lr * (e + 1) / (w + 1), so
  that the first epoch after them is the first with the whole rate.

  Args:
    name: 'step', times `decay_rate` from each epoch in `decay_epochs` on, or
      'cosine', falling to zero at the last step.
    base_lr: the rate after warm-up.
    steps_per_epoch: optimizer steps in an epoch.
    epochs: length of the run.
    warmup_epochs: how many epochs warm up.
    decay_epochs: for 'step'; epochs count from 0.
    decay_rate: for 'step'.

  Returns:
    A function of the step, from 0.

  Raises:
    UserError: unknown name.
  """
  if name not in ('step', 'cosine'):
    raise UserError(f'optim.schedule is {name!r}; use step or cosine')

  def schedule(step):
    epoch = step // steps_per_epoch
    if name == 'step':
      passed = sum((epoch >= e) * 1 for e in decay_epochs)
      factor = decay_rate ** jnp.asarray(passed)
    else:
      start = warmup_epochs * steps_per_epoch
      span = max(epochs * steps_per_epoch - start, 1)
      done = jnp.clip((step - start) / span, 0, 1)
      factor = 0.5 * (1 + jnp.cos(jnp.pi * done))
    warm = jnp.minimum((epoch + 1) / (warmup_epochs + 1), 1)
    return base_lr * factor * warm

  return schedule


def make_optimizer(
  name: str,
  schedule: Callable[[jax.Array], jax.Array],
  *,
  momentum: float = 0.9,
  nesterov: bool = True,
  weight_decay: float = 0.0,
  clip_norm: float = 0.0,
) -> optax.GradientTransformation:
  """SGD as PyTorch has it, or AdamW.

  Args:
    name: 'sgd' or 'adamw'.
    schedule: learning rate by step.
    momentum: of SGD.
    nesterov: of SGD.
    weight_decay: on every parameter, batch norm's and biases included, as in
      the official recipes. With SGD it is added to the gradient before
      momentum; with AdamW it is decoupled.
    clip_norm: the largest global norm of a gradient; 0 for no limit.

  Returns:
    The optax transformation.

  Raises:
    UserError: unknown name.
  """
  clip = optax.clip_by_global_norm(clip_norm) if clip_norm else optax.identity()
  if name == 'sgd':
    return optax.chain(
      clip,
      optax.add_decayed_weights(weight_decay),
      optax.sgd(schedule, momentum=momentum, nesterov=nesterov),
    )
  if name == 'adamw':
    return optax.chain(clip, optax.adamw(schedule, weight_decay=weight_decay))
  raise UserError(f'optim.name is {name!r}; use sgd or adamw')
