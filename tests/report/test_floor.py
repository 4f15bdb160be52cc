"""The floor in a report, against a loop over the clips."""

import re

import numpy as np
import pytest
from helpers import finished_run
from helpers.html_page import Page

from unik_jax.data.prepared_split import PreparedSplit
from unik_jax.report import build
from unik_jax.skeletons.layouts import get_layout


@pytest.mark.slow
def test_a_report_shows_it_beside_the_result(page, synthetic_dir):
  config = finished_run.make_config(synthetic_dir).data
  hip = get_layout('unik_17').index(get_layout('unik_17').center)

  def mean_poses(split):
    poses, labels = [], []
    for record in split:
      clip = np.float64(record['keypoints'][0])
      seen = clip.any(-1)
      start = clip[np.flatnonzero(seen[:, hip])[0], hip]
      poses.append(
        [
          (clip[seen[:, v], v] - start).mean(0) if seen[:, v].any() else (0, 0)
          for v in range(17)
        ]
      )
      labels.append(record['label'])
    return np.array(poses), np.array(labels)

  train = PreparedSplit(config, 'train')
  poses, labels = mean_poses(train[i] for i in range(len(train)))
  centroids = [poses[labels == k].mean(0) for k in range(20)]
  test = PreparedSplit(config, 'test[:60]')
  poses, labels = mean_poses(test[i] for i in range(60))
  distances = [((poses - c) ** 2).sum((1, 2)) for c in centroids]
  hits = np.argmin(distances, 0) == labels
  expected = {
    'top-1': hits.mean(),
    'mean class': np.mean([hits[labels == k].mean() for k in set(labels)]),
  }
  texts = [e.text for e in page.find_all('div') if 'accuracy' in e.text]
  for name, value in expected.items():
    (text,) = (t for t in texts if name in t and len(t) < 200)
    (shown,) = re.findall(r'floor: nearest mean pose ([\d.]+)%', text)
    assert float(shown) == round(100 * value, 1)
  texts = [element.text for element in page.find_all('section')]
  assert any('This run is above the floor: ' in text for text in texts)


@pytest.mark.slow
def test_without_the_dataset_the_page_says_so(run, tmp_path):
  report = build.write_report(run[0], tmp_path / 'page.html', tmp_path)
  text = report.path.read_text()
  assert 'nearest mean pose' not in text
  assert 'The floor is not shown: ' in text


@pytest.mark.slow
def test_other_clips_than_the_scores_have_no_floor(
  run, synthetic_dir, tmp_path
):
  folder = finished_run.write_run(
    tmp_path / 'run', run[1], synthetic_dir, test_split='test[30:90]'
  )
  report = build.write_report(folder, tmp_path / 'page.html')
  assert re.search('The floor is not shown: .*clips', report.path.read_text())


def test_its_rows_are_chosen(run, tmp_path):
  report = build.write_report(run[0], tmp_path / 'page.html', floor=())
  assert '>Floor<' not in report.path.read_text()


@pytest.mark.slow
def test_unseen_clips_have_figures_of_their_own(run, synthetic_dir, tmp_path):
  """All clips but two that are predicted right are said to be in training."""
  _, scores = run
  right = scores.logits.argmax(1) == scores.labels
  seen = right & (np.cumsum(right) <= right.sum() - 2)
  folder = finished_run.write_run(
    tmp_path / 'run',
    scores._replace(seen=seen),
    synthetic_dir,
    test_split='test[:60]',
  )
  report = build.write_report(folder, tmp_path / 'page.html')
  page = Page(report.path.read_text())
  (section,) = [
    e.text
    for e in page.find_all('section')
    if 'This run is above the floor' in e.text
  ]
  assert 'on clips that are not in training: ' in section
  row = section.split('This run')[-1].split('nearest mean pose')[0]
  shares = [float(share) for share in re.findall(r'([\d.]+)%', row)]
  assert shares[0] == round(100 * right.mean(), 1)
  assert shares[3] == round(100 * 2 / np.sum(~seen), 1)
