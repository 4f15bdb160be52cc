"""UNIK: a unified framework for skeleton-based action recognition.

Yang et al., BMVC 2021. A clip goes through batch norm, ten blocks of a
spatial (S-LSU) and a temporal (T-LSU) long-short dependency unit, the mean
over joints, frames and persons, and a linear classifier. No graph: each head
of an S-LSU mixes the joints by a learned dependency matrix plus attention.

Where paper and official code differ, the defaults are the code's, since the
published numbers are its own; each option says what the paper has.

Shape legend: N clips, M persons, B = N * M, T frames, V joints, C channels
in, D channels out, E channels of an attention embedding, H heads, W frames in
a spatial window (tau), U and P = W * V joints of a window (in and out).
"""

import math
from collections.abc import Iterator, Sequence

import jax
import jax.numpy as jnp
from flax import nnx

from unik_jax.errors import UserError
from unik_jax.models import layers, official, unik_official

WIDTHS = (64, 64, 64, 64, 128, 128, 128, 256, 256, 256)
STRIDES = (1, 1, 1, 1, 2, 1, 1, 2, 1, 1)


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
      std * jax.random.normal(rngs.params(), (heads, in_features, out_features))
    )
    self.bias = nnx.Param(jnp.zeros((heads, out_features)))


class SpatialUnit(nnx.Module):
  """S-LSU: joints mixed by dependency matrices and attention (Eq. 2 to 4).

  f_out = sum_h E_h . (f_in x (W_h + A_h)), all heads in a few einsums; then,
  as in the official code, batch norm, a shortcut and ReLU. With a window of
  tau frames the joints are those of tau frames, gathered again into one frame
  by a (tau x 1) convolution and batch norm.

  Args:
    in_features: C.
    out_features: D.
    num_joints: V.
    num_heads: H; 0 stands for one dependency matrix without attention.
    tau: W, frames in the window.
    attention: whether A_h is added to W_h.
    attention_scale: whether the scores are divided by E * T (official code)
      or not (Eq. 4).
    dependency_init: 'code' or 'paper', the bound of W's uniform values.
    dtype: of the computation.
    rngs: where the initial values come from.
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
    dtype,
    rngs: nnx.Rngs,
  ):
    heads = max(num_heads, 1)
    nodes = tau * num_joints
    # Eq. 3 is the first; PyTorch's kaiming_uniform_, given the 3-D tensor,
    # takes a fan-in of nodes squared, which makes it the second.
    bounds = {'paper': 1 / math.sqrt(nodes), 'code': 1 / nodes}
    if dependency_init not in bounds:
      raise UserError(
        f'model.dependency_init is {dependency_init!r}; use one of '
        + ', '.join(sorted(bounds))
      )
    self.dependency = nnx.Param(
      layers.uniform(bounds[dependency_init])(
        rngs.params(), (heads, nodes, nodes)
      )
    )
    if attention and num_heads:
      embedding = max(out_features // 4, 1)
      std = math.sqrt(2 / embedding)
      self.theta = Heads(heads, in_features, embedding, std=std, rngs=rngs)
      self.phi = Heads(heads, in_features, embedding, std=std, rngs=rngs)
    self.attention = bool(attention and num_heads)
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
      bound = layers.uniform(1 / math.sqrt(out_features * tau))
      shape = (tau, out_features, out_features)
      self.window_kernel = nnx.Param(bound(rngs.params(), shape))
      self.window_bias = nnx.Param(bound(rngs.params(), (out_features,)))
      self.window_bn = layers.BatchNorm(out_features, dtype=dtype)
    self.tau, self.attention_scale, self.dtype = tau, attention_scale, dtype

  def mixing(self, x_butc: jax.Array) -> jax.Array:
    """The matrices W_h + A_h, (B, H, U, P) or (H, U, P) without attention.

    Column p holds the weights with which the joints u make joint p; the
    softmax runs over u, so that the attention part averages.
    """
    if not self.attention:
      return self.dependency[...]
    theta, phi = (
      jnp.einsum('butc,hce->bhute', x_butc, self._cast(unit.kernel))
      + self._cast(unit.bias)[:, None, None]
      for unit in (self.theta, self.phi)
    )
    wide = layers.at_least_float32(x_butc.dtype)
    scores = jnp.einsum(
      'bhute,bhpte->bhup', theta, phi, preferred_element_type=wide
    )
    if self.attention_scale:
      scores = scores / (theta.shape[-1] * theta.shape[-2])
    return self.dependency[...] + jax.nn.softmax(scores, axis=-2)

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    b, v, t, _ = x_bvtc.shape
    x_butc = self._unfold(x_bvtc) if self.tau > 1 else x_bvtc
    mixing = self.mixing(x_butc).astype(x_butc.dtype)
    batch = 'b' if mixing.ndim == 4 else ''
    mixed = jnp.einsum(f'butc,{batch}hup->bhptc', x_butc, mixing)
    y = jnp.einsum('bhptc,hcd->bptd', mixed, self._cast(self.embed.kernel))
    y = self.bn(y + self._cast(self.embed.bias).sum(0), train=train)
    y += self.shortcut(x_butc, train=train) if self.shortcut else x_butc
    y = jax.nn.relu(y)
    if self.tau > 1:
      y = y.reshape(b, self.tau, v, t, -1)
      y = jnp.einsum('bwvtc,wcd->bvtd', y, self._cast(self.window_kernel))
      y = self.window_bn(y + self._cast(self.window_bias), train=train)
    return y

  def _cast(self, param):
    return param[...] if self.dtype is None else param[...].astype(self.dtype)

  def _unfold(self, x_bvtc):
    """Each frame with its neighbours: (B, V, T, C) to (B, W * V, T, C).

    Zeros stand beyond the ends. An even window, which the official code
    cannot run, reaches one frame further ahead than back.
    """
    back = (self.tau - 1) // 2
    pad = ((0, 0), (0, 0), (back, self.tau - 1 - back), (0, 0))
    padded = jnp.pad(x_bvtc, pad)
    t = x_bvtc.shape[2]
    return jnp.concatenate(
      [padded[:, :, w : w + t] for w in range(self.tau)], axis=1
    )


class TemporalUnit(nnx.Module):
  """T-LSU: a (K x 1) convolution over time and batch norm (Eq. 5).

  Args:
    features: D, in and out.
    kernel_size: K.
    stride: of the frames.
    dilation: distance between taps, in frames.
    dtype: of the computation.
    rngs: where the initial values come from.
  """

  def __init__(
    self,
    features: int,
    *,
    kernel_size: int,
    stride: int,
    dilation: int,
    dtype,
    rngs: nnx.Rngs,
  ):
    self.conv = layers.TemporalConv(
      features,
      features,
      kernel_size=kernel_size,
      stride=stride,
      dilation=dilation,
      dtype=dtype,
      rngs=rngs,
    )
    self.bn = layers.BatchNorm(features, dtype=dtype)

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    return self.bn(self.conv(x_bvtc), train=train)


class Block(nnx.Module):
  """ReLU(T-LSU(S-LSU(x)) + residual(x)) (Eq. 1).

  Args:
    spatial: the S-LSU.
    temporal: the T-LSU.
    residual: a ConvNorm, 'identity', or None for no residual.
  """

  def __init__(
    self,
    spatial: SpatialUnit,
    temporal: TemporalUnit,
    residual: layers.ConvNorm | str | None,
  ):
    self.spatial = spatial
    self.temporal = temporal
    self.residual = residual

  def __call__(self, x_bvtc: jax.Array, *, train: bool) -> jax.Array:
    y = self.temporal(self.spatial(x_bvtc, train=train), train=train)
    if self.residual == 'identity':
      y += x_bvtc
    elif self.residual is not None:
      y += self.residual(x_bvtc, train=train)
    return jax.nn.relu(y)


class UNIK(nnx.Module):
  """The network: (N, M, T, V, C) keypoints to (N, num_classes) logits.

  Args:
    num_classes: how many actions.
    num_joints: V.
    num_persons: M. Absent persons are zeros, and count in the mean, as in the
      official code.
    in_channels: C of the keypoints: 2 or 3, one more with confidence.
    num_heads: N of the paper. 0 means no attention and one dependency matrix
      in every block: our reading, since the paper leaves it undefined.
    first_block_heads: the official code always has 3 here; None gives
      `num_heads`, as the paper has it.
    tau: frames in the spatial window, even ones too.
    widths: output channels of each block.
    strides: temporal stride of each block.
    dilations: temporal dilation of each block; default 1 throughout, as in
      the official code. The paper's own pattern is unpublished.
    temporal_kernel: taps of the temporal convolution.
    attention: whether attention is added to the dependency matrices.
    attention_scale: whether attention scores are divided by channels times
      frames (official code) or not (Eq. 4 of the paper).
    dependency_init: uniform within 1 / (tau V), 'code', or within
      1 / sqrt(tau V), 'paper' (Eq. 3).
    dtype: of the computation; None for that of the inputs.
    rngs: where the initial values come from (stream `params`).
  """

  def __init__(
    self,
    num_classes: int,
    num_joints: int,
    num_persons: int = 2,
    in_channels: int = 3,
    *,
    num_heads: int = 3,
    first_block_heads: int | None = 3,
    tau: int = 1,
    widths: Sequence[int] = WIDTHS,
    strides: Sequence[int] = STRIDES,
    dilations: Sequence[int] | None = None,
    temporal_kernel: int = 9,
    attention: bool = True,
    attention_scale: bool = True,
    dependency_init: str = 'code',
    dtype=None,
    rngs: nnx.Rngs,
  ):
    dilations = dilations or (1,) * len(widths)
    if not len(widths) == len(strides) == len(dilations):
      raise UserError(
        'model.widths, model.strides and model.dilations need one entry for'
        f' each block: got {len(widths)}, {len(strides)}, {len(dilations)}'
      )
    for key, value, least in (
      ('widths', min(widths, default=0), 1),
      ('strides', min(strides, default=0), 1),
      ('dilations', min(dilations, default=0), 1),
      ('num_heads', num_heads, 0),
      ('tau', tau, 1),
      ('temporal_kernel', temporal_kernel, 1),
    ):
      if value < least:
        raise UserError(f'model.{key} has {value}; the least is {least}')
    if first_block_heads is None or not num_heads:
      first_block_heads = num_heads
    self.input_shape = (num_persons, None, num_joints, in_channels)
    self.input_bn = layers.BatchNorm(
      num_persons * num_joints * in_channels, dtype=dtype
    )
    blocks = []
    features = in_channels
    for i, (width, stride, dilation) in enumerate(
      zip(widths, strides, dilations, strict=True)
    ):
      spatial = SpatialUnit(
        features,
        width,
        num_joints=num_joints,
        num_heads=num_heads if i else first_block_heads,
        tau=tau,
        attention=attention,
        attention_scale=attention_scale,
        dependency_init=dependency_init,
        dtype=dtype,
        rngs=rngs,
      )
      temporal = TemporalUnit(
        width,
        kernel_size=temporal_kernel,
        stride=stride,
        dilation=dilation,
        dtype=dtype,
        rngs=rngs,
      )
      residual = 'identity' if i else None
      if i and (features != width or stride > 1):
        residual = layers.ConvNorm(
          features, width, stride=stride, dtype=dtype, rngs=rngs
        )
      blocks.append(Block(spatial, temporal, residual))
      features = width
    self.blocks = nnx.List(blocks)
    # The published class multiplies, so this is a standard deviation.
    std = math.sqrt(2 / num_classes)
    self.head = layers.Dense(
      features,
      num_classes,
      kernel_init=nnx.initializers.normal(std),
      bias_init=layers.uniform(1 / math.sqrt(features)),
      rngs=rngs,
    )
    self.dtype = dtype

  def __call__(self, x_nmtvc: jax.Array, *, train: bool) -> jax.Array:
    n, m, t, v, c = x_nmtvc.shape
    persons, _, joints, channels = self.input_shape
    if (m, v, c) != (persons, joints, channels):
      raise UserError(
        f'this model takes keypoints of {persons} persons, {joints} joints'
        f' and {channels} channels; got (N, M, T, V, C) = {x_nmtvc.shape}'
      )
    if self.dtype is not None:
      x_nmtvc = x_nmtvc.astype(self.dtype)
    x = x_nmtvc.transpose(0, 2, 1, 3, 4).reshape(n, t, m * v * c)
    x = self.input_bn(x, train=train)
    x = x.reshape(n, t, m, v, c).transpose(0, 2, 3, 1, 4)
    x_bvtc = x.reshape(n * m, v, t, c)
    for block in self.blocks:
      x_bvtc = block(x_bvtc, train=train)
    wide = layers.at_least_float32(x_bvtc.dtype)
    pooled = x_bvtc.reshape(n, m, v, -1, x_bvtc.shape[-1]).mean(
      (1, 2, 3), dtype=wide
    )
    return self.head(pooled)

  def official_tensors(self) -> Iterator[official.Tensor]:
    """The state dict of the official PyTorch UNIK, in its order."""
    return unik_official.tensors(self)

  official_shape = staticmethod(unik_official.shape)

  def data_axes(self) -> dict[tuple, tuple]:
    """The arrays that depend on persons, joints or channels of the data.

    Returns:
      By path, what each axis is made of, the slowest first: some of 'persons',
      'joints', 'inputs' (joints that are summed over), 'channels', and sizes
      of what does not depend on the data; () for an axis that does not at all.
    """
    norm = (('persons', 'joints', 'channels'),)
    axes = {
      (tree, 'input_bn', name): norm
      for tree, name in (
        ('params', 'scale'),
        ('params', 'bias'),
        ('batch_stats', 'mean'),
        ('batch_stats', 'var'),
      )
    }
    for i, block in enumerate(self.blocks):
      tau = block.spatial.tau
      axes['params', 'blocks', i, 'spatial', 'dependency'] = (
        (),
        (tau, 'inputs'),
        (tau, 'joints'),
      )
    first = self.blocks[0].spatial
    for name in ('theta', 'phi') * first.attention + ('embed',):
      axes['params', 'blocks', 0, 'spatial', name, 'kernel'] = (
        (),
        ('channels',),
        (),
      )
    if first.shortcut is not None:
      path = ('params', 'blocks', 0, 'spatial', 'shortcut', 'conv', 'kernel')
      axes[path] = (('channels',), ())
    return axes
