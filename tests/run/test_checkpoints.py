"""Damaged checkpoints are found, and best/ holds the best state."""

import gc
import json
import resource

import jax
import numpy as np
import pytest
from helpers.damage_bytes import flip_bit

from unik_jax.errors import UserError
from unik_jax.run.checkpoints import (
  BestCheckpoint,
  Checkpoints,
  restore_checkpoint,
)

# Orbax leaves failed reads and writes behind, which report to closed loops.
pytestmark = [
  pytest.mark.filterwarnings('ignore:coroutine'),
  pytest.mark.filterwarnings('ignore::pytest.PytestUnraisableExceptionWarning'),
]


@pytest.fixture(autouse=True)
def collect_what_failed():
  """Keeps those reports within the test that caused them."""
  yield
  gc.collect()


def make_state(value):
  return {'w': jax.numpy.arange(300.0) + value, 'step': jax.numpy.int32(value)}


ABSTRACT = jax.eval_shape(make_state, 0.0)
SHARDINGS = jax.tree.map(
  lambda _: jax.sharding.SingleDeviceSharding(jax.devices()[0]), ABSTRACT
)


def is_state(state, value):
  return state is not None and all(
    np.array_equal(x, y)
    for x, y in zip(
      jax.tree.leaves(state), jax.tree.leaves(make_state(value)), strict=True
    )
  )


@pytest.fixture
def folder(tmp_path):
  """Checkpoints 1 and 2."""
  folder = tmp_path / 'checkpoints'
  with Checkpoints(folder, 2) as saved:
    for step in (1, 2):
      assert saved.save(step, make_state(step), wait=True)
  return folder


def data_files(checkpoint):
  """Returns the files with the values of a state."""
  return [p for p in checkpoint.glob('state/**/d/*') if p.is_file()]


def damage_until_noticed(folder):
  """Flips bits of checkpoint 2 until its values can no longer be restored."""
  for file in sorted(data_files(folder / '2'), key=lambda p: -p.stat().st_size):
    flip_bit(file, file.stat().st_size // 2)


def test_a_flipped_bit_is_never_restored(folder):
  """Every byte of the values' files, one after the other."""
  for file in data_files(folder / '2'):
    content = file.read_bytes()
    for at in range(0, len(content), max(len(content) // 12, 1)):
      flip_bit(file, at)
      try:
        state = restore_checkpoint(folder, ABSTRACT, SHARDINGS, 2)
      except UserError as error:
        assert str(folder / '2') in str(error)
      else:  # the bit belongs to no value
        assert is_state(state, 2)
      file.write_bytes(content)


def test_changed_values_name_the_checkpoint_and_the_array(folder):
  """Orbax alone restores a checkpoint with a value swapped for another."""
  other = folder.parent / 'other'
  with Checkpoints(other, 1) as saved:
    changed = make_state(2)
    changed['w'] = changed['w'].at[7].add(1)
    saved.save(2, changed, wait=True)
  (folder / '2' / 'notes').rename(folder / 'notes')
  (folder / '2').rename(folder.parent / 'gone')
  (other / '2').rename(folder / '2')
  (folder / '2' / 'notes').rename(folder.parent / 'notes of the other')
  (folder / 'notes').rename(folder / '2' / 'notes')
  with pytest.raises(UserError, match=r'checkpoints/2: .*1 of 2 .*state/w\)'):
    restore_checkpoint(folder, ABSTRACT, SHARDINGS, 2)


def test_a_training_falls_back_in_one_line(folder, caplog):
  damage_until_noticed(folder)
  # A reader skips the damaged checkpoint, and changes nothing.
  assert is_state(restore_checkpoint(folder, ABSTRACT, SHARDINGS), 1)
  ours = [r for r in caplog.records if 'orbax' not in r.pathname]
  assert [r.exc_info for r in ours] == [None]
  assert f'{folder / "2"} cannot be read' in caplog.text
  assert (folder / '2').is_dir()
  with Checkpoints(folder, 2) as saved:
    assert is_state(saved.restore_newest(ABSTRACT, SHARDINGS), 1)
    assert saved.save(2, make_state(2), wait=True)
  assert (folder.parent / 'unreadable-checkpoints-2').is_dir()
  assert is_state(restore_checkpoint(folder, ABSTRACT, SHARDINGS), 2)


def test_a_checkpoint_without_notes_restores(folder):
  """As version 0.1.0 wrote it; see also tests/golden/orbax_v0."""
  for file in (folder / '2' / 'notes').iterdir():
    file.unlink()
  (folder / '2' / 'notes').rmdir()
  assert is_state(restore_checkpoint(folder, ABSTRACT, SHARDINGS), 2)


def best_of(folder, recorded=None):
  """Returns the best state that a resumed run would test."""
  with BestCheckpoint(folder, recorded or {}) as best:
    return best.restore_best(ABSTRACT, SHARDINGS)


def test_best_is_compared_with_the_accuracy_on_disk(tmp_path):
  with BestCheckpoint(tmp_path, {}) as best:
    best.save_if_better(4, make_state(4), 0.5)
    best.save_if_better(8, make_state(8), 0.4)
  # Killed before the line of step 4 was written: `recorded` lacks it.
  with BestCheckpoint(tmp_path, {}) as best:
    best.save_if_better(3, make_state(3), 0.45)
    assert is_state(best.restore_best(ABSTRACT, SHARDINGS), 4)
    # A resumed run may be better at an earlier step, or the same.
    best.save_if_better(3, make_state(3), 0.6)
    best.save_if_better(3, make_state(5), 0.7)
  assert is_state(best_of(tmp_path), 5)
  assert [p.name for p in tmp_path.iterdir()] == ['3']


def test_an_older_best_is_not_reported(tmp_path, caplog):
  with BestCheckpoint(tmp_path, {}) as best:
    best.save_if_better(4, make_state(4), 0.5)
  assert is_state(best_of(tmp_path, {4: 0.5, 8: 0.5}), 4)
  assert best_of(tmp_path, {4: 0.5, 8: 0.9}) is None
  assert 'is not tested' in caplog.text and '0.9000' in caplog.text
  # Damage of the note is not taken for an accuracy.
  note = tmp_path / '4' / 'notes' / 'metadata'
  table = json.loads(note.read_text())
  note.write_text(json.dumps(table | {'accuracy': 0.95}))
  with BestCheckpoint(tmp_path, {4: 0.5}) as best:
    best.save_if_better(8, make_state(8), 0.6)
  assert is_state(best_of(tmp_path, {4: 0.5, 8: 0.6}), 8)


def test_a_best_state_waits_for_room_on_the_disk(tmp_path):
  limits = resource.getrlimit(resource.RLIMIT_FSIZE)
  with BestCheckpoint(tmp_path, {}) as best:
    best.save_if_better(4, make_state(4), 0.5)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, limits[1]))
    try:
      state = make_state(8)
      best.save_if_better(8, state, 0.9)
    finally:
      resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not best.is_saved
    state['w'].delete()  # as the next training step does
    best.save_if_better(12, make_state(12), 0.7)
    assert best.is_saved
    assert is_state(best.restore_best(ABSTRACT, SHARDINGS), 8)
  assert is_state(best_of(tmp_path, {4: 0.5, 8: 0.9, 12: 0.7}), 8)
