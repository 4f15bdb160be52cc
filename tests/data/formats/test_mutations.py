"""Damaged files of every format give a clean result or a `UserError`."""

import random

import pytest
from helpers.mutations import check, make_samples

SAMPLES = make_samples()


@pytest.mark.parametrize('name', SAMPLES)
def test_damaged_files(name, tmp_path):
  for seed in range(40):
    check(name, SAMPLES[name], tmp_path, random.Random(seed))
