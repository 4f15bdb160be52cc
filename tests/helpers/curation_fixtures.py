"""What the tests of curation share: files of made-up experts."""

import json

import numpy as np

from unik_jax.curate import planning, simulation
from unik_jax.skeletons import joint_maps
from unik_jax.skeletons.layouts import get_layout

UNIK = get_layout('unik_17')
EXPERTS = ('alphapose', 'arrays', 'lcrnet')


def observed(seed, action='salute', frames=None):
  """Of three experts, (3, T, 17, 3), and the truth (T, 17, 2)."""
  rng = np.random.default_rng(seed)
  truth = simulation.motion(rng, action, frames)
  return simulation.experts(truth, rng), truth


def alphapose(poses):
  """Of poses of layout 'unik_17', in the 17 joints of COCO."""
  poses = coco(poses)
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


def lcrnet(poses):
  joints = [UNIK.index(joint) for joint in get_layout('lcrnet_13').joints]
  return {
    'frames': [
      [{'pose2d': pose[joints, :2].T.ravel().tolist()}] if pose.any() else []
      for pose in poses
    ]
  }


def coco(poses):
  """(T, 17, 3) of layout 'coco_17', as far as the 17 of UNIK have it."""
  clip = joint_maps.convert_clip(
    poses[None], UNIK, get_layout('coco_17'), confidence=True, partial=True
  )
  return clip[0]


def put(root, name, poses):
  """Files of three experts for a video: two of JSON, one array."""
  for expert in EXPERTS:
    (root / expert / name).parent.mkdir(parents=True, exist_ok=True)
  whole, arrays, frames = poses
  path = root / 'alphapose' / f'{name}.json'
  path.write_text(json.dumps(alphapose(whole)))
  np.savez(root / 'arrays' / f'{name}.npz', np.float32(arrays))
  path = root / 'lcrnet' / f'{name}.json'
  path.write_text(json.dumps(lcrnet(frames)))
  stated = 'layout: unik_17\nconfidence: true\n'
  (root / 'arrays' / 'layout.yaml').write_text(stated)


def folders(root):
  return [str(root / expert) for expert in EXPERTS]


def plan(root, **options):
  return planning.plan(folders(root), root / 'out', **options)
