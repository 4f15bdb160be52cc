"""Several runs' answers to the same clips, made into one.

The runs are those of other streams (joint, bone, joint motion, bone motion),
other seeds or other models. Three ways, of scores s[r] (N, K) of run r:

  softmax  sum_r softmax(s[r]) / R    the paper, "Joint-bone Two-stream Fusion"
  logits   sum_r s[r]                 the official code
  tuned    sum_r w[r] softmax(s[r])   w chosen on clips held out of training

The first and the last are kept as logarithms, whose softmax they are.
"""

import itertools
import json
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.special

from unik_jax import metrics
from unik_jax.errors import UserError
from unik_jax.run import restore, scores
from unik_jax.run.scores import Scores
from unik_jax.runtime import atomic_files

METHODS = ('softmax', 'logits', 'tuned')


class Member(NamedTuple):
  """One of the runs.

  Attributes:
    name: its folder, or its file of scores, as given.
    stream: of its data; '' where only scores are known.
    headline: the metric that it quotes; likewise.
    test: its answers to the test split.
    val: to the validation split; None where they are not needed.
  """

  name: str
  stream: str
  headline: str
  test: Scores
  val: Scores | None


class Fusion(NamedTuple):
  """What came of it.

  Attributes:
    scores: of the fusion, for the clips in the order of the first run.
    table: figures ready for JSON: `method`, `headline`, `clips`, the `split`
      that they are of, the `runs` with their `weight` and `views`, the
      `fusion`, and of tuned weights `chosen_on`, the fusion's figures on the
      clips that the weights were chosen on.
    notes: what a reader should know of how these came about.
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
  """Fuses the answers of runs to their test split.

  Args:
    paths: folders of runs that have ended, or files of scores (.npz).
    method: one of METHODS.
    headline: the metric that tuned weights are best by; '' for the first
      run's.
    weights: of each run, such as were chosen on runs with clips held out;
      empty for equal ones, or to choose them. Those of softmax scores are made
      to sum to 1.

  Raises:
    UserError: fewer than two runs, runs over different clips, no clips to
      choose weights on, or weights that are not one of each run.
  """
  names = [str(path) for path in paths]
  if len(names) < 2:
    raise UserError('name two runs or more, such as a joint and a bone run')
  resolved = [pathlib.Path(name).expanduser().resolve() for name in names]
  for n, path in enumerate(resolved):
    if path in resolved[:n]:
      raise UserError(f'{names[n]} is named twice')
  if method not in METHODS:
    raise UserError(f'method {method!r}; use one of {", ".join(METHODS)}')
  if len(weights):
    weights = _check_weights(weights, len(names), method)
  members = [read(name, val=method == 'tuned') for name in names]
  headline = headline or members[0].headline or 'top1'
  tests = scores.align_scores([member.test for member in members], names)
  labels = tests[0].labels
  logits = [test.logits for test in tests]
  chosen_on = {}
  if method == 'tuned':
    vals = scores.align_scores(
      [member.val for member in members],
      [f'{name}, validation' for name in names],
      'hold the same ones out of each run',
    )
    _check_apart(vals[0], tests[0], names[0])
    val_logits = [val.logits for val in vals]
    weights = tune(val_logits, vals[0].labels, headline)
    fused = fuse(val_logits, weights)
    chosen_on = {'chosen_on': _figures(fused, vals[0].labels)}
  elif not len(weights):
    equal = 1.0 if method == 'logits' else 1 / len(members)
    weights = [equal] * len(members)
  fused = fuse(logits, weights, softmax=method != 'logits')
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
        **_figures(own, labels),
      }
      for member, weight, own in zip(members, weights, logits, strict=True)
    ],
    'fusion': {
      **metrics.summarize(fused, labels),
      'intervals': metrics.intervals(fused, labels),
    },
    **chosen_on,
  }
  views = {member.test.views for member in members}
  made = tests[0]._replace(
    logits=fused, views=views.pop() if len(views) == 1 else 0
  )
  return Fusion(made, table, _notes(members))


def read(name: str, *, val: bool) -> Member:
  """Reads a run's answers.

  Args:
    name: its folder, or a file of scores (.npz).
    val: whether those of its validation split are needed.

  Raises:
    UserError: no answers there, or none of clips that were held out.
  """
  path = pathlib.Path(name).expanduser()
  if path.suffix == '.npz':
    if val:
      raise UserError(
        f'{name}: a file of scores has no validation split to choose weights'
        ' on; name folders of runs, or use --method=softmax'
      )
    return Member(name, '', '', _finite(path), None)
  config = restore.read_config(path)
  held_out = None
  if val:
    file = path / 'scores' / 'val.npz'
    if not config.data.val_split:
      raise UserError(
        f'{name} was trained with no clips held out, on which weights are'
        ' chosen. Train each run with some held out:'
        ' --config.data.val_split=train --config.data.val_subjects=1,2'
        ' --config.data.train_subjects=3,4,5 (the others), never with'
        ' clips of the test split; or use --method=softmax'
      )
    _check_held_out(config.data, name)
    held_out = _finite(file)
  return Member(
    name=name,
    stream=config.data.stream,
    headline=config.headline,
    test=_finite(path / 'scores' / 'test.npz'),
    val=held_out,
  )


def fuse(
  logits: Sequence[np.ndarray],
  weights: Sequence[float],
  *,
  softmax: bool = True,
) -> np.ndarray:
  """The fusion's scores.

  Args:
    logits: (N, K) of each run.
    weights: of each run.
    softmax: whether softmax scores are summed, rather than logits.

  Returns:
    (N, K) float64: the sum of logits, or the logarithm of that of softmaxes.
  """
  stacked = np.stack(logits).astype(np.float64)
  shares = np.float64(weights)[:, None, None]
  if not softmax:
    return (shares * stacked).sum(0)
  log_probs = scipy.special.log_softmax(stacked, axis=-1)
  return scipy.special.logsumexp(log_probs, axis=0, b=shares)


def tune(
  logits: Sequence[np.ndarray], labels: np.ndarray, headline: str
) -> list[float]:
  """The best weights of softmax scores, by a search in tenths.

  Best by the headline, then by the loss, then by giving the first runs less.

  Args:
    logits: (N, K) of each run, for clips that none was trained on.
    labels: (N,) of the clips.
    headline: one of metrics.HEADLINES.

  Returns:
    A weight for each run; they sum to 1.
  """
  if headline not in metrics.HEADLINES:
    raise UserError(
      f'headline {headline!r}; use one of {", ".join(metrics.HEADLINES)}'
    )
  stacked = np.stack(logits).astype(np.float64)
  log_probs = scipy.special.log_softmax(stacked, axis=-1)
  of_truth = log_probs[:, np.arange(len(labels)), labels]
  probs = np.exp(log_probs)
  totals = np.bincount(labels)
  best, chosen = (-1.0, -np.inf), None
  for tenths in tenths_of(len(logits)):
    weights = np.float64(tenths) / 10
    mixed = np.tensordot(weights, probs, 1)
    hits = metrics.hits_in_top(mixed, labels, 5 if headline == 'top5' else 1)
    figure = hits.mean()
    if headline == 'mean_class':
      right = np.bincount(labels, hits)
      figure = (right[totals > 0] / totals[totals > 0]).mean()
    gain = scipy.special.logsumexp(of_truth, axis=0, b=weights[:, None]).mean()
    # Rounded, so that only what differs counts.
    score = (round(float(figure), 12), round(float(gain), 12))
    if score > best:
      best, chosen = score, weights.tolist()
  return chosen


def tenths_of(runs: int) -> Iterator[tuple[int, ...]]:
  """All ways to share out ten tenths, each a tuple of as many numbers."""
  for bars in itertools.combinations(range(9 + runs), runs - 1):
    edges = (-1, *bars, 9 + runs)
    yield tuple(b - a - 1 for a, b in itertools.pairwise(edges))


def write_table(path: str | os.PathLike, table: dict[str, Any]) -> None:
  """Writes a fusion's figures as JSON; a UserError where that fails."""
  path = pathlib.Path(path).expanduser()
  if path.is_dir():
    raise UserError(f'{path} is a folder; name a file for the figures')
  with atomic_files.atomic_write(path) as part:
    part.write_text(json.dumps(table, indent=1) + '\n')


def _finite(path):
  found = scores.read_scores(path)
  if not len(found.ids):
    raise UserError(f'{path}: no clip in it; name another')
  if not np.isfinite(found.logits).all():
    raise UserError(f'{path}: NaN or infinity in it; leave this run out')
  return found


def _check_weights(weights, count, method):
  if method == 'tuned':
    raise UserError('weights are given or tuned, not both; leave one out')
  if len(weights) != count:
    raise UserError(f'{len(weights)} weights for {count} runs; give one each')
  if not (np.isfinite(weights).all() and min(weights) >= 0 < max(weights)):
    raise UserError(
      f'weights {", ".join(map(str, weights))}; none is less than 0, and not'
      ' all are 0'
    )
  total = 1.0 if method == 'logits' else sum(weights)
  return [float(weight) / total for weight in weights]


def _notes(members):
  """Where answers came about in different ways, as far as that is known."""
  notes, tests = [], {m.name: m.test.views for m in members if m.test.views}
  if len(set(tests.values())) > 1:
    counts = ', '.join(f'{name} {count}' for name, count in tests.items())
    notes.append(f'the runs average different numbers of views: {counts}')
  for member in members:
    val, test = member.val and member.val.views, member.test.views
    if val and test and val != test:
      notes.append(
        f'{member.name} averages {test} views of a test clip, and weights were'
        f' chosen on {val} of a validation clip'
      )
  return notes


def _figures(logits, labels):
  figures = metrics.summarize(logits, labels)
  kept = {key: figures[key] for key in ('clips', 'loss', *metrics.HEADLINES)}
  return {**kept, 'intervals': metrics.intervals(logits, labels)}


def _check_held_out(data, name):
  """Refuses validation clips that the run was trained on, where it can tell."""
  trained, held_out = set(data.train_subjects), set(data.val_subjects)
  apart = trained and held_out and not trained & held_out
  if data.val_split == data.train_split and not apart:
    raise UserError(
      f'{name} was trained on its validation clips; set'
      ' --config.data.train_subjects and --config.data.val_subjects to'
      ' different subjects, and train again'
    )


def _check_apart(val, test, name):
  both = sorted(set(val.ids) & set(test.ids))
  if both:
    raise UserError(
      f'{name}: {len(both)} validation clips are test clips too, such as'
      f' {both[0]!s}; weights would be chosen on the test split. Train with'
      ' another --config.data.val_split, or use --method=softmax'
    )
