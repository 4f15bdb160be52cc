"""The report of a prepared dataset."""

import json
import pathlib


def read_report(builder):
  """Returns the report: written, left_out and skipped."""
  return json.loads((builder.data_path / 'report.json').read_text())


def reasons_by_name(notes):
  """Returns {file name: reason} of a report's left_out or skipped clips."""
  return {pathlib.Path(note['clip']).name: note['reason'] for note in notes}
