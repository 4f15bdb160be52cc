"""The nearest mean pose, against poses that are known."""

import numpy as np

from unik_jax.floor import nearest
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
  pose = nearest.mean_pose(make_clip(4), layout, 2)
  expected = np.broadcast_to([1 - 7, 1 - 9], (17, 2)).copy()
  expected[layout.index(layout.center)] = 0
  expected[layout.index('left_wrist')] = [1 - 7, 4 - 9]
  np.testing.assert_allclose(pose, expected)
  assert not nearest.mean_pose(np.zeros((2, 5, 17, 3)), layout, 2).any()


def test_classes_without_training_clips_are_never_predicted():
  layout = get_layout('unik_17')
  records = [
    {'keypoints': make_clip(arm), 'label': label}
    for arm, label in ((2, 3), (4, 3), (20, 1))
  ]
  centroids = nearest.average_classes(records, layout, 2)
  assert sorted(centroids) == [1, 3]
  poses = np.stack(
    [nearest.mean_pose(make_clip(arm), layout, 2) for arm in (3, 11, 12)]
  )
  logits = nearest.classify_poses(poses, centroids, 5)
  assert logits.argmax(1).tolist() == [3, 3, 1]
  assert logits[0, 3] == 0 and logits[0, 1] == -(17**2)
  assert (logits[:, [0, 2, 4]] < logits[:, [1, 3]].min()).all()
