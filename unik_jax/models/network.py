"""The models, and the functional boundary behind which training sees them.

A new model is one file in this folder and one line in `MODELS`; options that
no other has are lines in `unik_jax.config`. Its class is a `base.Recognizer`,
takes (num_classes, num_persons, in_channels, *, dtype, rngs), one or both of
num_joints and layout, and options; and, where it has official checkpoints,
names their tensors in `official_tensors` and `official_shape`.
"""

import inspect
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from ml_collections import ConfigDict

from unik_jax.config import default_config
from unik_jax.errors import UserError
from unik_jax.models.agcn import AAGCN, AGCN
from unik_jax.models.ctr_gcn import CTRGCN
from unik_jax.models.ms_g3d import MSG3D
from unik_jax.models.recognizer import Mixing
from unik_jax.models.st_gcn import STGCN
from unik_jax.models.st_gcn_pp import STGCNPP
from unik_jax.models.unik import UNIK
from unik_jax.skeletons.layouts import get_layout

MODELS = {
  'unik': UNIK,
  'agcn': AGCN,
  'aagcn': AAGCN,
  'st_gcn': STGCN,
  'ms_g3d': MSG3D,
  'ctr_gcn': CTRGCN,
  'st_gcn_pp': STGCNPP,
}

# Settings of `config.model` that all networks have.
OF_ALL = ('remat', 'norm_groups', 'norm_present')


class Network:
  """A model as pure functions over plain pytrees.

  NNX objects live within a call only, so that params and batch statistics are
  nested dicts that jit, shardings and checkpoints understand.

  Attributes:
    abstract: the model with shapes in the place of arrays.
    shapes: those of (params, batch_stats).

  Args:
    name: a key of `MODELS`.
    remat: whether blocks are computed again for the backward pass, instead of
      being kept: less memory, a third more work.
    norm_groups: parts of a batch that have batch norm's statistics of their
      own, as the devices of PyTorch's DataParallel do; 1 is the whole batch.
    norm_present: whether batch norm's statistics leave absent persons, who
      are zeros, out; not so in any published network.
    **options: arguments of the model's class, but for `rngs`.

  Raises:
    UserError: unknown model or option, or an option's value is refused.
  """

  def __init__(
    self,
    name: str,
    *,
    remat: bool = False,
    norm_groups: int = 1,
    norm_present: bool = False,
    **options,
  ):
    known = _options(name)
    if unknown := sorted(set(options) - known):
      raise UserError(
        f'model {name!r} has no option {", ".join(unknown)}; it has: '
        + ', '.join(sorted(known))
      )

    def make(rngs):
      model = MODELS[name](**options, rngs=rngs)
      model.remat, model.norm_present = remat, norm_present
      for norm in model.norms():
        norm.groups = norm_groups
      return model

    self._make = make
    self.abstract = nnx.eval_shape(lambda: self._make(_Unseeded()))
    self._graphdef, *shapes = nnx.split(self.abstract, nnx.Param, nnx.BatchStat)
    self.shapes = tuple(map(nnx.to_pure_dict, shapes))

  def init(self, key: jax.Array) -> tuple[Any, Any]:
    """Initial (params, batch_stats), numpy's arrays; not to be compiled."""
    model = self._make(nnx.Rngs(params=key))
    _, params, stats = nnx.split(model, nnx.Param, nnx.BatchStat)
    return nnx.to_pure_dict(params), nnx.to_pure_dict(stats)

  def apply(
    self,
    params,
    batch_stats,
    x_nmtvc: jax.Array,
    *,
    train: bool,
    key: jax.Array | None = None,
  ) -> tuple[jax.Array, Any]:
    """Logits (N, num_classes), and the batch statistics after the call.

    Args:
      params: as from `init`.
      batch_stats: as from `init`.
      x_nmtvc: clips, persons, frames, joints, channels.
      train: whether batch norm uses, and updates by, this batch.
      key: for dropout, in networks that have it; None for none.
    """
    model = nnx.merge(self._graphdef, params, batch_stats)
    logits = model(x_nmtvc, train=train, key=key)
    return logits, nnx.to_pure_dict(nnx.state(model, nnx.BatchStat))

  def apply_present(
    self,
    params,
    batch_stats,
    x_nmtvc: jax.Array,
    absent: jax.Array,
    find: jax.Array,
  ) -> tuple[jax.Array, jax.Array]:
    """To test without work for absent persons: `Recognizer.present_only`."""
    model = nnx.merge(self._graphdef, params, batch_stats)
    return model.present_only(x_nmtvc, absent, find)

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

  @property
  def persons(self) -> int:
    """M, of a clip."""
    return self.abstract.input_shape[0]

  @property
  def features(self) -> int:
    """D, of a person, which the classifier is given the mean of."""
    return self.abstract.head.kernel.shape[0]

  def num_params(self) -> int:
    """The number of trainable values."""
    return sum(leaf.size for leaf in jax.tree.leaves(self.shapes[0]))


class _Unseeded:
  """In the place of `nnx.Rngs`, where nothing is to be drawn."""

  def params(self) -> None:
    """No key: `initial` gives zeros."""


def _options(name: str) -> set[str]:
  """The names of what a model's class takes, but for `rngs`."""
  if name not in MODELS:
    raise UserError(
      f'unknown model {name!r}; known: {", ".join(sorted(MODELS))}'
    )
  parameters = inspect.signature(MODELS[name].__init__).parameters
  return set(parameters) - {'self', 'rngs'}


def from_config(config: ConfigDict, **shape: Any) -> Network:
  """The network that a config's `model` and `data` describe.

  Args:
    config: the whole one.
    **shape: num_classes, num_joints, num_persons, in_channels and layout,
      where they are not those of the config's data.

  Raises:
    UserError: unknown model, layout or dtype, or an option is set that this
      model does not have.
  """
  options = config.model.to_dict()
  known = _options(name := options.pop('name'))
  usual = default_config().model
  of_all = {key: options.pop(key) for key in OF_ALL}
  for key in sorted(options.keys() - known):
    if options.pop(key) != usual[key]:
      raise UserError(
        f'config.model.{key} is {config.model[key]!r}, but model {name!r} has'
        f' no such option; leave it at {usual[key]!r}'
      )
  options = {k: v for k, v in options.items() if v != ()}
  dtypes = {'float32': None, 'bfloat16': jnp.bfloat16}
  if (dtype := options.pop('dtype')) not in dtypes:
    raise UserError(f'config.model.dtype is {dtype!r}; use float32 or bfloat16')
  if options.get('first_block_heads') == -1:
    options['first_block_heads'] = None
  joints = get_layout(config.data.joints or config.data.layout)
  ours = {
    'num_classes': config.data.num_classes,
    'num_joints': joints.num_joints,
    'layout': joints.name,
    'num_persons': config.data.persons,
    'in_channels': config.data.channels,
  }
  shape = {k: v for k, v in (ours | shape).items() if k in known}
  return Network(name, dtype=dtypes[dtype], **of_all, **options, **shape)
