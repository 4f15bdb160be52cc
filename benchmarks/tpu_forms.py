"""Forms of one operation, by the TPU compiler's estimate: no TPU is needed.

  python benchmarks/tpu_forms.py [--operation=mixing] [--batch=64] [--gradients]

Forms of UNIK's mixing and embedding, or of its attention scores, each compiled
by itself for one chip of v5e: Posetics (2 persons, 17 joints, 150 frames), 64
channels, 3 heads, bfloat16. Input and output have the layout of the temporal
convolution. Two frames of 64 channels are packed into 128 lanes, as in
`unik_jax/models/ops_tpu.py`, or they are not: then persons are the lanes.
"""

import argparse

import timing
import tpu
import tpu_program

PERSONS, JOINTS, FRAMES, CHANNELS, HEADS, EMBEDDING = 2, 17, 150, 64, 3, 16


def mixing_forms(jnp, ops, ops_tpu):
  """Returns forms by name: functions of x, mixing, kernels and biases."""

  def embed_first(x, mixing, kernel, bias):
    z = jnp.einsum('butc,hcd->bhutd', x, kernel)
    return jnp.einsum('bhup,bhutd->bptd', mixing, z) + bias.sum(0)

  def beside_channels(x, mixing, kernel, bias):
    mixed = jnp.einsum('bhup,butc->bpthc', mixing, x)
    mixed = mixed.reshape(*mixed.shape[:3], -1)
    return mixed @ kernel.reshape(mixed.shape[-1], -1) + bias.sum(0)

  def beside_joints(x, mixing, kernel, bias):
    b, u, t, c = x.shape
    heads = mixing.transpose(0, 2, 1, 3).reshape(b, u, -1)
    mixed = jnp.einsum('buq,buk->bqk', heads, x.reshape(b, u, t * c))
    mixed = mixed.reshape(b, -1, u, t, c)
    return jnp.einsum('bhptc,hcd->bptd', mixed, kernel) + bias.sum(0)

  def head_by_head(x, mixing, kernel, bias):
    y = bias.sum(0)
    for h in range(HEADS):
      y += jnp.einsum('bup,butc->bptc', mixing[:, h], x) @ kernel[h]
    return y

  def flat_head_by_head(x, mixing, kernel, bias):
    b, u, t, c = x.shape
    y, flat = bias.sum(0), x.reshape(b, u, t * c)
    for h in range(HEADS):
      mixed = jnp.einsum('bup,buk->bpk', mixing[:, h], flat)
      y += mixed.reshape(x.shape) @ kernel[h]
    return y

  def sum_over_joints(x, mixing, kernel, bias):
    # Joints are a major axis, and persons the lanes of vector operations.
    weights = mixing.transpose(1, 2, 3, 0)[:, :, :, None, None]
    mixed = (weights * x.transpose(1, 2, 3, 0)[:, None]).sum(1)
    return jnp.einsum('hptcb,hcd->bptd', mixed, kernel) + bias.sum(0)

  def one_product(x, mixing, kernel, bias):
    # A matrix of joints x channels for each person.
    b, u, t, c = x.shape
    matrix = jnp.einsum('bhup,hcd->bucpd', mixing, kernel)
    rows = x.swapaxes(1, 2).reshape(b, t, u * c)
    y = rows @ matrix.reshape(b, u * c, -1)
    return y.reshape(b, t, u, -1).swapaxes(1, 2) + bias.sum(0)

  return {
    'einsum over all heads': ops.mix_and_embed,
    'embedding before mixing': embed_first,
    'heads beside channels': beside_channels,
    'heads beside joints, frames and channels one axis': beside_joints,
    'head by head': head_by_head,
    'head by head, frames and channels one axis': flat_head_by_head,
    'sum over joints, persons in the lanes': sum_over_joints,
    'one matrix of joints x channels a person': one_product,
    'packed, head by head (in use)': ops_tpu.mix_and_embed,
  }


def attention_forms(jnp, ops, ops_tpu):
  """Returns forms by name: functions of x and two embeddings."""

  def one_product(x, theta, phi):
    kernel = jnp.stack([theta[0], phi[0]])
    bias = jnp.stack([theta[1], phi[1]])
    y = jnp.einsum('butc,shcr->sbhutr', x, kernel)
    y += bias[:, None, :, None, None]
    return jnp.einsum('bhutr,bhptr->bhup', *y, preferred_element_type='float32')

  def beside_joints(x, theta, phi):
    b, u, t, _ = x.shape

    def embed(kernel, bias):
      y = jnp.einsum('butc,hcr->bhutr', x, kernel) + bias[:, None, None]
      return y.reshape(b, HEADS * u, -1)

    y = jnp.einsum(
      'bik,bjk->bij',
      embed(*theta),
      embed(*phi),
      preferred_element_type='float32',
    )
    return jnp.einsum('bhuhp->bhup', y.reshape(b, HEADS, u, HEADS, u))

  def one_matrix(x, theta, phi):
    # Without biases: theta_h(x)^T phi_h(x) = x^T (Theta_h Phi_h^T) x.
    matrix = jnp.einsum('hcr,hdr->hcd', theta[0], phi[0])
    z = jnp.einsum('butc,hcd->bhutd', x, matrix)
    return jnp.einsum(
      'bhutd,bptd->bhup', z, x, preferred_element_type='float32'
    )

  return {
    'einsum over all heads': ops.attention_scores,
    'both embeddings one product': one_product,
    'heads beside joints, diagonal blocks': beside_joints,
    'theta and phi one matrix (no biases)': one_matrix,
    'packed, head by head (in use)': ops_tpu.attention_scores,
  }


def estimate(form, arguments, device, *, packed, gradients):
  """Returns the compiler's figures for a form."""
  import jax
  from jax.experimental.layout import Layout, with_layout_constraint

  x, *rest = arguments
  b, v, t, c = x.shape
  outer = x.update(shape=(b, v, t // 2, 2 * c)) if packed else x
  layout = Layout((1, 2, 0, 3) if packed else (1, 2, 3, 0))

  def from_outer(x):
    return with_layout_constraint(x, layout).reshape(b, v, t, c)

  def to_outer(y):
    if y.shape != (b, v, t, c):
      return y
    return with_layout_constraint(y.reshape(outer.shape), layout)

  def run(x, *rest):
    y, pull = jax.vjp(form, from_outer(x), *rest)
    outputs = (y, pull(y)) if gradients else y
    return jax.tree.map(to_outer, outputs)

  sharding = jax.sharding.SingleDeviceSharding(device)
  program = jax.jit(run, in_shardings=sharding, out_shardings=sharding)
  compiled = program.lower(outer, *rest).compile()
  return tpu_program.describe(compiled, 'v5e', large=10**6)


def main():
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument(
    '--operation', choices=('mixing', 'attention'), default='mixing'
  )
  parser.add_argument(
    '--batch', type=int, default=64, help='clips (default 64)'
  )
  parser.add_argument(
    '--gradients', action='store_true', help='add the backward pass'
  )
  options = parser.parse_args()
  tpu.set_environment(parser)
  import jax
  import jax.numpy as jnp
  from jax.experimental import topologies

  from unik_jax.models import ops, ops_tpu

  def shape(*axes):
    return jax.ShapeDtypeStruct(axes, jnp.bfloat16)

  persons = PERSONS * options.batch
  x = shape(persons, JOINTS, FRAMES, CHANNELS)
  if options.operation == 'mixing':
    forms = mixing_forms(jnp, ops, ops_tpu)
    rest = (
      shape(persons, HEADS, JOINTS, JOINTS),
      shape(HEADS, CHANNELS, CHANNELS),
      shape(HEADS, CHANNELS),
    )
  else:
    forms = attention_forms(jnp, ops, ops_tpu)
    rest = ((shape(HEADS, CHANNELS, EMBEDDING), shape(HEADS, EMBEDDING)),) * 2
  device = topologies.get_topology_desc(
    platform='tpu', topology_name='v5e:2x2'
  ).devices[0]
  rows = []
  for name, form in forms.items():
    figures = estimate(
      form,
      (x, *rest),
      device,
      packed=name.startswith('packed'),
      gradients=options.gradients,
    )
    copies = figures['by_kind'].get('copy', 0)
    rows.append(
      (
        name,
        f'{figures["cycles"] / 1e6:.2f}',
        f'{copies / 1e6:.2f}',
        f'{figures["bytes"] / 1e9:.2f}',
      )
    )
  print('Estimates of the compiler for one chip of v5e, not measurements:')
  timing.print_table(('form', 'M cycles', 'copies', 'GB'), rows)


if __name__ == '__main__':
  main()
