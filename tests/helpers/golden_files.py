"""Golden raw files, and the published scripts' output for them.

The environment variable UNIK_PREPROCESS_DIR names another folder than
tests/golden/preprocess, for example with more files.
"""

import os
import pathlib

_TESTS = pathlib.Path(__file__).parents[1]
FOLDER = pathlib.Path(
  os.environ.get('UNIK_PREPROCESS_DIR', _TESTS / 'golden' / 'preprocess')
)
EXPECTED = FOLDER / 'expected.npz'  # (C, T, V, M) arrays, as STEP/FILE
LCRNET_FILES = sorted((FOLDER / 'lcrnet_raw').glob('*.json'))
NTU_FILES = sorted((FOLDER / 'ntu_raw').glob('*.skeleton'))
