"""Exact metrics over a whole split: sums and counts, never means of means."""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from unik_jax.models import Network

HEADLINES = ('top1', 'top5', 'mean_class')  # what a result may quote


def make_eval_step(net: Network) -> Callable:
  """A function of (params, batch_stats, batch) to sums over its real rows.

  The sums are loss, top1 and top5 hits, and the confusion matrix (true class,
  predicted class); rows with mask 0 count nowhere. Of a batch with several
  samplings of each clip, (N, K, M, T, V, C), the probabilities are averaged.
  """

  def eval_step(params, batch_stats, batch):
    x, labels, mask = batch['x'], batch['label'], batch['mask']
    rows, *samplings = x.shape[:-4]
    x = x.reshape(-1, *x.shape[-4:])
    logits, _ = net.apply(params, batch_stats, x, train=False)
    if samplings:
      log_probs = jax.nn.log_softmax(logits).reshape(rows, *samplings, -1)
      # As good as logits: their softmax is the mean of the probabilities.
      logits = jax.nn.logsumexp(log_probs, 1) - jnp.log(samplings[0])
    losses = optax.softmax_cross_entropy_with_integer_labels(logits, labels)
    classes = logits.shape[-1]
    _, best = jax.lax.top_k(logits, min(5, classes))
    hits = best == labels[:, None]
    confusion = jnp.zeros((classes, classes), jnp.int32)
    return {
      'loss': (losses * mask).sum(),
      'top1': (hits[:, 0] * mask).sum(),
      'top5': (hits.any(-1) * mask).sum(),
      'confusion': confusion.at[labels, best[:, 0]].add(mask.astype(int)),
    }

  return eval_step


def summarize(sums: dict[str, Any]) -> dict[str, Any]:
  """Metrics of a split from its sums.

  Args:
    sums: as `make_eval_step` makes them, added up.

  Returns:
    `clips`, mean `loss`, and as fractions `top1`, `top5`, `mean_class` (mean
    of the accuracies of the classes that occur) and `per_class` (None where a
    class does not occur); `confusion` as nested lists.
  """
  confusion = np.asarray(sums['confusion'], np.int64)
  totals = confusion.sum(1)
  clips = int(totals.sum())
  per_class = [
    float(hits / total) if total else None
    for hits, total in zip(confusion.diagonal(), totals, strict=True)
  ]
  present = [accuracy for accuracy in per_class if accuracy is not None]
  return {
    'clips': clips,
    'loss': float(sums['loss']) / clips,
    'top1': float(sums['top1']) / clips,
    'top5': float(sums['top5']) / clips,
    'mean_class': float(np.mean(present)),
    'per_class': per_class,
    'confusion': confusion.tolist(),
  }


def evaluate(
  eval_step: Callable,
  params: Any,
  batch_stats: Any,
  batches: Iterable[Any],
) -> dict[str, Any]:
  """Runs `eval_step` over batches and returns `summarize` of all of them."""
  total = None
  for batch in batches:
    sums = jax.device_get(eval_step(params, batch_stats, batch))
    total = sums if total is None else jax.tree.map(np.add, total, sums)
  return summarize(total)
