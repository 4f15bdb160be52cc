"""The floor beside one run: measured before it, and compared after it."""

from collections.abc import Mapping

import jax
import numpy as np
from ml_collections import ConfigDict

from unik_jax import metrics
from unik_jax.data.prepared_split import PreparedSplit
from unik_jax.errors import UserError
from unik_jax.floor.comparison import advise_run, describe_run
from unik_jax.floor.measure import measure_floor, read_floor
from unik_jax.run.progress import Progress
from unik_jax.run.scores import Scores


def measure_first(progress: Progress, config: ConfigDict) -> None:
  """Measures and prints the floor before a training, if `config.floor` is set.

  On the first process only. A floor that cannot be measured stops no training.

  Args:
    progress: where it is printed.
    config: settings of the run.
  """
  if not config.floor or jax.process_index():
    return
  try:
    rows = measure_floor(config.data, (config.seed,), log=progress.print_line)
  except UserError as error:
    progress.print_line(f'floor: not known ({error})')
    return
  for row in rows:
    (scores,) = row.scores
    result = metrics.compute_metrics(scores.logits, scores.labels)
    accuracy = 100 * result[config.headline]
    progress.print_line(
      f'floor: {row.label}, {config.headline} {accuracy:.2f}% of'
      f' {len(scores.ids)} test clips, fitted in {row.seconds:.0f} s'
    )


def print_floor(
  progress: Progress,
  config: ConfigDict,
  clips: Mapping[str, PreparedSplit],
  outputs: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray | None]],
  *,
  advises: bool = True,
) -> str:
  """Prints and returns how a run compares with the floor, as far as known.

  Only the nearest mean pose is measured here. `measure_first`,
  `unik_jax.report` and `unik_jax.tables` fit the other classifiers and keep
  them.

  Args:
    progress: where it is printed.
    config: settings of the run.
    clips: the split 'test'.
    outputs: logits, labels and seen of the split 'test', as in
      `evaluate.measure_clips`.
    advises: whether to say what to do if the run is not above the floor.

  Returns:
    The sentences; '' on processes that do not write.
  """
  if jax.process_index():
    return ''
  logits, labels, seen = outputs['test']
  scores = Scores(
    ids=np.array(clips['test'].ids()),
    labels=labels,
    logits=logits,
    classes=np.array(clips['test'].class_names),
    seen=seen,
  )
  try:
    rows = read_floor(config.data, (config.seed,))
    lines = [describe_run(scores, rows, config.headline)] if rows else []
    if rows and advises:
      advice = advise_run(scores, rows, config.headline)
      lines += [advice] if advice else []
  except UserError as error:
    lines = [f'floor: not known ({error})']
  for line in lines:
    progress.print_line(line)
  return '. '.join(lines)
