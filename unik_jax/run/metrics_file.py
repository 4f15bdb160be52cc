"""metrics.jsonl: the metrics of a run, one line per step and kind.

A line is a JSON object with "step". Its kind is the prefix of its keys: 'val'
for val/loss, '' for training metrics, which have none.
"""

import json
import pathlib
from typing import Any

from unik_jax.run import paths
from unik_jax.runtime.atomic_files import atomic_write

# The results of a finished run, which it computes again if repeated: maps their
# keys in summary.json to the kinds of their lines.
FINAL_KINDS = {
  'test': 'final test',
  'unseen': 'unseen',
  'test_of_best': 'test of best',
  'unseen_of_best': 'unseen of best',
}


def append_metrics(
  folder: pathlib.Path, step: int, numbers: dict[str, Any]
) -> None:
  """Appends a line; on a full disk, leaves no part of it.

  Args:
    folder: folder of the run.
    step: optimizer steps taken.
    numbers: the metrics by key.

  Raises:
    OSError: the file cannot be written.
  """
  line = json.dumps({'step': step, **numbers}) + '\n'
  with (folder / paths.METRICS).open('ab', buffering=0) as file:
    end = file.tell()
    try:
      data = line.encode()
      while data:
        data = data[file.write(data) :]
    except OSError:
      file.truncate(end)
      raise


def read_metrics(folder: pathlib.Path) -> list[dict[str, Any]]:
  """Returns the lines of a run's metrics.jsonl; empty without the file.

  Skips lines that are cut short, as a killed process leaves them.
  """
  file = folder / paths.METRICS
  if not file.exists():
    return []
  lines = []
  for text in file.read_text(encoding='utf-8', errors='replace').splitlines():
    try:
      line = json.loads(text)
      lines.append({**line, 'step': int(line['step'])})
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
      continue
  return lines


def drop_later_metrics(folder: pathlib.Path, step: int) -> None:
  """Drops what a run that resumes from `step` will write again.

  That is the lines of later steps, and the results of a finished run. Of two
  lines of one step and kind, the last stays.

  Args:
    folder: folder of the run.
    step: the step that the run resumes from.

  Raises:
    UserError: the file cannot be written.
  """
  lines = {
    (line['step'], _kind(line)): line
    for line in read_metrics(folder)
    if line['step'] <= step and _kind(line) not in FINAL_KINDS.values()
  }
  file = folder / paths.METRICS
  text = ''.join(f'{json.dumps(line)}\n' for line in lines.values())
  if file.exists() and file.read_bytes() != text.encode():
    with atomic_write(
      file, 'make room, and run the same command again'
    ) as part:
      part.write_text(text, encoding='utf-8')


def read_validation(folder: pathlib.Path, headline: str) -> dict[int, float]:
  """Maps each validated step to its accuracy.

  Args:
    folder: folder of the run.
    headline: 'top1', 'mean_class' or 'top5'.
  """
  key = f'val/{headline}'
  return {
    line['step']: float(line[key])
    for line in read_metrics(folder)
    if key in line
  }


def was_evaluated(folder: pathlib.Path, step: int) -> bool:
  """Whether there is an evaluation after this step."""
  return any(
    line['step'] == step and _kind(line) in ('val', 'test')
    for line in read_metrics(folder)
  )


def _kind(line):
  return next((key.rpartition('/')[0] for key in line if '/' in key), '')
