"""The functional boundary: networks as pure functions over plain pytrees."""

import inspect
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx
from ml_collections import ConfigDict

from unik_jax.errors import UserError, check_choice
from unik_jax.models import layers, ops, ops_cpu, ops_tpu
from unik_jax.models.options import DEFAULTS
from unik_jax.models.recognizer import Mixing, Recognizer
from unik_jax.models.registry import get_model
from unik_jax.skeletons.layouts import get_layout

IMPLEMENTATIONS = {'einsum': ops, 'cpu': ops_cpu, 'tpu': ops_tpu}
# Options of `Network` itself, which all models have.
_NETWORK_OPTIONS = ('remat', 'norm_groups', 'norm_present')


class Network:
  """A model as pure functions; `create_model` gives the model itself.

    net = Network('unik', num_classes=20, layout='coco_17')
    logits = net.create_model()(clips)  # clips (N, M, T, V, C)

  NNX objects live within a call only, so that params and batch statistics are
  nested dicts, which jit, shardings and checkpoints understand.

  Attributes:
    abstract: the model, with shapes instead of arrays.
    shapes: shapes of (params, batch_stats).

  Args:
    name: a key of `registry.MODELS`.
    implementation: form of the operations: 'einsum' (`ops`), 'cpu' (`ops_cpu`)
      or 'tpu' (`ops_tpu`).
    remat: recomputes blocks in the backward pass instead of storing them: less
      memory for a third more work.
    norm_groups: parts of a batch with separate batch norm statistics, as the
      devices of PyTorch's DataParallel have them; 1 for the whole batch.
    norm_present: leaves absent persons, who are zeros, out of batch norm's
      statistics. No published network does.
    **options: arguments of the model's class, except `rngs`. `layout` gives
      `num_joints`.

  Raises:
    UserError: the model or an option is unknown, or a value out of range.
  """

  def __init__(
    self,
    name: str = 'unik',
    *,
    implementation: str = 'einsum',
    remat: bool = False,
    norm_groups: int = 1,
    norm_present: bool = False,
    **options: Any,
  ):
    model, known = get_model(name), option_names(name)
    if unknown := sorted(set(options) - known):
      raise UserError(
        f'model {name!r}: expected options among'
        f' {", ".join(sorted(known))}; got {", ".join(unknown)}'
      )
    check_choice('model.implementation', implementation, IMPLEMENTATIONS)
    if 'num_joints' in known and options.get('layout'):
      options.setdefault('num_joints', get_layout(options['layout']).num_joints)

    def build(rngs):
      built = model(**options, rngs=rngs)
      built.remat, built.norm_present = remat, norm_present
      for _, module in nnx.iter_modules(built):
        if isinstance(module, layers.Layer):
          module.ops = IMPLEMENTATIONS[implementation]
        if isinstance(module, layers.BatchNorm):
          module.groups = norm_groups
      return built

    self._build = build
    self._settings: dict[str, Any] = {
      'name': name,
      'remat': remat,
      'norm_groups': norm_groups,
      'norm_present': norm_present,
      **options,
    }
    self.abstract = nnx.eval_shape(lambda: self._build(_ShapesOnly()))
    self._graphdef, *shapes = nnx.split(self.abstract, nnx.Param, nnx.BatchStat)
    self.shapes = tuple(map(nnx.to_pure_dict, shapes))

  def with_implementation(self, implementation: str) -> 'Network':
    """Returns the same network with another form of its operations."""
    return Network(implementation=implementation, **self._settings)

  def init(self, key: jax.Array) -> tuple[Any, Any]:
    """Returns initial (params, batch_stats), numpy arrays. Not for jit."""
    model = self._build(nnx.Rngs(params=key))
    _, params, stats = nnx.split(model, nnx.Param, nnx.BatchStat)
    return nnx.to_pure_dict(params), nnx.to_pure_dict(stats)

  def create_model(
    self, params: Any = None, batch_stats: Any = None, *, seed: int = 0
  ) -> Recognizer:
    """Returns the model as an NNX module: `model(x)` gives logits (N, K).

    Args:
      params: as from `init`, or a run's; None for random ones.
      batch_stats: the same.
      seed: of random params.
    """
    if params is None or batch_stats is None:
      params, batch_stats = self.init(jax.random.key(seed))
    return nnx.merge(self._graphdef, params, batch_stats)

  def apply(
    self,
    params: Any,
    batch_stats: Any,
    x_nmtvc: jax.Array,
    *,
    train: bool = False,
    key: jax.Array | None = None,
  ) -> tuple[jax.Array, Any]:
    """Returns logits, and the batch statistics after the call.

    Logits are (N, K). If `train`, a network of S branches that classify alone
    (unik_pp) returns those of each branch, (N, S, K).

    Args:
      params: as from `init`.
      batch_stats: as from `init`.
      x_nmtvc: clips, persons, frames, joints, channels.
      train: batch norm uses, and updates its statistics by, this batch.
      key: for dropout, in networks that have it; None drops nothing.
    """
    model = nnx.merge(self._graphdef, params, batch_stats)
    logits = model(x_nmtvc, train=train, key=key)
    return logits, nnx.to_pure_dict(nnx.state(model, nnx.BatchStat))

  def apply_features(
    self, params: Any, batch_stats: Any, x_nmtvc: jax.Array
  ) -> tuple[jax.Array, jax.Array]:
    """`Recognizer.with_features`, evaluated."""
    model = nnx.merge(self._graphdef, params, batch_stats)
    return model.with_features(x_nmtvc, train=False)

  def apply_present(
    self,
    params: Any,
    batch_stats: Any,
    x_nmtvc: jax.Array,
    absent: jax.Array,
    find: jax.Array,
  ) -> tuple[jax.Array, jax.Array]:
    """`Recognizer.present_only`: evaluates without absent persons."""
    model = nnx.merge(self._graphdef, params, batch_stats)
    return model.present_only(x_nmtvc, absent, find)

  def mixing(
    self, params: Any, batch_stats: Any, x_nmtvc: jax.Array | None = None
  ) -> list[Mixing]:
    """Returns the matrices with which each block mixes joints.

    Args:
      params: as from `init`.
      batch_stats: as from `init`.
      x_nmtvc: clips to compute attention for; None for the dependency
        matrices only.
    """
    return nnx.merge(self._graphdef, params, batch_stats).mixing(x_nmtvc)

  @property
  def persons(self) -> int:
    """M, persons of a clip."""
    return self.abstract.input_shape[0]

  @property
  def features(self) -> int:
    """D, features of a person; the classifier gets their mean."""
    return self.abstract.head.kernel.shape[0]

  def num_params(self) -> int:
    """Returns the number of trainable values."""
    return sum(leaf.size for leaf in jax.tree.leaves(self.shapes[0]))


def network_from_config(
  config: ConfigDict, *, platform: str | None = None, **shape: Any
) -> Network:
  """Builds the network that a config's `model` and `data` describe.

  Args:
    config: the whole config.
    platform: platform that decides `model.implementation=auto` (default: JAX's
      default backend).
    **shape: num_classes, num_joints, num_persons, in_channels, confidence and
      layout that replace those of the config's data.

  Raises:
    UserError: the model, layout, dtype or implementation is unknown, or the
      model does not have an option.
  """
  options = config.model.to_dict()
  name = options.pop('name')
  stream = config.data.stream
  if get_model(name).makes_streams and stream != 'joint':
    raise UserError(
      f'config.data.stream: expected joint with model {name!r}, which makes'
      f' bones and motions itself, got {stream!r}'
    )
  known = option_names(name)
  implementation = options.pop('implementation')
  if implementation == 'auto':
    platform = platform or jax.default_backend()
    implementation = platform if platform in IMPLEMENTATIONS else 'einsum'
  network_options = {key: options.pop(key) for key in _NETWORK_OPTIONS}
  for key in sorted(options.keys() - known):
    if options.pop(key) != DEFAULTS[key]:
      raise UserError(
        f'config.model.{key}: model {name!r} has no such option, got'
        f' {config.model[key]!r}. Leave it at {DEFAULTS[key]!r}.'
      )
  options = {k: v for k, v in options.items() if v != ()}
  dtypes = {'float32': None, 'bfloat16': jnp.bfloat16}
  if (dtype := options.pop('dtype')) not in dtypes:
    raise UserError(
      f'config.model.dtype: expected float32 or bfloat16, got {dtype!r}'
    )
  if options.get('first_block_heads') == -1:
    options['first_block_heads'] = None
  joints = get_layout(config.data.joints or config.data.layout)
  data_shape = {
    'num_classes': config.data.num_classes,
    'num_joints': joints.num_joints,
    'layout': joints.name,
    'num_persons': config.data.persons,
    'in_channels': config.data.channels,
    'confidence': bool(config.data.confidence),
  }
  shape = {k: v for k, v in (data_shape | shape).items() if k in known}
  return Network(
    name,
    implementation=implementation,
    dtype=dtypes[dtype],
    **network_options,
    **options,
    **shape,
  )


def option_names(name: str) -> set[str]:
  """Returns the names of a model's options: its arguments, except `rngs`."""
  parameters = inspect.signature(get_model(name).__init__).parameters
  return set(parameters) - {'self', 'rngs'}


class _ShapesOnly:
  """Replaces `nnx.Rngs` where only shapes are needed."""

  def params(self) -> None:
    """Returns no key: `initializers` then give zeros."""
