"""Learning-rate schedules and optimizers."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import optax
from ml_collections import ConfigDict

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
  layer_decay: float = 1.0,
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
    layer_decay: as of `scale_by_layer`; 1 for the same rate everywhere.

  Returns:
    The optax transformation.

  Raises:
    UserError: unknown name.
  """
  if name == 'sgd':
    steps = [
      optax.add_decayed_weights(weight_decay),
      optax.sgd(schedule, momentum=momentum, nesterov=nesterov),
    ]
  elif name == 'adamw':
    steps = [optax.adamw(schedule, weight_decay=weight_decay)]
  else:
    raise UserError(f'optim.name is {name!r}; use sgd or adamw')
  clip = optax.clip_by_global_norm(clip_norm) if clip_norm else optax.identity()
  layers = [scale_by_layer(layer_decay)] if layer_decay != 1 else []
  return optax.chain(clip, *steps, *layers)


def scale_by_layer(decay: float) -> optax.GradientTransformation:
  """Layer-wise learning rates, falling from the classifier to the input.

    factor = decay ** (blocks between the parameter and the classifier + 1)

  and 1 for the classifier itself. With a decay below 1 the first blocks, which
  are the most general, change the least in fine-tuning. Weight decay, which
  goes by the learning rate, is scaled with it.

  Args:
    decay: per block, in (0, 1].
  """

  def update(updates, state, params=None):
    del params
    blocks = len(updates.get('blocks', ()))

    def scale(path, update):
      first, *rest = (getattr(key, 'key', None) for key in path)
      if first == 'head':
        return update
      above = blocks - rest[0] if first == 'blocks' else blocks + 1
      return update * decay**above

    return jax.tree_util.tree_map_with_path(scale, updates), state

  return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def configure_optimizer(
  config: ConfigDict, steps_per_epoch: int
) -> tuple[Callable[[jax.Array], jax.Array], optax.GradientTransformation]:
  """The (schedule, optimizer) that a config's `optim` describes.

  Args:
    config: the whole one.
    steps_per_epoch: on which the schedule depends, and nothing else.
  """
  options = config.optim
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
