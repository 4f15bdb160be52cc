"""Clips in LCR-Net's format, and golden files of Toyota Smarthome."""

import json

import numpy as np
from helpers import golden_files

from unik_jax.data.formats import lcrnet


def make_lcrnet_body(rng, **changes):
  """Returns one body of a frame."""
  return {
    'pose2d': rng.uniform(1, 480, 26).round(3).tolist(),
    'pose3d': rng.normal(size=39).round(4).tolist(),
  } | changes


def make_lcrnet_clip(bodies=(1, 2, 0, 2), seed=0):
  """Returns a file's content as an object.

  Args:
    bodies: number of bodies in each frame.
    seed: of their random poses.
  """
  rng = np.random.default_rng(seed)
  frames = [[make_lcrnet_body(rng) for _ in range(n)] for n in bodies]
  return {'K': 1, 'njts': 13, 'frames': frames}


def parse_clip(clip, **options):
  """Parses a file's content that is given as an object."""
  return lcrnet.parse_poses(json.dumps(clip).encode(), 'clip.json', **options)


def load_golden(path):
  """Returns (M, T, 17, 2) as Smarthome's script reads a golden file."""
  expected = np.load(golden_files.EXPECTED)[f'smarthome_read/{path.name}']
  return expected.transpose(3, 1, 2, 0)
