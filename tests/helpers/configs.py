"""Shared by tests: from test_configs."""

import functools
import importlib.util
import pathlib

FOLDER = pathlib.Path(__file__).parents[2] / 'configs'


@functools.cache
def module(name):
  spec = importlib.util.spec_from_file_location(name, FOLDER / f'{name}.py')
  loaded = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(loaded)
  return loaded


def load(case):
  name, _, variant = case.partition(':')
  return module(name).get_config(*[variant] if variant else [])
