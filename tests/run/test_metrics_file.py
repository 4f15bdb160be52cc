import json
import resource

import pytest

from unik_jax.run import metrics_file


def read(folder):
  text = (folder / 'metrics.jsonl').read_text()
  return [json.loads(line) for line in text.splitlines()]


def test_a_resumed_run_has_each_step_and_kind_once(tmp_path):
  assert metrics_file.read_metrics(tmp_path) == []
  metrics_file.drop_later_metrics(tmp_path, 0)
  kept = [
    {'step': 1, 'loss': 2.0, 'epoch': 0.5},
    {'step': 2, 'loss': 0.1 + 0.2, 'epoch': 1.0},
    {'step': 2, 'val/loss': 1.0, 'val/top1': 0.25},
  ]
  dropped = [
    {'step': 2, 'final test/loss': 1.0},  # of a finished run
    {'step': 2, 'test of best/loss': 1.0},
    {'step': 3, 'loss': 1.0},  # after the resumed step
    {'step': 4, 'val/top1': 0.5},
  ]
  lines = [json.dumps(x) for x in [*kept, kept[2], kept[0], *dropped]]
  broken = ['[1]', '7', '{"loss": 1}', '{"step": null}', '', '{"st']
  (tmp_path / 'metrics.jsonl').write_text(
    '\n'.join([*broken[:4], *lines, *broken[4:]])
  )
  assert metrics_file.read_validation(tmp_path, 'top1') == {2: 0.25, 4: 0.5}
  metrics_file.drop_later_metrics(tmp_path, 2)
  assert read(tmp_path) == kept
  assert metrics_file.read_validation(tmp_path, 'top1') == {2: 0.25}
  assert metrics_file.was_evaluated(tmp_path, 2)
  assert not metrics_file.was_evaluated(tmp_path, 1)


def test_a_full_disk_leaves_no_part_of_a_line(tmp_path):
  """A limit on file size makes writes fail as on a full disk."""
  metrics_file.append_metrics(tmp_path, 1, {'loss': 1.0})
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (40, limits[1]))
  try:
    with pytest.raises(OSError):
      metrics_file.append_metrics(tmp_path, 2, {'loss': 0.123456789})
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
  metrics_file.append_metrics(tmp_path, 3, {'loss': 0.5})
  assert [x['step'] for x in read(tmp_path)] == [1, 3]
