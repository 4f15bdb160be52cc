"""Reports with missing or broken files, and python -m unik_jax.report."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from helpers.finished_run import CURVES, write_run
from helpers.html_page import Page
from scipy.special import softmax

from unik_jax.errors import UserError
from unik_jax.report import build, contents
from unik_jax.run.scores import Scores

pytestmark = pytest.mark.slow


def test_without_the_dataset_the_report_says_so(run, tmp_path):
  folder, _ = run
  report = build.write_report(folder, tmp_path / 'page.html', tmp_path)
  assert 'unik_jax.prepare' in report.missing
  page = Page(report.path.read_text())
  assert not page.find_all('canvas') and len(page.find_all('figcaption')) == 12
  assert any('unik_jax.prepare' in e.text for e in page.find_all('p'))


def test_clips_are_matched_by_id(run, page, synthetic_dir, tmp_path):
  _, scores = run
  ids = np.array([f'other_{i}' for i in range(60)])
  folder = write_run(tmp_path / 'run', scores._replace(ids=ids), synthetic_dir)
  report = build.write_report(folder, tmp_path / 'page.html')
  assert 'other_' in report.missing and 'eval_only' in report.missing
  # Clips in another order than the scores are shown by id.
  backwards = Scores(
    scores.ids[::-1],
    scores.labels[::-1],
    scores.logits[::-1],
    scores.classes,
  )
  folder = write_run(tmp_path / 'reversed', backwards, synthetic_dir)
  report = build.write_report(folder, tmp_path / 'reversed.html')
  assert report.missing == ''
  one, other = (
    Page((p).read_text()).data['clips']
    for p in (tmp_path / 'reversed.html', run[0] / 'report.html')
  )
  assert one == other


def test_epochs_of_evaluations_are_computed_from_steps():
  lines = [json.loads(line) for line in CURVES.splitlines()]
  assert contents.get_series(lines, 'test/top1') == ([2.0], [0.375])
  assert contents.get_series(lines, 'loss') == ([1.5, 2.0], [3.0, 2.5])
  assert contents.get_series(lines, 'val/loss') == ([], [])


def test_a_later_evaluation_is_noted(run, tmp_path):
  folder, scores = run
  shown = contents.read_contents(folder)
  assert shown.notes  # its summary.json has a loss of 0
  other = write_run(tmp_path / 'run', scores, tmp_path)
  summary = json.loads((other / 'summary.json').read_text())
  probabilities = softmax(np.float64(scores.logits), 1)
  loss = -np.log(probabilities[np.arange(60), scores.labels]).mean()
  intervals = {k: [0.125, 0.875] for k in ('top1', 'top5', 'mean_class')}
  summary['test'] = {'clips': 60, 'loss': loss, 'intervals': intervals}
  (other / 'summary.json').write_text(json.dumps(summary))
  shown = contents.read_contents(other)
  assert not shown.notes and shown.results.intervals == intervals


def test_an_unfinished_run_shows_its_curves(run, tmp_path):
  folder = write_run(tmp_path / 'run', run[1], tmp_path)
  (folder / 'summary.json').unlink()
  shutil.rmtree(folder / 'scores')
  lines = CURVES + '{"step": 4, "val/loss": 2.5, "val/top1": 0.425}\n{"st'
  (folder / 'metrics.jsonl').write_text(lines)  # a line is being written
  report = build.write_report(folder, tmp_path / 'page.html')
  page = Page(report.path.read_text())
  headings = [e.text for e in page.find_all('h2')]
  assert headings == ['Training'] and not report.missing
  shown = [e.attributes['aria-label'] for e in page.find_all('svg')]
  assert shown == ['Loss', 'Top-1 accuracy', 'Learning rate']
  figures = ' '.join(e.text for e in page.find_all('strong'))
  assert figures == '2 of 50 42.5% 37.5%'
  assert any('step 4' in e.text for e in page.find_all('p'))
  with pytest.raises(UserError, match='--robustness'):
    build.write_report(folder, tmp_path / 'page.html', measure=True)
  (folder / 'metrics.jsonl').unlink()
  with pytest.raises(UserError, match='metrics.jsonl.*unik_jax.main'):
    build.write_report(folder, tmp_path / 'page.html')


@pytest.mark.parametrize(
  'file, text, words',
  [
    ('scores/test.npz', None, 'test.npz: no such file.*The command'),
    ('config.json', None, 'config.json: no such file'),
    ('config.json', '{', 'config.json: not JSON'),
    ('summary.json', '{"test"', 'summary.json: not JSON'),
    ('summary.json', '[]', 'summary.json.*list'),
    ('summary.json', '{}', 'summary.json.*"test"'),
    ('data.json', '{', 'data.json: not JSON'),
    ('robustness.json', '{', 'robustness.json: not JSON'),
    ('scores/test.npz', 'PK', 'test.npz: cannot be read.*The command'),
  ],
)
def test_errors_name_the_file(run, tmp_path, file, text, words):
  folder = write_run(tmp_path / 'run', run[1], tmp_path)
  (folder / file).unlink(missing_ok=True)
  if text is not None:
    (folder / file).write_text(text)
  with pytest.raises(UserError, match=words):
    build.write_report(folder, tmp_path / 'page.html')
  assert not (tmp_path / 'page.html').exists()


def test_command(run, tmp_path):
  folder, _ = run

  def command(*arguments):
    return subprocess.run(
      [sys.executable, '-m', 'unik_jax.report', *arguments],
      capture_output=True,
      text=True,
    )

  done = command(f'--run={folder}', f'--data_dir={tmp_path}')
  assert done.returncode == 0, done.stderr
  assert 'note: ' in done.stdout and 'report.html' in done.stdout
  assert (folder / 'report.html').exists()
  done = command(f'--run={tmp_path}')
  assert done.returncode == 1
  assert done.stderr.startswith('error: ') and 'Traceback' not in done.stderr
