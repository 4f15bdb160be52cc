"""The runs in docs/runs, from which docs/results.md can be computed again."""

import json
import pathlib

import numpy as np
import pytest

from unik_jax.tables import plan

ROOT = pathlib.Path(__file__).parents[2]
RUNS = ROOT / 'docs' / 'runs'
FOLDERS = [path.parent for path in sorted(RUNS.glob('*/*/config.json'))]
# Dataset to the heading of its figures in docs/results.md.
HEADINGS = {'nw_ucla': '## Networks on NW-UCLA'}


def read_test(folder):
  """Softmax scores (N, K), labels and whether seen, in float64."""
  with np.load(folder / 'scores' / 'test.npz') as file:
    logits = file['logits'].astype(np.float64)
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    scores = exponentials / exponentials.sum(1, keepdims=True)
    return scores, file['labels'], file['seen'].astype(bool)


def split_name(folder):
  """Row, stream and seed of a run."""
  row, stream, seed = '', '', ''
  for stream in 'joint_motion', 'bone_motion', 'joint', 'bone':
    row, found, seed = folder.name.partition(f'_{stream}_')
    if found:
      break
  return row, stream, seed


def test_some_runs_are_recorded():
  assert FOLDERS
  assert {folder.parent.name for folder in FOLDERS} == HEADINGS.keys()


@pytest.mark.parametrize('folder', FOLDERS, ids=lambda path: path.name)
def test_scores_give_the_accuracy_of_the_summary(folder):
  scores, labels, seen = read_test(folder)
  summary = json.loads((folder / 'summary.json').read_text())
  hits = scores.argmax(1) == labels
  np.testing.assert_allclose(summary['test']['top1'], hits.mean())
  np.testing.assert_allclose(summary['unseen']['top1'], hits[~seen].mean())


@pytest.mark.parametrize('folder', FOLDERS, ids=lambda path: path.name)
def test_the_config_is_still_that_of_the_run(folder):
  """Planning refuses a folder whose settings differ from the row's."""
  row, stream, seed = split_name(folder)
  table = '5' if (RUNS / folder.parent / f'{row}_bone_{seed}').exists() else '4'
  planned = plan.make_plan(
    table,
    folder.parent.name,
    repetitions={seed: (f'--config.seed={seed}',)},
    folder=RUNS,
    rows=[row],
  )
  ((trainings,),) = planned.rows.values()
  assert folder in [training.folder for training in trainings]
  assert stream in [training.config.data.stream for training in trainings]


@pytest.mark.parametrize('dataset', HEADINGS)
def test_results_have_the_figures_of_the_runs(dataset):
  text = (ROOT / 'docs' / 'results.md').read_text()
  _, _, section = text.partition(HEADINGS[dataset] + '\n')
  section, _, _ = section.partition('\n## ')
  by_row = {}
  for folder in (RUNS / dataset).iterdir():
    if folder in FOLDERS:
      row, stream, seed = split_name(folder)
      by_row.setdefault((row, seed), {})[stream] = read_test(folder)
  for (row, seed), streams in by_row.items():
    _, labels, seen = streams['joint']
    combinations = {name: [scores] for name, (scores, _, _) in streams.items()}
    if len(streams) > 1:
      combinations['fused'] = [scores for scores, _, _ in streams.values()]
    for name, scores in combinations.items():
      hits = np.mean(scores, 0).argmax(1) == labels
      for accuracy in hits.mean(), hits[~seen].mean():
        figure = f'{100 * accuracy:.1f}'
        assert f' {figure} ' in section, (row, seed, name, figure)
