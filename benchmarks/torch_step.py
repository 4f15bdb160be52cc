"""A training step and an evaluation in PyTorch, in another process.

Its memory and threads are then as its users have them, whatever JAX and
`unik_jax.runtime.heap` do to this one.
"""

import concurrent.futures
import functools
import multiprocessing
from collections.abc import Callable, Mapping

import numpy as np


def calls(
  sizes: tuple[int, ...],
  weights: Mapping[str, np.ndarray],
  x: np.ndarray,
  label: np.ndarray,
  sgd: Mapping[str, float],
  *,
  device: str,
  bfloat16: bool,
  compiled: bool,
) -> tuple[Callable[[], float], Callable[[], np.ndarray]]:
  """A step, which returns the loss, and an evaluation, the (N, K) logits.

  Args:
    sizes: the arguments of `torch_unik.TorchUNIK`.
    weights: an official state dict.
    x: (N, M, T, V, C) clips.
    label: (N,) integers.
    sgd: `learning_rate` and `weight_decay`.
    device: cpu or cuda.
    bfloat16: whether autocast lowers what it may to it.
    compiled: whether by torch.compile, instead of eagerly.
  """
  pool = concurrent.futures.ProcessPoolExecutor(
    1,
    multiprocessing.get_context('spawn'),
    _begin,
    (sizes, dict(weights), x, label, sgd, device, bfloat16, compiled),
  )
  return tuple(
    functools.partial(_answer, pool, name) for name in ('train', 'evaluate')
  )


def _answer(pool, name):
  return pool.submit(_call, name).result()


_HERE = {}  # in that process


def _call(name):
  return _HERE[name]()


def _begin(sizes, weights, x, label, sgd, device, bfloat16, compiled):
  import torch
  from torch_unik import TorchUNIK

  model = TorchUNIK(*sizes)
  state = {k: torch.from_numpy(v.copy()) for k, v in weights.items()}
  model.load_state_dict({**model.state_dict(), **state})
  inputs = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 4, 2, 3, 1)))
  targets = torch.from_numpy(label).long()
  model, inputs, targets = (a.to(device) for a in (model, inputs, targets))
  optimizer = torch.optim.SGD(
    model.parameters(),
    lr=sgd['learning_rate'],
    momentum=0.9,
    nesterov=True,
    weight_decay=sgd['weight_decay'],
  )
  answer = torch.compile(model) if compiled else model

  def forward():
    with torch.autocast(device, torch.bfloat16, enabled=bfloat16):
      return answer(inputs)

  def train():
    model.train()
    optimizer.zero_grad()
    loss = torch.nn.functional.cross_entropy(forward().float(), targets)
    loss.backward()
    optimizer.step()
    return loss.item()

  def evaluate():
    model.eval()
    with torch.no_grad():
      return forward().float().cpu().numpy()

  _HERE.update(train=train, evaluate=evaluate)
