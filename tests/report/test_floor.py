"""The accuracy of the nearest mean pose, against a loop over the clips."""

import re

import numpy as np
import pytest
from helpers import finished_run

from unik_jax.data.prepared_split import PreparedSplit
from unik_jax.errors import UserError
from unik_jax.report import build, floor
from unik_jax.skeletons.layouts import get_layout


def make_clip(arm, channels=3):
  """A person who holds an arm at one height, its centre moving."""
  clip = np.zeros((2, 5, 17, channels), np.float32)
  layout = get_layout('unik_17')
  clip[1] = 1  # the first person is absent
  clip[1, :, layout.index(layout.center), :2] = [7, 9]
  clip[1, :, layout.index('left_wrist'), 1] = arm
  clip[1, 2, layout.index('left_wrist')] = 0  # missing in one frame
  return clip


def test_mean_pose_ignores_the_absent_the_missing_and_confidence():
  layout = get_layout('unik_17')
  pose = floor.mean_pose(make_clip(4), layout, 2)
  expected = np.broadcast_to([1 - 7, 1 - 9], (17, 2)).copy()
  expected[layout.index(layout.center)] = 0
  expected[layout.index('left_wrist')] = [1 - 7, 4 - 9]
  np.testing.assert_allclose(pose, expected)
  assert not floor.mean_pose(np.zeros((2, 5, 17, 3)), layout, 2).any()


def test_classes_without_training_clips_are_never_predicted():
  layout = get_layout('unik_17')
  records = [
    {'keypoints': make_clip(arm), 'label': label}
    for arm, label in ((2, 3), (4, 3), (20, 1))
  ]
  centroids = floor.average_classes(records, layout, 2)
  assert sorted(centroids) == [1, 3]
  poses = np.stack(
    [floor.mean_pose(make_clip(arm), layout, 2) for arm in (3, 11, 12)]
  )
  logits = floor.classify_poses(poses, centroids, 5)
  assert logits.argmax(1).tolist() == [3, 3, 1]
  assert logits[0, 3] == 0 and logits[0, 1] == -(17**2)
  assert (logits[:, [0, 2, 4]] < logits[:, [1, 3]].min()).all()


@pytest.mark.slow
def test_a_report_shows_it_beside_the_result(run, page, synthetic_dir):
  _, scores = run
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
  # Clips are matched by id, and a dataset of other clips has no floor.
  config.test_split = 'test[30:90]'
  with pytest.raises(UserError, match='not in the prepared dataset'):
    floor.measure_floor(config, scores)


@pytest.mark.slow
def test_without_the_dataset_there_is_none(run, tmp_path):
  report = build.write_report(run[0], tmp_path / 'page.html', tmp_path)
  assert 'nearest mean pose' not in report.path.read_text()
