"""Loads the experiments in configs/."""

import functools
import importlib.util
import pathlib

FOLDER = pathlib.Path(__file__).parents[2] / 'configs'


@functools.cache
def load_config_file(name):
  """Returns the module of configs/NAME.py."""
  spec = importlib.util.spec_from_file_location(name, FOLDER / f'{name}.py')
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  return module


def load_config(case):
  """Returns the config of a case such as 'ntu60:bone'."""
  name, _, variant = case.partition(':')
  return load_config_file(name).get_config(*[variant] if variant else [])
