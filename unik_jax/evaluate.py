"""Answers for a whole split, each clip exactly once."""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from unik_jax.models import Network


def make_eval_step(net: Network) -> Callable:
  """A function of (params, batch_stats, batch) to the answers of its rows.

  The answers are the batch's `label` and `mask`, and `logits` (N, K). Of a
  batch with several samplings of each clip, (N, S, M, T, V, C), the logits are
  those of the mean of their probabilities.
  """

  def eval_step(params, batch_stats, batch):
    x = batch['x']
    rows, *samplings = x.shape[:-4]
    x = x.reshape(-1, *x.shape[-4:])
    logits, _ = net.apply(params, batch_stats, x, train=False)
    if samplings:
      log_probs = jax.nn.log_softmax(logits).reshape(rows, *samplings, -1)
      # As good as logits: their softmax is the mean of the probabilities.
      logits = jax.nn.logsumexp(log_probs, 1) - jnp.log(samplings[0])
    return {'logits': logits, 'label': batch['label'], 'mask': batch['mask']}

  return eval_step


def evaluate(
  eval_step: Callable,
  params: Any,
  batch_stats: Any,
  batches: Iterable[Any],
) -> tuple[np.ndarray, np.ndarray]:
  """Runs `eval_step` over batches, and drops the rows with mask 0.

  Args:
    eval_step: of `make_eval_step`, its results on every process.
    params: of the network.
    batch_stats: likewise.
    batches: as `loader.eval_batches` makes them, laid on the mesh.

  Returns:
    Logits (N, K) and labels (N,), in the order of the clips.
  """
  answers = [
    jax.device_get(eval_step(params, batch_stats, batch)) for batch in batches
  ]
  logits, labels, mask = (
    np.concatenate([np.asarray(answer[key]) for answer in answers])
    for key in ('logits', 'label', 'mask')
  )
  return logits[mask > 0], labels[mask > 0]
