"""Late fusion: one prediction per clip from several runs.

The runs differ in stream (joint, bone, joint motion, bone motion), seed or
model. Three methods, for logits s_r (N, K) of each of R runs:

  softmax  log sum_r w_r softmax(s_r)  w_r = 1 / R by default; the paper,
                                       "Joint-bone Two-stream Fusion"
  logits       sum_r w_r s_r           w_r = 1 by default; the official code
  tuned    log sum_r w_r softmax(s_r)  w tuned on clips held out of training

The logarithm makes every result logits. Softmax and logits also take given
weights. `weights.py` checks or tunes the weights. The sums are
`run.score_fusion.fuse_logits`: they live there because `tables` needs them too,
and a command never imports another command.
"""

import os
import pathlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from unik_jax import metrics
from unik_jax.errors import UserError, check_choice
from unik_jax.fuse.members import (
  check_no_test_clips,
  describe_views,
  read_member,
)
from unik_jax.fuse.weights import normalize_weights, tune_weights
from unik_jax.run.score_fusion import fuse_logits
from unik_jax.run.scores import Scores, align_scores, join_seen
from unik_jax.runtime.json_files import write_json_table

METHODS = ('softmax', 'logits', 'tuned')


class Fusion(NamedTuple):
  """The result of a fusion.

  Attributes:
    scores: fused predictions, for the clips in the order of the first run.
    table: results ready for JSON. Keys: `method`, `headline`, `clips` (their
      number), `split`, `runs` (for each run its name `run`, `stream`,
      `weight`, `views`, metrics and their `intervals`), `fusion` (metrics and
      `intervals` of the fusion), and with tuned weights `chosen_on` (metrics
      and `intervals` of the fusion on the validation clips). If test clips are
      also in training, each run and the fusion have `unseen`: the same of the
      clips that no run has in training.
    notes: differences between the runs that a reader should know.
  """

  scores: Scores
  table: dict[str, Any]
  notes: list[str]


def fuse_runs(
  paths: Sequence[str | os.PathLike],
  method: str = 'softmax',
  headline: str = '',
  weights: Sequence[float] = (),
) -> Fusion:
  """Fuses the predictions of runs for their test split.

  Args:
    paths: folders of finished runs, or files of scores (.npz).
    method: one of METHODS.
    headline: the metric that tuned weights maximise; '' for the headline of
      the first run.
    weights: one for each run, such as weights tuned on other runs. Empty for
      equal or tuned weights. Those of softmax scores are scaled to sum to 1.

  Raises:
    UserError: fewer than two runs, runs over different clips, no validation
      clips to tune weights on, or weights that do not fit the runs.
  """
  names = [str(path) for path in paths]
  _check_names(names)
  check_choice('method', method, METHODS)
  if len(weights):
    weights = normalize_weights(weights, len(names), method)
  members = [read_member(name, needs_val=method == 'tuned') for name in names]
  headline = headline or members[0].headline or 'top1'
  tests = align_scores([member.test for member in members], names)
  labels, seen = tests[0].labels, join_seen(tests)
  logits = [test.logits for test in tests]
  chosen_on = {}
  if method == 'tuned':
    vals = align_scores(
      [member.val for member in members if member.val is not None],
      [f'{name}, validation' for name in names],
      'hold the same ones out of each run',
    )
    check_no_test_clips(vals[0], tests[0], names[0])
    val_logits = [val.logits for val in vals]
    weights = tune_weights(val_logits, vals[0].labels, headline)
    fused_val = fuse_logits(val_logits, weights)
    chosen_on = {'chosen_on': _headlines(fused_val, vals[0].labels)}
  elif not len(weights):
    equal = 1.0 if method == 'logits' else 1 / len(members)
    weights = [equal] * len(members)
  fused = fuse_logits(logits, weights, softmax=method != 'logits')
  table = {
    'method': method,
    'headline': headline,
    'clips': len(labels),
    'split': tests[0].split,
    'runs': [
      {
        'run': member.name,
        'stream': member.stream,
        'weight': weight,
        'views': member.test.views,
        **_measure(run_logits, labels, seen, _headlines),
      }
      for member, weight, run_logits in zip(
        members, weights, logits, strict=True
      )
    ],
    'fusion': _measure(fused, labels, seen, metrics.measure),
    **chosen_on,
  }
  views = {member.test.views for member in members}
  fused_scores = tests[0]._replace(
    logits=fused,
    seen=seen,
    views=views.pop() if len(views) == 1 else 0,  # 0: not known
  )
  return Fusion(fused_scores, table, describe_views(members))


def write_table(path: str | os.PathLike, table: dict[str, Any]) -> None:
  """Writes the results of a fusion as JSON.

  Raises:
    UserError: the file cannot be written.
  """
  path = pathlib.Path(path).expanduser()
  if path.is_dir():
    raise UserError(f'{path}: expected a file name, got a folder')
  write_json_table(path, table)


def _check_names(names):
  if len(names) < 2:
    raise UserError(
      f'runs: expected at least two, got {len(names)}. Name, for example, a'
      ' joint and a bone run'
    )
  resolved = [pathlib.Path(name).expanduser().resolve() for name in names]
  for i, path in enumerate(resolved):
    if path in resolved[:i]:
      raise UserError(f'runs: expected different runs, got {names[i]} twice')


def _measure(logits, labels, seen, measure):
  """Metrics of all clips and, as `unseen`, of those not in training."""
  results = measure(logits, labels)
  if seen is not None:
    results['unseen'] = measure(logits[~seen], labels[~seen])
  return results


def _headlines(logits, labels):
  """Metrics with intervals, without those of each class."""
  summary = metrics.measure(logits, labels)
  keys = ('clips', 'loss', *metrics.HEADLINES, 'intervals')
  return {key: summary[key] for key in keys}
