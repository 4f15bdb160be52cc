"""S-LSU: UNIK's spatial long-short dependency unit (Eq. 2 to 4).

Eq. 2 itself is `ops.mix_and_embed`, the scores of Eq. 4 are
`ops.attention_scores`.

Shape legend: B clips x persons, T frames, V joints, C channels in, D channels
out, R channels of an attention embedding, H heads, tau frames in a spatial
window, U and P: the tau * V joints of a window (in and out).
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from unik_jax.errors import UserError, check_choice
from unik_jax.models import graphs, initializers, layers
from unik_jax.models.recognizer import Mixing
from unik_jax.skeletons.layouts import Layout

MATRICES = ('dependency', 'adaptive', 'fixed')
_GRAPH_SLICES = 3  # of 2s-AGCN's graph


class HeadParams(nnx.Module):
  """Parameters of a 1 x 1 convolution per head: kernel (H, C, D), bias (H, D).

  Args:
    heads: H.
    in_features: C.
    out_features: D.
    std: standard deviation of the kernel's initial values; biases start at 0.
    rngs: source of the initial values.
  """

  def __init__(
    self,
    heads: int,
    in_features: int,
    out_features: int,
    *,
    std: float,
    rngs: nnx.Rngs,
  ):
    self.kernel = nnx.Param(
      initializers.normal(std)(
        rngs.params(), (heads, in_features, out_features)
      )
    )
    self.bias = nnx.Param(initializers.filled(0, heads, out_features))

  def cast(self, dtype) -> tuple[jax.Array, jax.Array]:
    """Returns kernel and bias, in `dtype` unless that is None."""
    kernel, bias = self.kernel[...], self.bias[...]
    return (
      (kernel, bias)
      if dtype is None
      else (kernel.astype(dtype), bias.astype(dtype))
    )


class SpatialUnit(layers.Layer):
  """S-LSU: joints mixed by dependency matrices and attention.

    f_out = sum_h E_h(f_in (W_h + A_h))                             (Eq. 2)
    W_h: learned, initially uniform; `dependency_init` sets its
         bound                                     (Eq. 3 or the official code)
    A_h = softmax_u(theta_h(f_in)^T phi_h(f_in))                    (Eq. 4)

  then batch norm, a shortcut and ReLU, as in the official code. With a spatial
  window, every frame sees the joints of tau frames around it, and a (tau x 1)
  convolution and batch norm merge the tau frames into one.

  `matrix` adds a graph to W_h ('adaptive': the spatial unit of 2s-AGCN, Shi et
  al., CVPR 2019), or takes the graph instead of W_h ('fixed').

  Args:
    in_features: C.
    out_features: D.
    num_joints: V.
    num_heads: H; 0 is one dependency matrix without attention.
    tau: frames in the window.
    attention: adds A_h to W_h.
    attention_scale: divides the scores by R * T (official code; Eq. 4 does
      not).
    dependency_init: initial values of W_h: 'code' is uniform within
      1 / (tau V), 'paper' within 1 / sqrt(tau V) (Eq. 3); 'identity', 'graph'
      (head h takes slice h modulo 3) or 'zeros'. Used by the matrix
      'dependency' only; the others ignore it.
    matrix: 'dependency' (W_h is learned), 'adaptive' (a slice of the graph
      plus a learned part that starts at 1e-6) or 'fixed' (a slice only).
    layout: joints and bones of the graph; None without a graph.
    dtype: of the computation.
    rngs: source of the initial values.

  Raises:
    UserError: an option is unknown, or two exclude each other.
  """

  def __init__(
    self,
    in_features: int,
    out_features: int,
    *,
    num_joints: int,
    num_heads: int,
    tau: int,
    attention: bool,
    attention_scale: bool,
    dependency_init: str,
    matrix: str,
    layout: Layout | None,
    dtype,
    rngs: nnx.Rngs,
  ):
    heads = max(num_heads, 1)
    nodes = tau * num_joints
    check_choice('model.matrix', matrix, MATRICES)
    if matrix != 'dependency' and (heads, tau) != (_GRAPH_SLICES, 1):
      raise UserError(
        f'model.matrix={matrix}: expected {_GRAPH_SLICES} heads and tau 1, got'
        f' {heads} and {tau}. Set model.num_heads={_GRAPH_SLICES} and'
        ' model.tau=1.'
      )
    if matrix != 'dependency' or dependency_init == 'graph':
      if layout is None or layout.num_joints != num_joints:
        key = f'model.matrix={matrix}'
        if matrix == 'dependency':
          key = 'model.dependency_init=graph'
        raise UserError(
          f'{key}: expected a layout of {num_joints} joints, got'
          f' {layout and layout.name}. Name the layout of the data, or choose'
          ' a setting without a graph.'
        )
    self.graph = layout if matrix != 'dependency' else None
    self.learned = matrix != 'fixed'
    if matrix == 'adaptive':
      self.dependency = nnx.Param(
        initializers.filled(1e-6, heads, nodes, nodes)
      )
    elif matrix == 'dependency':
      self.dependency = nnx.Param(
        _initial_dependency(dependency_init, heads, nodes, tau, layout, rngs)
      )
    self.attention = bool(attention and num_heads and self.learned)
    if self.attention:
      embedding = max(out_features // 4, 1)
      options = {'std': math.sqrt(2 / embedding), 'rngs': rngs}
      self.theta = HeadParams(heads, in_features, embedding, **options)
      self.phi = HeadParams(heads, in_features, embedding, **options)
    self.embed = HeadParams(
      heads,
      in_features,
      out_features,
      std=math.sqrt(2 / (out_features * in_features * heads)),
      rngs=rngs,
    )
    # With the tiny scale the unit starts as its shortcut.
    self.bn = layers.BatchNorm(out_features, scale=1e-6, dtype=dtype)
    self.shortcut = layers.residual_branch(
      in_features, out_features, dtype=dtype, rngs=rngs
    )
    if tau > 1:
      bound = initializers.uniform(1 / math.sqrt(out_features * tau))
      shape = (tau, out_features, out_features)
      self.window_kernel = nnx.Param(bound(rngs.params(), shape))
      self.window_bias = nnx.Param(bound(rngs.params(), (out_features,)))
      self.window_bn = layers.BatchNorm(out_features, dtype=dtype)
    self.tau, self.attention_scale, self.dtype = tau, attention_scale, dtype

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    x_butc = self.windows(x_bvtc)
    mixing = self.mixing_sum(x_butc)
    with jax.named_scope('mix_and_embed'):
      y = self.ops.mix_and_embed(x_butc, mixing, *self.embed.cast(self.dtype))
    y = self.bn(y, train=train)
    y = self.ops.relu(y + self.shortcut(x_butc, train=train))
    return self._merge_window(y, train=train) if self.tau > 1 else y

  def mixing(self, x_bvtc: jax.Array | None) -> Mixing:
    """Returns W_h and A_h apart, to show or test them.

    Args:
      x_bvtc: features; None for W_h only.
    """
    attention = None
    if self.attention and x_bvtc is not None:
      attention = self.attention_maps(self.windows(x_bvtc))
    return Mixing(self.dependency_matrices(), attention)

  def mixing_sum(self, x_butc: jax.Array) -> jax.Array:
    """Returns W_h + A_h, as Eq. 2 uses it.

    Args:
      x_butc: features, from `windows`.

    Returns:
      (B, H, U, P), or (H, U, P) without attention.
    """
    mixing = self.dependency_matrices()
    if self.attention:
      mixing = mixing + self.attention_maps(x_butc)
    return mixing.astype(x_butc.dtype)

  def dependency_matrices(self) -> jax.Array:
    """Returns W_h, (H, U, P), or what replaces it.

    That is the graph ('fixed'), or its sum with a learned part ('adaptive').
    """
    if self.graph is None:
      return self.dependency[...]
    graph = jnp.asarray(graphs.directed(self.graph))
    return graph + self.dependency[...] if self.learned else graph

  @jax.named_scope('attention')
  def attention_maps(self, x_butc: jax.Array) -> jax.Array:
    """Returns A_h, (B, H, U, P), whose columns sum to 1 (Eq. 4)."""
    theta, phi = self.theta.cast(self.dtype), self.phi.cast(self.dtype)
    scores = self.ops.attention_scores(x_butc, theta, phi)
    if self.attention_scale:
      scores = scores / (theta[0].shape[-1] * x_butc.shape[2])
    return self.normalize_scores(scores)

  def normalize_scores(self, scores_bhup: jax.Array) -> jax.Array:
    """Returns the softmax over the source joints; AAGCN overrides it."""
    return jax.nn.softmax(scores_bhup, axis=-2)

  def windows(self, x_bvtc: jax.Array) -> jax.Array:
    """Gathers each frame's window: (B, V, T, C) to (B, tau * V, T, C).

    Frames before the first and after the last are zeros. An even window, which
    the official code cannot run, reaches one frame further ahead than back.
    """
    if self.tau == 1:
      return x_bvtc
    back = (self.tau - 1) // 2
    pad = ((0, 0), (0, 0), (back, self.tau - 1 - back), (0, 0))
    padded = jnp.pad(x_bvtc, pad)
    t = x_bvtc.shape[2]
    return jnp.concatenate(
      [padded[:, :, i : i + t] for i in range(self.tau)], axis=1
    )

  def data_axes(self, *, first: bool) -> dict[tuple, tuple]:
    """`Recognizer.data_axes`; `first` if the input is the keypoints."""
    axes: dict[tuple, tuple] = {}
    if self.learned:
      axes['dependency',] = ((), (self.tau, 'inputs'), (self.tau, 'joints'))
    if first:
      for name in ('theta', 'phi') * self.attention + ('embed',):
        axes[name, 'kernel'] = ((), ('channels',), ())
      if isinstance(self.shortcut, layers.ConvNorm):
        axes['shortcut', 'conv', 'kernel'] = (('channels',), ())
    return axes

  def _merge_window(self, y_bptd, *, train):
    """Convolves the tau frames of each window into one: (B, V, T, D)."""
    b, p, t, d = y_bptd.shape
    y = y_bptd.reshape(b, self.tau, p // self.tau, t, d)
    kernel, bias = self.window_kernel[...], self.window_bias[...]
    if self.dtype is not None:
      kernel, bias = kernel.astype(self.dtype), bias.astype(self.dtype)
    y = jnp.einsum('bkvtc,kcd->bvtd', y, kernel) + bias  # k: the tau frames
    return self.window_bn(y, train=train)


def _initial_dependency(name, heads, nodes, tau, layout, rngs):
  """Returns the initial dependency matrices, (H, U, P)."""
  shape = (heads, nodes, nodes)
  # 'paper' is Eq. 3. The official code gives the whole 3-D tensor to PyTorch's
  # kaiming_uniform_, which takes nodes squared for its fan-in: 'code'.
  bounds = {'paper': 1 / math.sqrt(nodes), 'code': 1 / nodes}
  if name in bounds:
    return initializers.uniform(bounds[name])(rngs.params(), shape)
  if name == 'zeros':
    return initializers.filled(0, *shape)
  if name == 'identity':
    return np.tile(np.eye(nodes, dtype=np.float32), (heads, 1, 1))
  if name == 'graph':
    frames = np.eye(tau, dtype=np.float32)  # bones within each frame only
    slices = graphs.directed(layout)
    return np.stack(
      [np.kron(frames, slices[h % _GRAPH_SLICES]) for h in range(heads)]
    )
  known = ', '.join(sorted((*bounds, 'zeros', 'identity', 'graph')))
  raise UserError(
    f'model.dependency_init: expected one of {known}, got {name!r}'
  )
