"""Exact evaluation: a network's logits for a whole split, each clip once."""

import itertools
import pathlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from jax.sharding import PartitionSpec as P
from ml_collections import ConfigDict

from unik_jax import metrics, optim, transfer
from unik_jax.data import splits
from unik_jax.data.mesh_batches import MeshBatches
from unik_jax.data.prepared_split import PreparedSplit
from unik_jax.floor.of_run import print_floor
from unik_jax.models.network import Network
from unik_jax.models.rocket import Rocket, make_series
from unik_jax.run import paths
from unik_jax.run.checkpoints import restore_checkpoint
from unik_jax.run.metrics_file import FINAL_KINDS
from unik_jax.run.progress import Progress
from unik_jax.run.workdir import tests_other_clips
from unik_jax.run.writer import ResultsWriter
from unik_jax.runtime import sharding
from unik_jax.step import TrainState, make_init_state


class Evaluator:
  """Computes a network's logits, with any weights.

  A network for several persons computes an absent person's features once for
  these weights and each number of frames, instead of once per clip. If the
  mesh's model axis is larger than 1, it computes all persons.

  Args:
    net: the network.
    mesh: mesh of the batches; None for one device.
  """

  def __init__(self, net: Network, mesh: Mesh | None = None):
    self._net = net
    self._skips_absent = net.persons > 1 and (
      not mesh or mesh.shape['model'] == 1
    )
    self._weights: tuple[Any, Any] | None = None
    self._absent: dict[int, np.ndarray] = {}  # features by number of frames
    step, options = self.step, {}
    if mesh:
      options['out_shardings'] = sharding.replicated_sharding(mesh)
      if self._skips_absent:
        # Absent persons differ between the devices' clips, so the loop over
        # present persons runs a different number of times on each device.
        step = jax.shard_map(
          step,
          mesh=mesh,
          in_specs=(P(), P(), P('data'), P(), P()),
          out_specs=P('data'),
          check_vma=False,
        )
    self._step = jax.jit(step, **options)

  def step(self, params, batch_stats, batch, absent=None, find=False):
    """Computes the logits of a batch, as a pure function.

    Args:
      params: parameters of the network.
      batch_stats: batch statistics of the network.
      batch: `x` (N, M, T, V, C), or (N, S, M, T, V, C) with S samplings of each
        clip; `label` and `clip` (N,).
      absent: as in `Network.apply_present`; None to compute all persons.
      find: as in `Network.apply_present`.

    Returns:
      `label` and `clip` of the batch; `logits` (N, K); `features` (N, D), which
      the classifier gets; and `by_person`, the features (N * S, M, D) of each
      person. With several samplings, the logits are those of the mean of their
      probabilities, and the features are their mean.
    """
    x = batch['x']
    rows, *samplings = x.shape[:-4]
    x = x.reshape(-1, *x.shape[-4:])
    outputs = {'label': batch['label'], 'clip': batch['clip']}
    if absent is None:
      logits, by_person = self._net.apply_features(params, batch_stats, x)
    else:
      logits, by_person = self._net.apply_present(
        params, batch_stats, x, absent, find
      )
    outputs['by_person'] = by_person
    outputs['features'] = by_person.reshape(rows, -1, by_person.shape[-1]).mean(
      1
    )
    if samplings:
      log_probs = jax.nn.log_softmax(logits).reshape(rows, *samplings, -1)
      # The log of the mean probability: its softmax is the mean probability.
      logits = jax.nn.logsumexp(log_probs, 1) - jnp.log(samplings[0])
    return {**outputs, 'logits': logits}

  def __call__(
    self, params: Any, batch_stats: Any, batches: Iterable[Any]
  ) -> tuple[np.ndarray, np.ndarray]:
    """Computes logits (N, K) and labels (N,), in the order of the clips.

    Args:
      params: parameters of the network.
      batch_stats: batch statistics of the network.
      batches: from `MeshBatches.eval_batches`. Rows whose `clip` is -1 pad a
        batch and are dropped.
    """
    logits, labels = self.compute(
      params, batch_stats, batches, ('logits', 'label')
    )
    return logits, labels

  def compute(
    self,
    params: Any,
    batch_stats: Any,
    batches: Iterable[Any],
    keys: tuple[str, ...],
  ) -> list[np.ndarray]:
    """Computes outputs of `step` for all clips, in the order of the clips.

    Args:
      params: as in a call.
      batch_stats: as in a call.
      batches: as in a call.
      keys: the outputs, such as 'logits' and 'features'.
    """
    outputs = []
    for batch in batches:
      output = self._evaluate((params, batch_stats), batch)
      outputs.append(jax.device_get([output[key] for key in ('clip', *keys)]))
    clips, *arrays = map(np.concatenate, zip(*outputs, strict=True))
    order = np.argsort(clips)[np.sum(clips < 0) :]
    return [array[order] for array in arrays]

  def _evaluate(self, weights, batch):
    """Returns the outputs of `step` for one batch."""
    return self._step(*weights, batch, *self._absent_features(weights, batch))

  def _absent_features(self, weights, batch):
    """Returns further arguments of `step`: absent persons' features."""
    if not self._skips_absent:
      return ()
    if self._weights is None or any(
      a is not b for a, b in zip(weights, self._weights, strict=True)
    ):
      self._weights, self._absent = weights, {}
    if (frames := batch['x'].shape[-3]) not in self._absent:
      unknown = np.zeros((self._net.persons, self._net.features), np.float32)
      # `find` is an argument of the same program, so nothing else is compiled.
      features = self._step(*weights, batch, unknown, True)['by_person']
      self._absent[frames] = jax.device_get(features)[0]
    return self._absent[frames], False


class RocketEvaluator(Evaluator):
  """Computes the logits of MiniRocket or MultiRocket; it has no features.

  Args:
    rocket: the fitted classifier.
  """

  def __init__(self, rocket: Rocket):
    self._rocket = rocket

  def _evaluate(self, weights, batch):
    del weights
    logits = self._rocket(make_series(batch['x']))
    features = np.zeros((len(logits), 0), np.float32)
    return {**batch, 'logits': np.float32(logits), 'features': features}


def make_evaluator(net: Network | Rocket) -> Evaluator:
  """Returns the evaluator of a run's network or fitted classifier."""
  return RocketEvaluator(net) if isinstance(net, Rocket) else Evaluator(net)


class SplitPredictor:
  """Computes a training state's logits for the splits of a run.

  Args:
    config: settings of the run.
    net: the network.
    mesh: mesh of the devices.
    clips: `PreparedSplit` by name of the split.
  """

  def __init__(
    self,
    config: ConfigDict,
    net: Network,
    mesh: Mesh,
    clips: Mapping[str, PreparedSplit],
  ):
    self._batch_size = config.eval_batch_size
    self._batches = {
      part: MeshBatches(clips[part], config.data, mesh, train=False)
      for part in clips
    }
    self._evaluator = Evaluator(net, mesh)

  def __call__(
    self, state: TrainState, part: str, batches: int | None = None
  ) -> tuple[np.ndarray, np.ndarray]:
    """Returns logits (N, K) and labels (N,) of the split `part`.

    Args:
      state: the training state.
      part: name of the split.
      batches: number of batches, from the first one; None for all.
    """
    all_batches = self._batches[part].eval_batches(batch_size=self._batch_size)
    some = itertools.islice(all_batches, batches)
    return self._evaluator(*state.for_evaluation(), some)


def run(
  workdir: pathlib.Path,
  mesh: Mesh,
  clips: Mapping[str, PreparedSplit],
  start: transfer.Start,
) -> dict[str, Any]:
  """Evaluates a run's newest checkpoint, or the weights of `init_from`.

  Args:
    workdir: folder of the run.
    mesh: mesh of the devices.
    clips: the split 'test'.
    start: from `transfer.resolve`. Its initial weights are evaluated; without
      any, the newest checkpoint in `workdir`.

  Returns:
    The content of evaluation.json.

  Raises:
    UserError: there is no checkpoint, or a file cannot be written.
  """
  config, net, initial = start.config, start.net, start.initial

  # ---- State ----
  _, optimizer = optim.configure_optimizer(config, steps_per_epoch=1)
  init_state = make_init_state(optimizer, ema=config.ema, tune=config.tune)
  abstract = jax.eval_shape(init_state, *net.shapes)
  shardings = sharding.state_shardings(abstract, mesh)
  if initial:
    weights = (initial.params, initial.batch_stats)
    state = jax.jit(init_state, out_shardings=shardings)(*weights)
  else:
    folder = workdir / paths.CHECKPOINTS
    state = restore_checkpoint(folder, abstract, shardings)
  step = int(state.step)
  progress = Progress(
    workdir, total=step, batch_size=config.eval_batch_size, record=False
  )
  if initial:
    units = clips['test'].info.metadata['units']
    progress.print_line('\n'.join(transfer.describe_start(start, units)))

  # ---- Results ----
  logits, labels = SplitPredictor(config, net, mesh, clips)(state, 'test')
  seen = splits.find_seen(config.data, clips['test'])
  results = measure_clips('test', logits, labels, seen)
  writer = ResultsWriter(workdir, config, clips['test'], net, step)
  # scores/test.npz stays that of the run's own weights and test clips.
  is_own = not initial and not tests_other_clips(config, start.stored)
  scores_name = 'test' if is_own else 'evaluation'
  writer.write_scores(scores_name, clips['test'], logits, labels, seen)
  for key, result in results.items():
    print_metrics(progress, config.headline, step, key, result)
  print_floor(progress, config, clips, {'test': (logits, labels, seen)})
  transfer.write_official(config.save_official, net, *state.for_evaluation())
  return writer.write_summary(paths.EVALUATION, step=step, **results)


def measure_clips(
  name: str,
  logits: np.ndarray,
  labels: np.ndarray,
  seen: np.ndarray | None = None,
) -> dict[str, dict[str, Any]]:
  """Returns a split's metrics, with their 95% intervals as `intervals`.

  Args:
    name: key of the result, such as 'test'.
    logits: (N, K).
    labels: (N,) class indices.
    seen: (N,) whether each clip is also in training, from `splits.find_seen`.

  Returns:
    The metrics of all clips under `name`; with `seen`, also those of the other
    clips, with 'unseen' instead of 'test' in the key.
  """
  results = {name: metrics.measure(logits, labels)}
  if seen is not None:
    unseen = metrics.measure(logits[~seen], labels[~seen])
    results[name.replace('test', 'unseen')] = unseen
  return results


def print_results(
  show: Callable[[int, str, dict[str, Any]], None],
  results: Mapping[str, dict[str, Any]],
  step: int,
  best_step: int,
) -> None:
  """Prints and records the test results of a finished run.

  Args:
    show: `print_metrics` of the run.
    results: metrics by key of summary.json.
    step: step of the run's last state.
    best_step: step of the best state on validation.
  """
  for key, kind in FINAL_KINDS.items():
    if key in results:
      show(best_step if key.endswith('best') else step, kind, results[key])


def print_metrics(
  progress: Progress,
  headline: str,
  step: int,
  part: str,
  results: dict[str, Any],
) -> None:
  """Prints and records the metrics of a split, the headline first.

  Args:
    progress: where they are printed and recorded.
    headline: one of `metrics.HEADLINES`.
    step: optimizer steps taken.
    part: name of the split, such as 'val'.
    results: from `metrics.compute_metrics`, with `intervals` if known.
  """
  if not results['clips']:
    progress.print_line(f'{part}, step {step}: no clips')
    return
  numbers = {k: results[k] for k in ('loss', *metrics.HEADLINES, 'clips')}
  progress.record(step, {f'{part}/{k}': v for k, v in numbers.items()})
  names = [headline, *(k for k in metrics.HEADLINES if k != headline)]
  phrases = [f'{k} {100 * numbers[k]:.2f}%' for k in names]
  if 'intervals' in results:
    low, high = (100 * x for x in results['intervals'][headline])
    phrases[0] += f' (95% interval {low:.1f} to {high:.1f})'
  progress.print_line(
    f'{part}, step {step}: '
    + '  '.join(phrases)
    + f'  loss {numbers["loss"]:.4f}  ({numbers["clips"]} clips'
    + (' that are not in training)' if part.startswith('unseen') else ')')
  )
