"""model.json describes the input of an exported model."""

import json

import pytest
from helpers import synthetic_run
from helpers.random_run import make_run

from unik_jax.errors import UserError
from unik_jax.export.notes import describe_run
from unik_jax.skeletons.layouts import get_layout


@pytest.fixture
def run(tmp_path):
  return make_run(tmp_path)


def test_notes_describe_input_output_and_layout(run):
  notes = describe_run(run)
  assert json.loads(json.dumps(notes)) == notes
  assert notes['input']['shape'] == ['batch', 2, 12, 17, 2]
  assert notes['classes'] == list('abcde')
  assert (notes['stream'], notes['test']) == ('bone', {})
  layout = notes['clips']['layout']
  assert layout['joints'] == list(run.data_layout.joints)
  assert ['nose', 'head'] in layout['bones']
  steps = {step['step']: step for step in notes['preprocessing']}
  assert list(steps) == [
    'cut channels',
    'cut or zero-pad persons',
    'normalize',
    'sample frames',
    'make the stream',
  ]
  assert 'parent' in steps['make the stream']['meaning']
  assert 'test_crops' not in steps['sample frames']


def test_notes_describe_several_crops_and_mapped_joints(run):
  config = synthetic_run.make_config(
    joints='msr_20', sampling='repeat', test_crops=4, pad=30, trim=True
  )
  run = run._replace(config=config, network_layout=get_layout('msr_20'))
  steps = describe_run(run)['preprocessing']
  assert [step['step'] for step in steps] == [
    'cut channels',
    'cut or zero-pad persons',
    'map joints by name',
    'drop frames at both ends with nobody in them',
    "repeat each person's track",
    'normalize',
    'sample frames',
  ]
  hand = steps[2]['shares']['left_hand']
  assert hand == {'left_elbow': -0.2, 'left_wrist': 1.2}
  assert steps[-1]['test_crops'] == 4
  assert 'averaged' in steps[-1]['note']


def test_metrics_are_those_of_the_exported_step(run, tmp_path):
  results = {
    'step': 9,
    'test': {'top1': 0.5, 'clips': 4, 'confusion': [[4]]},
    'best_step': 3,
    'test_of_best': {'top1': 0.75, 'clips': 4},
    'unseen_of_best': {'top1': 0.25, 'clips': 2},
  }
  (tmp_path / 'summary.json').write_text(json.dumps(results))
  for step, metrics in (
    (3, {'top1': 0.75, 'clips': 4}),
    (6, {}),
    (9, {'top1': 0.5, 'clips': 4}),
  ):
    notes = describe_run(run._replace(step=step))
    assert notes['test'] == metrics
    assert notes.get('unseen') == (
      {'top1': 0.25, 'clips': 2} if step == 3 else None
    )
  (tmp_path / 'summary.json').write_text('{')
  with pytest.raises(UserError, match='summary.json: not JSON'):
    describe_run(run)
