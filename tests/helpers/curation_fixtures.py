"""Files of three simulated estimators, for the tests of curation."""

import json

import numpy as np

from unik_jax.curate import planning, simulation
from unik_jax.skeletons import joint_maps
from unik_jax.skeletons.layouts import get_layout

UNIK = get_layout('unik_17')
ESTIMATORS = ('alphapose', 'arrays', 'lcrnet')


def simulate_poses(seed, action='salute', frames=None):
  """Returns three estimators' poses (3, T, 17, 3), and the truth (T, 17, 2)."""
  rng = np.random.default_rng(seed)
  truth = simulation.generate_motion(rng, action, frames)
  return simulation.simulate_estimators(truth, rng), truth


def to_alphapose(poses):
  """Returns poses of layout 'unik_17' as AlphaPose's JSON, in COCO's joints."""
  poses = to_coco(poses)
  return [
    {
      'image_id': f'{t}.jpg',
      'category_id': 1,
      'keypoints': pose.ravel().round(3).tolist(),
      'score': 2.5,
    }
    for t, pose in enumerate(poses)
    if pose.any()
  ]


def to_lcrnet(poses):
  """Returns poses of layout 'unik_17' as LCR-Net's JSON."""
  joints = [UNIK.index(joint) for joint in get_layout('lcrnet_13').joints]
  return {
    'frames': [
      [{'pose2d': pose[joints, :2].T.ravel().tolist()}] if pose.any() else []
      for pose in poses
    ]
  }


def to_coco(poses):
  """Returns poses of layout 'unik_17' in 'coco_17', (T, 17, 3)."""
  clip = joint_maps.convert_clip(
    poses[None], UNIK, get_layout('coco_17'), confidence=True, partial=True
  )
  return clip[0]


def write_video(root, name, poses):
  """Writes three estimators' files of a video: two of JSON, one array."""
  for estimator in ESTIMATORS:
    (root / estimator / name).parent.mkdir(parents=True, exist_ok=True)
  alphapose, arrays, lcrnet = poses
  path = root / 'alphapose' / f'{name}.json'
  path.write_text(json.dumps(to_alphapose(alphapose)))
  np.savez(root / 'arrays' / f'{name}.npz', np.float32(arrays))
  path = root / 'lcrnet' / f'{name}.json'
  path.write_text(json.dumps(to_lcrnet(lcrnet)))
  layout = 'layout: unik_17\nconfidence: true\n'
  (root / 'arrays' / 'layout.yaml').write_text(layout)


def estimator_folders(root):
  return [str(root / estimator) for estimator in ESTIMATORS]


def make_plan(root, **options):
  return planning.make_plan(estimator_folders(root), root / 'out', **options)
