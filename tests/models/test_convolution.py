"""Few frames: XLA's CPU compiler leaves the convolution as it was asked for."""

import re

import jax
import jax.numpy as jnp
import pytest

from unik_jax.models import convolution


@pytest.mark.parametrize('frames, stride', [(5, 1), (8, 1), (13, 2), (40, 2)])
def test_frames_are_not_taken_for_taps(frames, stride):
  """It has no fast path where it takes the larger of the two as the frames."""
  x, kernel = jnp.ones((4, frames, 8)), jnp.ones((9, 8, 8))

  def there_and_back(x, kernel):
    y, back = jax.vjp(
      lambda x, kernel: convolution.over_time(x, kernel, stride=stride),
      x,
      kernel,
    )
    return y, back(jnp.sin(y))

  program = jax.jit(there_and_back).lower(x, kernel).compile().as_text()
  labels = re.findall(r'convolution\(.*dim_labels=([^,\s]+)', program)
  assert labels == ['b0f_0io->b0f'] * 3
