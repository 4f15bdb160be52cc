"""A training step and an evaluation in PyTorch, in a separate process.

The separate process has PyTorch's default memory and threads, whatever JAX and
`unik_jax.runtime.heap` change in this one.
"""

import concurrent.futures
import functools
import multiprocessing
from collections.abc import Callable, Mapping

import numpy as np


def make_calls(
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
  """Returns a training step and an evaluation, as functions.

  The step returns the loss, the evaluation the logits (N, K).

  Args:
    sizes: the arguments of `torch_unik.TorchUNIK`.
    weights: an official state dict.
    x: (N, M, T, V, C) clips.
    label: (N,) class indices.
    sgd: `learning_rate` and `weight_decay`.
    device: 'cpu' or 'cuda'.
    bfloat16: whether to use autocast to bfloat16.
    compiled: whether to use torch.compile instead of eager mode.
  """
  pool = concurrent.futures.ProcessPoolExecutor(
    1,
    multiprocessing.get_context('spawn'),
    _start_worker,
    (sizes, dict(weights), x, label, sgd, device, bfloat16, compiled),
  )
  return tuple(
    functools.partial(_run_in, pool, name) for name in ('train', 'evaluate')
  )


def _run_in(pool, name):
  return pool.submit(_call, name).result()


_FUNCTIONS = {}  # by name, in the worker process


def _call(name):
  return _FUNCTIONS[name]()


def _start_worker(sizes, weights, x, label, sgd, device, bfloat16, compiled):
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
  network = torch.compile(model) if compiled else model

  def forward():
    with torch.autocast(device, torch.bfloat16, enabled=bfloat16):
      return network(inputs)

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

  _FUNCTIONS.update(train=train, evaluate=evaluate)
