"""A finished run for the tests of unik_jax.report."""

import pytest
from helpers import finished_run
from helpers.html_page import Page

from unik_jax.models import rocket
from unik_jax.report import build


@pytest.fixture(scope='module', autouse=True)
def no_rocket():
  """Without MiniRocket and MultiRocket, whose fits take minutes here."""
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(rocket, 'installed_version', lambda: '')
    yield


@pytest.fixture(scope='module')
def run(synthetic_dir, tmp_path_factory):
  """(folder, scores) of a finished run on 60 clips."""
  scores = finished_run.make_scores(synthetic_dir)
  folder = tmp_path_factory.mktemp('report') / 'run'
  finished_run.write_run(folder, scores, synthetic_dir, test_split='test[:60]')
  return folder, scores


@pytest.fixture(scope='module')
def page(run):
  report = build.write_report(run[0], run[0] / 'report.html')
  assert report.missing == ''
  return Page(report.path.read_text())
