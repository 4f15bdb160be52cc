"""The operations of `ops` in the forms that XLA's TPU compiler is best at.

Signatures and values are those of `ops`. docs/performance.md has what each form
gains by the compiler's estimate.

A TPU computes on tiles of 128 lanes, which the channels fill: narrower features
are packed, as G = 128 / C frames beside each other, and kernels become block
diagonal. Heads are computed one after the other: XLA copies all heads of one
product from layout to layout.

Shape legend: as in `ops`, and G frames of a group, S = T / G groups.
"""

import functools

import jax
import jax.numpy as jnp
from jax.experimental.layout import Layout, with_layout_constraint

from unik_jax.models import ops
from unik_jax.models.ops import at_least_float32

_LANES = 128
_NARROW = 8  # fewer channels are those of keypoints


def _group(frames: int, channels: int) -> int:
  """Returns G, the frames that are packed: 1 for none."""
  group = _LANES // channels
  is_packed = channels * group == _LANES and not frames % group
  return group if is_packed and channels >= _NARROW else 1


def _pack(x_bvtc, group):
  b, v, t, c = x_bvtc.shape
  return x_bvtc.reshape(b, v, t // group, group * c)


def _lay_out(x_bvsc):
  """Returns x with the layout that the temporal convolution has: V, S, B, C."""
  return with_layout_constraint(x_bvsc, Layout((1, 2, 0, 3)))


def _block_diagonal(kernel_cd, group):
  c, d = kernel_cd.shape
  blocks = jnp.einsum(
    'cd,ij->icjd', kernel_cd, jnp.eye(group, dtype=kernel_cd.dtype)
  )
  return blocks.reshape(group * c, group * d)


def mix_and_embed(
  x_butc: jax.Array,
  mixing: jax.Array,
  kernel_hcd: jax.Array,
  bias_hd: jax.Array,
) -> jax.Array:
  """`ops.mix_and_embed`, one head after the other."""
  b, _, t, c = x_butc.shape
  heads, _, d = kernel_hcd.shape
  group = _group(t, d if c < _NARROW else min(c, d))
  x = _pack(x_butc, group)
  if mixing.ndim == 3:
    mixing = jnp.broadcast_to(mixing, (b, *mixing.shape))
  if c < _NARROW:
    mixed = jnp.einsum('bhup,butc->bpthc', mixing, x_butc)
    mixed = mixed.reshape(b, -1, t // group, group * heads * c)
    kernel = _block_diagonal(kernel_hcd.reshape(heads * c, d), group)
    y = mixed @ kernel
  else:
    kernels = jnp.stack([_block_diagonal(k, group) for k in kernel_hcd])
    y = _mix_and_embed(x, mixing, kernels)
  y += jnp.tile(bias_hd.sum(0), group)
  return y.reshape(b, -1, t, d)


@jax.custom_vjp
def _mix_and_embed(x, mixing, kernels):
  """Mixes and embeds (B, U, S, C) by (B, H, U, P) and (H, C, D)."""
  y = 0
  for h, kernel in enumerate(kernels):
    y += jnp.einsum('bup,busc->bpsc', mixing[:, h], x) @ kernel
  return y


def _mix_forward(x, mixing, kernels):
  return _mix_and_embed(x, mixing, kernels), (x, mixing, kernels)


def _mix_backward(residuals, dy):
  x, mixing, kernels = residuals
  x, dy = _lay_out(x), _lay_out(dy)
  dx, d_mixing, d_kernels = 0, [], []
  # dy is mixed, not the embedded gradient: no product is stored, and none has
  # another layout than its neighbours.
  for h, kernel in enumerate(kernels):
    mixed = jnp.einsum('bup,bpsd->busd', mixing[:, h], dy)
    dx += mixed @ kernel.T
    d_kernels.append(jnp.einsum('busc,busd->cd', x, mixed))
    d_mixing.append(jnp.einsum('busd,bpsd->bup', x @ kernel, dy))
  return _lay_out(dx), jnp.stack(d_mixing, 1), jnp.stack(d_kernels)


_mix_and_embed.defvjp(_mix_forward, _mix_backward)


def attention_scores(
  x_butc: jax.Array,
  theta: tuple[jax.Array, jax.Array],
  phi: tuple[jax.Array, jax.Array],
) -> jax.Array:
  """`ops.attention_scores`, in another form where gradients are taken."""
  if x_butc.shape[3] < _NARROW:
    return _narrow_scores(x_butc, theta, phi)
  group = _group(*x_butc.shape[2:])

  def pack(kernels, biases):
    kernels = jnp.stack([_block_diagonal(k, group) for k in kernels])
    return kernels, jnp.tile(biases, group)

  return _scores(_pack(x_butc, group), pack(*theta), pack(*phi))


@jax.custom_vjp
def _scores(x, theta, phi):
  """The scores of (B, U, S, C), one head after the other."""
  scores = [
    jnp.einsum(
      'busr,bpsr->bup',
      x @ theta_cr + bias_r,
      x @ phi_cr + other_r,
      preferred_element_type=at_least_float32(x.dtype),
    )
    for theta_cr, bias_r, phi_cr, other_r in zip(*theta, *phi, strict=True)
  ]
  return jnp.stack(scores, 1)


def _scores_of_all_pairs(x, theta, phi):
  """The same from one product of all heads, of which the diagonal is kept.

  It takes longer forwards, and its gradients move half as much memory.
  """
  b, u, _, _ = x.shape
  heads = len(theta[0])

  def embed(kernel_hcr, bias_hr):
    y = jnp.einsum('busc,hcr->bhusr', x, kernel_hcr)
    return (y + bias_hr[:, None, None]).reshape(b, heads * u, -1)

  pairs = jnp.einsum(
    'bik,bjk->bij',
    embed(*theta),
    embed(*phi),
    preferred_element_type=at_least_float32(x.dtype),
  )
  return jnp.einsum('bhuhp->bhup', pairs.reshape(b, heads, u, heads, u))


_scores.defvjp(
  lambda *arguments: jax.vjp(_scores_of_all_pairs, *arguments),
  lambda pull, d_scores: pull(d_scores),
)


def _narrow_scores(x_butc, theta, phi):
  """The scores as products of the keypoints, which are smaller than embedded.

  The bias of theta is a channel of ones: theta_h(x) = [x 1] [K_h; b_h].
  """
  x = jnp.pad(x_butc, ((0, 0),) * 3 + ((0, 1),), constant_values=1)
  theta, phi = (
    jnp.concatenate([kernel, bias[:, None]], 1) for kernel, bias in (theta, phi)
  )
  dtype = at_least_float32(x.dtype)
  square = jnp.einsum('hcr,hdr->hcd', theta, phi)
  return jnp.einsum(
    'bhutd,bptd->bhup',
    jnp.einsum('butc,hcd->bhutd', x, square),
    x,
    preferred_element_type=dtype,
  )


def temporal_conv(
  x_bvtc: jax.Array,
  kernel_kcd: jax.Array,
  *,
  stride: int = 1,
  dilation: int = 1,
) -> jax.Array:
  """`ops.temporal_conv`, over joints and frames: joints stay an axis."""
  b, v, t, c = x_bvtc.shape
  taps, _, d = kernel_kcd.shape
  reach = (taps - 1) * dilation
  before, after = reach // 2, reach - reach // 2
  group = _group(t, c) if stride == dilation == 1 and c == d else 1
  if group > 1:
    kernel_kcd, before = _packed_kernel(kernel_kcd, before, group)
    after = len(kernel_kcd) - 1 - before
  y = jax.lax.conv_general_dilated(
    _pack(x_bvtc, group),
    kernel_kcd[None],
    window_strides=(1, stride),
    padding=((0, 0), (before, after)),
    rhs_dilation=(1, dilation),
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
  )
  return y.reshape(b, v, -1, d)


def _packed_kernel(kernel_kcd, before, group):
  """Returns the kernel over groups of frames, and the groups before."""
  taps, c, d = kernel_kcd.shape
  groups_before = -(-before // group)
  first = groups_before * group - before
  groups = -(-(first + taps + group - 1) // group)
  # Frame i of the group that comes out sees the taps i frames later.
  shifted = [
    jnp.pad(
      kernel_kcd,
      ((first + i, groups * group - taps - first - i), (0, 0), (0, 0)),
    )
    for i in range(group)
  ]
  kernel = jnp.stack(shifted, 2)
  return kernel.reshape(groups, group * c, group * d), groups_before


def normalize(
  x: jax.Array,
  mean: jax.Array,
  var: jax.Array,
  scale: jax.Array,
  bias: jax.Array,
  epsilon: float,
) -> jax.Array:
  """`ops.normalize`."""
  if x.ndim != 4 or mean.ndim != 1:
    return ops.normalize(x, mean, var, scale, bias, epsilon)
  group = _group(*x.shape[2:])
  mean, var, scale, bias = (
    jnp.tile(a, group) for a in (mean, var, scale, bias)
  )
  y = ops.normalize(_pack(x, group), mean, var, scale, bias, epsilon)
  return y.reshape(x.shape)


def batch_norm(
  x: jax.Array, scale: jax.Array, bias: jax.Array, epsilon: float
) -> tuple[jax.Array, jax.Array, jax.Array]:
  """`ops.batch_norm`, in one pass for statistics and one to apply them."""
  if x.ndim != 4:
    return ops.batch_norm(x, scale, bias, epsilon)
  y, mean, var = _batch_norm(x, scale, bias, epsilon)
  return y, mean, var


@functools.partial(jax.custom_vjp, nondiff_argnums=(3,))
def _batch_norm(x, scale, bias, epsilon):
  return _norm_forward(x, scale, bias, epsilon)[0]


def _norm_forward(x, scale, bias, epsilon):
  c, n = x.shape[-1], x.size // x.shape[-1]
  group = _group(*x.shape[2:])
  packed = _pack(x, group)
  total, squares = _sum(packed, c), _sum(jnp.square(packed), c)
  mean = total / n
  # Rounding can make this negative where the mean is large.
  var = jnp.maximum(squares / n - jnp.square(mean), 0)
  inverse = jax.lax.rsqrt(var + epsilon)
  y = normalize(x, mean, var, scale, bias, epsilon)
  return (y, mean, var), (x, scale, mean, inverse)


def _sum(packed, c):
  return packed.sum((0, 1, 2)).reshape(-1, c).sum(0)


def _norm_backward(epsilon, residuals, gradients):
  del epsilon
  (x, scale, mean, inverse), (dy, *_) = residuals, gradients
  c, n = x.shape[-1], x.size // x.shape[-1]
  group = _group(*x.shape[2:])

  def tile(a):
    return jnp.tile(a, group)

  shape, x, dy = x.shape, _pack(x, group), _pack(dy, group)
  standard = (x - tile(mean)) * tile(inverse)
  d_bias, d_scale = _sum(dy, c), _sum(dy * standard, c)
  dx = dy - tile(d_bias / n) - standard * tile(d_scale / n)
  dx *= tile(scale * inverse)
  return dx.reshape(shape), d_scale, d_bias


_batch_norm.defvjp(_norm_forward, _norm_backward)


def relu(x: jax.Array) -> jax.Array:
  """`ops.relu`, with its gradient from the output, which is stored anyway."""
  if x.ndim != 4:
    return ops.relu(x)
  return _relu(_pack(x, _group(*x.shape[2:]))).reshape(x.shape)


@jax.custom_vjp
def _relu(x):
  return jax.nn.relu(x)


def _relu_forward(x):
  y = _relu(x)
  return y, y


def _relu_backward(y, dy):
  return (jnp.where(y > 0, dy, 0),)


_relu.defvjp(_relu_forward, _relu_backward)
