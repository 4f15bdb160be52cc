"""Shared by tests: from test_msr_action3d."""

from unik_jax.data import registry


def prepare(tmp_path, manual):
  return registry.prepare_dataset('msr_action3d', tmp_path / 'data', manual)


def opened(tmp_path):
  return registry.open_prepared('msr_action3d', tmp_path / 'data')
