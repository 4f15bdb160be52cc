"""S-LSU: UNIK's spatial long-short dependency unit (Eq. 2 to 4).

Shape legend: N clips, M persons, B = N * M, T frames, V joints, C channels
in, D channels out, E channels of an attention embedding, H heads, W frames in
a spatial window (tau), U and P = W * V joints of a window (in and out).
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from unik_jax.errors import UserError
from unik_jax.models import attention, graphs, initializers, layers
from unik_jax.models.recognizer import Mixing
from unik_jax.skeletons.layouts import Layout

MATRICES = ('dependency', 'adaptive', 'fixed')
_SLICES = 3  # of the graph of 2s-AGCN


class Heads(nnx.Module):
  """Parameters of a 1 x 1 convolution per head: kernel (H, C, D), bias (H, D).

  Args:
    heads: H.
    in_features: C.
    out_features: D.
    std: of the normal initial values of the kernel; the bias starts at 0.
    rngs: where the initial values come from.
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


class SpatialUnit(nnx.Module):
  """S-LSU: joints mixed by dependency matrices and attention (Eq. 2 to 4).

  f_out = sum_h E_h . (f_in x (W_h + A_h)), each head an einsum and a product
  over all clips, persons and frames; then, as in the official code, batch norm,
  a shortcut and ReLU. With a window of tau frames the joints are those of tau
  frames, gathered again into one frame by a (tau x 1) convolution and batch
  norm.

  With a graph in the place of, or added to, W_h it is the spatial unit of
  2s-AGCN (Shi et al., CVPR 2019), or one with a graph alone (`matrix`).

  Args:
    in_features: C.
    out_features: D.
    num_joints: V.
    num_heads: H; 0 stands for one dependency matrix without attention.
    tau: W, frames in the window.
    attention: whether A_h is added to W_h.
    attention_scale: whether the scores are divided by E * T (official code)
      or not (Eq. 4).
    dependency_init: of W: uniform within a bound, 'code' or 'paper'; or
      'identity', 'graph' (the slices in turn) or 'zeros'.
    matrix: 'dependency', W_h is learned; 'adaptive', it is a slice of the
      graph plus a learned part that starts at 1e-6; 'fixed', a slice alone.
    layout: whose bones are the graph, if one is asked for.
    dtype: of the computation.
    rngs: where the initial values come from.

  Raises:
    UserError: the options do not go together.
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
    if matrix not in MATRICES:
      raise UserError(
        f'model.matrix is {matrix!r}; use one of {", ".join(MATRICES)}'
      )
    if matrix != 'dependency' and (heads, tau) != (_SLICES, 1):
      raise UserError(
        f'model.matrix is {matrix!r}: the graph has {_SLICES} slices within a'
        f' frame; set model.num_heads={_SLICES} and model.tau=1'
      )
    self.graph = None
    if matrix != 'dependency' or dependency_init == 'graph':
      if layout is None or layout.num_joints != num_joints:
        raise UserError(
          f'a graph of {num_joints} joints takes a layout of as many'
        )
      self.graph = layout if matrix != 'dependency' else None
    if matrix == 'adaptive':
      self.dependency = nnx.Param(
        initializers.filled(1e-6, heads, nodes, nodes)
      )
    elif matrix == 'dependency':
      self.dependency = nnx.Param(
        _dependency(dependency_init, heads, nodes, tau, layout, rngs)
      )
    self.learned = matrix != 'fixed'
    attention = attention and num_heads and matrix != 'fixed'
    if attention:
      embedding = max(out_features // 4, 1)
      std = math.sqrt(2 / embedding)
      self.theta = Heads(heads, in_features, embedding, std=std, rngs=rngs)
      self.phi = Heads(heads, in_features, embedding, std=std, rngs=rngs)
    self.attention = bool(attention)
    self.embed = Heads(
      heads,
      in_features,
      out_features,
      std=math.sqrt(2 / (out_features * in_features * heads)),
      rngs=rngs,
    )
    # The tiny scale lets a block begin as its shortcut.
    self.bn = layers.BatchNorm(out_features, scale=1e-6, dtype=dtype)
    self.shortcut = (
      layers.ConvNorm(in_features, out_features, dtype=dtype, rngs=rngs)
      if in_features != out_features
      else None
    )
    if tau > 1:
      bound = initializers.uniform(1 / math.sqrt(out_features * tau))
      shape = (tau, out_features, out_features)
      self.window_kernel = nnx.Param(bound(rngs.params(), shape))
      self.window_bias = nnx.Param(bound(rngs.params(), (out_features,)))
      self.window_bn = layers.BatchNorm(out_features, dtype=dtype)
    self.tau, self.attention_scale, self.dtype = tau, attention_scale, dtype

  def mixing(self, x_bvtc: jax.Array | None) -> Mixing:
    """W_h, and A_h of given features."""
    maps = None
    if self.attention and x_bvtc is not None:
      maps = self._attention(self._window(x_bvtc))
    return Mixing(self._matrices(), maps)

  def data_axes(self, *, first: bool) -> dict[tuple, tuple]:
    """As of `Recognizer`; `first` where the input's channels come in."""
    axes = {}
    if self.learned:
      axes['dependency',] = ((), (self.tau, 'inputs'), (self.tau, 'joints'))
    if first:
      for name in ('theta', 'phi') * self.attention + ('embed',):
        axes[name, 'kernel'] = ((), ('channels',), ())
      if self.shortcut is not None:
        axes['shortcut', 'conv', 'kernel'] = (('channels',), ())
    return axes

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    b, v, t, _ = x_bvtc.shape
    x_butc = self._window(x_bvtc)
    mixing, batch = self._matrices(), ''
    if self.attention:
      mixing, batch = mixing + self._attention(x_butc), 'b'
    # With joints folded into the batch, as the convolution that comes next
    # has them: XLA computes again what it has to reshape in between.
    y = self._mix_and_embed(x_butc, mixing.astype(x_butc.dtype), batch)
    y = self.bn(y, train=train)
    shortcut = self.shortcut(x_butc, train=train) if self.shortcut else x_butc
    y = layers.relu(y + shortcut.reshape(y.shape))
    if self.tau > 1:
      y = y.reshape(b, self.tau, v, t, -1)
      y = jnp.einsum('bwvtc,wcd->bvtd', y, self._cast(self.window_kernel))
      y = self.window_bn(y + self._cast(self.window_bias), train=train)
    return y.reshape(b, v, t, -1)

  def _mix_and_embed(self, x_butc, mixing, batch):
    """sum_h E_h . (x mixing_h), (B * P, T, D), of one head after the other.

    Heads are not taken together: on a CPU to bring them next to their channels
    costs more than larger products gain.
    """
    b, u, t, c = x_butc.shape
    x_buk = x_butc.reshape(b, u, t * c)
    # The bias comes first, so that the sum is an array of its own: XLA would
    # add up the heads anew in each operation of the batch norm after it.
    y = self._cast(self.embed.bias).sum(0)
    for h, kernel in enumerate(self._cast(self.embed.kernel)):
      mixed = jnp.einsum(f'{batch}up,buk->bpk', mixing[..., h, :, :], x_buk)
      y += (mixed.reshape(-1, c) @ kernel).reshape(-1, t, kernel.shape[-1])
    return y

  def _matrices(self):
    """W_h, (H, U, P): learned, a graph, or their sum."""
    if self.graph is None:
      return self.dependency[...]
    graph = jnp.asarray(graphs.directed(self.graph))
    return graph + self.dependency[...] if self.learned else graph

  def _attention(self, x_butc):
    """Softmax over u, so that each column of A_h averages (Eq. 4)."""
    theta, phi = (
      (self._cast(unit.kernel), self._cast(unit.bias))
      for unit in (self.theta, self.phi)
    )
    scores = attention.scores(x_butc, theta, phi)
    if self.attention_scale:
      scores = scores / (theta[0].shape[-1] * x_butc.shape[2])
    return self._normalized(scores)

  def _normalized(self, scores):
    return jax.nn.softmax(scores, axis=-2)

  def _cast(self, param):
    return param[...] if self.dtype is None else param[...].astype(self.dtype)

  def _window(self, x_bvtc):
    """Each frame with its neighbours: (B, V, T, C) to (B, W * V, T, C).

    Zeros stand beyond the ends. An even window, which the official code
    cannot run, reaches one frame further ahead than back.
    """
    if self.tau == 1:
      return x_bvtc
    back = (self.tau - 1) // 2
    pad = ((0, 0), (0, 0), (back, self.tau - 1 - back), (0, 0))
    padded = jnp.pad(x_bvtc, pad)
    t = x_bvtc.shape[2]
    return jnp.concatenate(
      [padded[:, :, w : w + t] for w in range(self.tau)], axis=1
    )


def _dependency(name, heads, nodes, tau, layout, rngs):
  """Initial values of the dependency matrices, (H, U, P)."""
  shape = (heads, nodes, nodes)
  # Eq. 3 is the first; PyTorch's kaiming_uniform_, given the 3-D tensor,
  # takes a fan-in of nodes squared, which makes it the second.
  bounds = {'paper': 1 / math.sqrt(nodes), 'code': 1 / nodes}
  if name in bounds:
    return initializers.uniform(bounds[name])(rngs.params(), shape)
  if name == 'zeros':
    return initializers.filled(0, *shape)
  if name == 'identity':
    return np.tile(np.eye(nodes, dtype=np.float32), (heads, 1, 1))
  if name == 'graph':
    frames = np.eye(tau, dtype=np.float32)  # within each frame of the window
    slices = graphs.directed(layout)
    return np.stack(
      [np.kron(frames, slices[h % _SLICES]) for h in range(heads)]
    )
  raise UserError(
    f'model.dependency_init is {name!r}; use one of '
    + ', '.join(sorted((*bounds, 'zeros', 'identity', 'graph')))
  )
