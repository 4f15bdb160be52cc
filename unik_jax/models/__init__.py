"""The models, and the functional boundary behind which training sees them.

A new model is one file in this folder and one line in `MODELS`. Its class
takes (num_classes, num_joints, num_persons, in_channels, **options, rngs), is
called as `model(x_nmtvc, train=...)`, names the tensors of its official
checkpoints in `official_tensors` and `official_shape`, says in `data_axes`
what depends on the joints, and shows in `mixing` how it mixes them.
"""

import inspect
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from ml_collections import ConfigDict

from unik_jax.errors import UserError
from unik_jax.models.spatial import Mixing
from unik_jax.models.unik import UNIK
from unik_jax.skeletons import get_layout

MODELS = {'unik': UNIK}


class Network:
  """A model as pure functions over plain pytrees.

  NNX objects live within a call only, so that params and batch statistics are
  nested dicts that jit, shardings and checkpoints understand.

  Args:
    name: a key of `MODELS`.
    **options: arguments of the model's class, but for `rngs`.

  Raises:
    UserError: unknown model or option, or an option's value is refused.
  """

  def __init__(self, name: str, **options):
    if name not in MODELS:
      raise UserError(
        f'unknown model {name!r}; known: {", ".join(sorted(MODELS))}'
      )
    parameters = inspect.signature(MODELS[name].__init__).parameters
    known = set(parameters) - {'self', 'rngs'}
    if unknown := sorted(set(options) - known):
      raise UserError(
        f'model {name!r} has no option {", ".join(unknown)}; it has: '
        + ', '.join(sorted(known))
      )
    self._make = lambda rngs: MODELS[name](**options, rngs=rngs)
    self.abstract = nnx.eval_shape(lambda: self._make(nnx.Rngs(0)))
    self._graphdef, *_ = nnx.split(self.abstract, nnx.Param, nnx.BatchStat)

  def init(self, key: jax.Array) -> tuple[Any, Any]:
    """Initial (params, batch_stats)."""
    model = self._make(nnx.Rngs(params=key))
    _, params, stats = nnx.split(model, nnx.Param, nnx.BatchStat)
    return nnx.to_pure_dict(params), nnx.to_pure_dict(stats)

  def apply(
    self, params, batch_stats, x_nmtvc: jax.Array, *, train: bool
  ) -> tuple[jax.Array, Any]:
    """Logits (N, num_classes), and the batch statistics after the call.

    Args:
      params: as from `init`.
      batch_stats: as from `init`.
      x_nmtvc: clips, persons, frames, joints, channels.
      train: whether batch norm uses, and updates by, this batch.
    """
    model = nnx.merge(self._graphdef, params, batch_stats)
    logits = model(x_nmtvc, train=train)
    return logits, nnx.to_pure_dict(nnx.state(model, nnx.BatchStat))

  def mixing(
    self, params, batch_stats, x_nmtvc: jax.Array | None = None
  ) -> list[Mixing]:
    """The matrices by which each block mixes joints (see `Mixing`).

    Args:
      params: as from `init`.
      batch_stats: as from `init`.
      x_nmtvc: clips whose attention is wanted, as in `apply`; None for the
        dependency matrices alone.
    """
    return nnx.merge(self._graphdef, params, batch_stats).mixing(x_nmtvc)

  def num_params(self) -> int:
    """The number of trainable values."""
    params, _ = jax.eval_shape(self.init, jax.random.key(0))
    return sum(leaf.size for leaf in jax.tree.leaves(params))


def from_config(config: ConfigDict, **shape: int) -> Network:
  """The network that a config's `model` and `data` describe.

  Args:
    config: the whole one.
    **shape: num_classes, num_joints, num_persons and in_channels, where they
      are not those of the config's data.

  Raises:
    UserError: unknown model, option, layout or dtype.
  """
  options = config.model.to_dict()
  dtypes = {'float32': None, 'bfloat16': jnp.bfloat16}
  if (dtype := options.pop('dtype')) not in dtypes:
    raise UserError(f'config.model.dtype is {dtype!r}; use float32 or bfloat16')
  if options.get('first_block_heads') == -1:
    options['first_block_heads'] = None
  joints = get_layout(config.data.joints or config.data.layout)
  ours = {
    'num_classes': config.data.num_classes,
    'num_joints': joints.num_joints,
    'num_persons': config.data.persons,
    'in_channels': config.data.channels,
  }
  return Network(
    options.pop('name'), dtype=dtypes[dtype], **options, **(ours | shape)
  )
