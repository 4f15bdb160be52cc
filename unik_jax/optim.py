"""Learning-rate schedules and optimizers."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import traverse_util
from ml_collections import ConfigDict

from unik_jax.errors import UserError

Schedule = Callable[[Any], jax.Array]  # of the step, a number or an array


def make_schedule(
  name: str,
  *,
  base_lr: float,
  steps_per_epoch: int,
  epochs: int,
  warmup_epochs: int = 0,
  decay_epochs: Sequence[int] = (),
  decay_rate: float = 0.1,
) -> Schedule:
  """Returns a learning-rate schedule: a function of the step, from 0.

  Warm-up is constant within an epoch. With w warm-up epochs, epoch e < w uses
  base_lr * (e + 1) / (w + 1), and epoch w is the first with the full rate.

  Args:
    name: 'step' multiplies the rate by `decay_rate` at the start of each epoch
      in `decay_epochs`; 'cosine' decays from the end of warm-up to zero at the
      last step.
    base_lr: rate after warm-up.
    steps_per_epoch: optimizer steps in an epoch.
    epochs: length of the run.
    warmup_epochs: number of warm-up epochs.
    decay_epochs: epochs, counted from 0. Used by 'step'.
    decay_rate: factor in (0, 1]. Used by 'step'.

  Raises:
    UserError: the name is unknown.
  """
  if name not in ('step', 'cosine'):
    raise UserError(
      f'config.optim.schedule: expected step or cosine, got {name!r}'
    )

  # Not optax's piecewise_constant_schedule and cosine_decay_schedule: their
  # values differ from these in the last float32 bit at some steps, which would
  # change the figures of every run.
  def schedule(step):
    epoch = step // steps_per_epoch
    if name == 'step':
      decays = sum((epoch >= e) * 1 for e in decay_epochs)
      factor = decay_rate ** jnp.asarray(decays)
    else:
      start = warmup_epochs * steps_per_epoch
      span = max(epochs * steps_per_epoch - start, 1)
      progress = jnp.clip((step - start) / span, 0, 1)
      factor = 0.5 * (1 + jnp.cos(jnp.pi * progress))
    warmup = jnp.minimum((epoch + 1) / (warmup_epochs + 1), 1)
    return base_lr * factor * warmup

  return schedule


def make_optimizer(
  name: str,
  schedule: Schedule,
  *,
  momentum: float = 0.9,
  nesterov: bool = True,
  weight_decay: float = 0.0,
  clip_norm: float = 0.0,
  layer_decay: float = 1.0,
) -> optax.GradientTransformation:
  """Returns SGD with PyTorch's definition of momentum, or AdamW.

  Args:
    name: 'sgd' or 'adamw'.
    schedule: learning rate as a function of the step.
    momentum: momentum of SGD.
    nesterov: whether SGD uses Nesterov momentum.
    weight_decay: applies to every parameter, including biases and batch norm's,
      as in the official recipes. SGD adds it to the gradient before momentum;
      AdamW decouples it.
    clip_norm: maximum global norm of the gradient; 0 disables clipping.
    layer_decay: factor of `scale_by_layer`; 1 disables it.

  Raises:
    UserError: the name is unknown.
  """
  if name == 'sgd':
    steps = [
      optax.add_decayed_weights(weight_decay),
      optax.sgd(schedule, momentum=momentum, nesterov=nesterov),
    ]
  elif name == 'adamw':
    steps = [optax.adamw(schedule, weight_decay=weight_decay)]
  else:
    raise UserError(f'config.optim.name: expected sgd or adamw, got {name!r}')
  clip = optax.clip_by_global_norm(clip_norm) if clip_norm else optax.identity()
  layers = [scale_by_layer(layer_decay)] if layer_decay != 1 else []
  return optax.chain(clip, *steps, *layers)


def scale_by_layer(decay: float) -> optax.GradientTransformation:
  """Scales updates by layer: layer-wise learning-rate decay.

    factor = decay ** (blocks between the parameter and the classifier + 1)

  The classifier has factor 1. With a decay below 1, fine-tuning changes the
  first blocks least, since their features are the most general. Weight decay
  is scaled too, because it is part of the update.

  Args:
    decay: factor per block, in (0, 1].
  """

  def update(updates, state, params=None):
    del params
    blocks = len(updates.get('blocks', ()))

    def scale(path, update):
      part, *rest = path
      if part == 'head':
        return update
      # What is outside the blocks, such as the input's batch norm, is below.
      exponent = blocks - rest[0] if part == 'blocks' else blocks + 1
      return update * decay**exponent

    return traverse_util.path_aware_map(scale, updates), state

  return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def configure_optimizer(
  config: ConfigDict, steps_per_epoch: int
) -> tuple[Schedule, optax.GradientTransformation]:
  """Returns the learning-rate schedule and the optimizer of a config.

  Args:
    config: the experiment's config.
    steps_per_epoch: optimizer steps in an epoch. Only the schedule uses it.
  """
  options = config.optim
  # Linear scaling rule: the rate grows with the batch (Goyal et al., 2017).
  scale = config.batch_size / options.lr_clips if options.lr_clips else 1
  schedule = make_schedule(
    options.schedule,
    base_lr=options.lr * scale,
    steps_per_epoch=steps_per_epoch,
    epochs=config.epochs,
    warmup_epochs=options.warmup_epochs,
    decay_epochs=options.decay_epochs,
    decay_rate=options.decay_rate,
  )
  optimizer = make_optimizer(
    options.name,
    schedule,
    momentum=options.momentum,
    nesterov=options.nesterov,
    weight_decay=options.weight_decay,
    clip_norm=options.clip_norm,
    layer_decay=options.layer_decay,
  )
  return schedule, optimizer
