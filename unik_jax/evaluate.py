"""Answers for a whole split, each clip exactly once."""

from collections.abc import Iterable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P

from unik_jax.models.network import Network
from unik_jax.runtime import sharding


class Evaluator:
  """A network's answers, by any weights.

  Of a network for several persons, the features of those who are absent are
  computed once for these weights and each number of frames. So it is on every
  mesh whose model axis is 1; elsewhere all persons are computed.

  Args:
    net: the network.
    mesh: that the batches are laid on; None for one device.
  """

  def __init__(self, net: Network, mesh: Mesh | None = None):
    self._net = net
    self._packs = net.persons > 1 and (not mesh or mesh.shape['model'] == 1)
    self._weights, self._absent = None, {}
    step, options = self.step, {}
    if mesh:
      options['out_shardings'] = sharding.replicated_sharding(mesh)
      if self._packs:  # each device by itself: theirs differ in who is there
        step = jax.shard_map(
          step,
          mesh=mesh,
          in_specs=(P(), P(), P('data'), P(), P()),
          out_specs=P('data'),
          check_vma=False,
        )
    self._step = jax.jit(step, **options)

  def step(self, params, batch_stats, batch, absent=None, find=False):
    """A pure function of weights and a batch, to answers of its rows.

    Args:
      params: of the network.
      batch_stats: likewise.
      batch: `x` (N, M, T, V, C), or (N, S, M, T, V, C) with several samplings
        of each clip, `label` and `clip` (N,).
      absent: as of `Recognizer.present_only`; None to compute all persons.
      find: likewise.

    Returns:
      `label` and `clip` of the batch; `logits` (N, K), with several samplings
      those of the mean of their probabilities; and `features`, where `absent`
      is given.
    """
    x = batch['x']
    rows, *samplings = x.shape[:-4]
    x = x.reshape(-1, *x.shape[-4:])
    answers = {'label': batch['label'], 'clip': batch['clip']}
    if absent is None:
      logits, _ = self._net.apply(params, batch_stats, x, train=False)
    else:
      logits, answers['features'] = self._net.apply_present(
        params, batch_stats, x, absent, find
      )
    if samplings:
      log_probs = jax.nn.log_softmax(logits).reshape(rows, *samplings, -1)
      # As good as logits: their softmax is the mean of the probabilities.
      logits = jax.nn.logsumexp(log_probs, 1) - jnp.log(samplings[0])
    return {**answers, 'logits': logits}

  def __call__(
    self, params: Any, batch_stats: Any, batches: Iterable[Any]
  ) -> tuple[np.ndarray, np.ndarray]:
    """Logits (N, K) and labels (N,), in the order of the clips.

    Args:
      params: of the network.
      batch_stats: likewise.
      batches: as `loader.eval_batches` makes them, laid on the mesh. Rows
        whose `clip` is -1 are dropped.
    """
    weights = (params, batch_stats)
    answers = []
    for batch in batches:
      answer = self._step(*weights, batch, *self._known(weights, batch))
      answer.pop('features', None)
      answers.append(jax.device_get(answer))
    clips, logits, labels = (
      np.concatenate([answer[key] for answer in answers])
      for key in ('clip', 'logits', 'label')
    )
    order = np.argsort(clips)[np.sum(clips < 0) :]
    return logits[order], labels[order]

  def _known(self, weights, batch):
    """The features of absent persons, for the batch's number of frames."""
    if not self._packs:
      return ()
    if self._weights is None or any(
      a is not b for a, b in zip(weights, self._weights, strict=True)
    ):
      self._weights, self._absent = weights, {}
    if (frames := batch['x'].shape[-3]) not in self._absent:
      nothing = np.zeros((self._net.persons, self._net.features), np.float32)
      # By the program that answers, so that there is no other to compile.
      found = self._step(*weights, batch, nothing, True)['features']
      self._absent[frames] = jax.device_get(found)[0]
    return self._absent[frames], False
