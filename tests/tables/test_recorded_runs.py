"""Recorded runs, from which docs/results.md can be computed again."""

import json
import pathlib

import numpy as np
import pytest

from unik_jax.tables import few, plan

DOCS = pathlib.Path(__file__).parents[2] / 'docs'
# Folder to the config of its runs, as --configs of unik_jax.tables.
CONFIGS = {'runs': 'tables', 'runs_few': 'few'}
# Folder and dataset to the heading of the figures in docs/results.md.
HEADINGS = {
  ('runs', 'nw_ucla'): '## Networks on NW-UCLA',
  ('runs_few', 'msr_action3d'): '## The default for few clips',
  ('runs_few', 'nw_ucla'): '## The default for few clips',
  ('runs_few', 'penn_13'): '## The default for few clips',
  ('runs_few', 'sbu'): '## The default for few clips',
  ('runs_few', 'utd_mhad'): '## The default for few clips',
}
FOLDERS = [
  path.parent
  for name in CONFIGS
  for path in sorted((DOCS / name).glob('*/*/config.json'))
]


def dataset_of(folder):
  """The folder and dataset of a run; those of SBU's folds are one."""
  return folder.parents[1].name, folder.parent.name.partition('_fold_')[0]


def read_test(folder):
  """Softmax scores (N, K), labels and whether seen, in float64."""
  with np.load(folder / 'scores' / 'test.npz') as file:
    logits = file['logits'].astype(np.float64)
    exponentials = np.exp(logits - logits.max(1, keepdims=True))
    scores = exponentials / exponentials.sum(1, keepdims=True)
    seen = file['seen'] if 'seen' in file else np.zeros(len(scores))
    return scores, file['labels'], seen.astype(bool)


def pool_folds(folds):
  """Returns the scores, labels and seen marks of all folds together."""
  return tuple(map(np.concatenate, zip(*folds, strict=True)))


def split_name(folder):
  """Row, stream and repetition of a run."""
  row, stream, repetition = '', '', ''
  for stream in 'joint_motion', 'bone_motion', 'joint', 'bone':
    row, found, repetition = folder.name.partition(f'_{stream}_')
    if found:
      break
  return row, stream, repetition


def identify(folder):
  return '-'.join(folder.parts[-3:])


def test_some_runs_are_recorded():
  assert {dataset_of(folder) for folder in FOLDERS} == HEADINGS.keys()


@pytest.mark.parametrize('folder', FOLDERS, ids=identify)
def test_scores_give_the_accuracy_of_the_summary(folder):
  scores, labels, seen = read_test(folder)
  summary = json.loads((folder / 'summary.json').read_text())
  hits = scores.argmax(1) == labels
  np.testing.assert_allclose(summary['test']['top1'], hits.mean())
  if seen.any():
    np.testing.assert_allclose(summary['unseen']['top1'], hits[~seen].mean())


@pytest.mark.parametrize('folder', FOLDERS, ids=identify)
def test_the_config_is_still_that_of_the_run(folder):
  """Planning refuses a folder whose settings differ from the row's."""
  row, stream, repetition = split_name(folder)
  runs = folder.parents[1]
  if runs.name == 'runs_few':
    table, repetitions = 'few', few.list_repetitions((*few.SIZES,), 3)
  else:
    has_streams = (folder.parent / f'{row}_bone_{repetition}').exists()
    table = '5' if has_streams else '4'
    repetitions = {repetition: (f'--config.seed={repetition}',)}
  planned = plan.make_plan(
    table,
    folder.parent.name,
    repetitions=repetitions,
    folder=runs,
    rows=[row],
    configs=CONFIGS[runs.name],
  )
  trainings = {training.folder: training for training in planned.trainings}
  assert trainings[folder].config.data.stream == stream


@pytest.mark.parametrize('runs, dataset', HEADINGS)
def test_results_have_the_figures_of_the_runs(runs, dataset):
  text = (DOCS / 'results.md').read_text()
  _, _, section = text.partition(HEADINGS[runs, dataset] + '\n')
  section, _, _ = section.partition('\n## ')
  by_row = {}
  for folder in FOLDERS:
    if dataset_of(folder) == (runs, dataset):
      row, stream, repetition = split_name(folder)
      streams = by_row.setdefault((row, repetition), {})
      streams.setdefault(stream, []).append(read_test(folder))
  pooled = {
    key: {name: pool_folds(folds) for name, folds in streams.items()}
    for key, streams in by_row.items()
  }
  for (row, repetition), streams in pooled.items():
    _, labels, seen = streams['joint']
    if runs == 'runs_few':  # the same clips count for any number of clips
      all_clips = repetition.rpartition('_')[2]
      seen = pooled.get((row, all_clips), streams)['joint'][2]
    combinations = {name: [scores] for name, (scores, _, _) in streams.items()}
    if len(streams) > 1:
      combinations['fused'] = [scores for scores, _, _ in streams.values()]
    for name, scores in combinations.items():
      hits = np.mean(scores, 0).argmax(1) == labels
      # Table few counts unseen clips only.
      counted = [hits[~seen]] if runs == 'runs_few' else [hits, hits[~seen]]
      for accuracy in map(np.mean, counted):
        figure = f'{100 * accuracy:.1f}'
        assert f' {figure} ' in section, (row, repetition, name, figure)
