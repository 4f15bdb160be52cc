"""Shared by tests: from test_lcrnet."""

import json
import os
import pathlib

import numpy as np

from unik_jax.data.formats import lcrnet

_HERE = pathlib.Path(__file__).parents[1]


FOLDER = pathlib.Path(
  os.environ.get('UNIK_PREPROCESS_DIR', _HERE / 'golden' / 'preprocess')
)


RAW = sorted((FOLDER / 'lcrnet_raw').glob('*.json'))


def parse(clip, **options):
  return lcrnet.parse_poses(json.dumps(clip).encode(), 'clip.json', **options)


def golden(path):
  """(M, T, 17, 2), of the script's (C, T, V, M)."""
  expected = np.load(FOLDER / 'expected.npz')[f'smarthome_read/{path.name}']
  return expected.transpose(3, 1, 2, 0)
