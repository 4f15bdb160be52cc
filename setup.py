"""The packages of the wheel; setup.cfg has the rest.

The top-level folders configs/ and datasets/ become `unik_jax.configs` and
`unik_jax.datasets`, beside the modules of these names, which find them there.
"""

import pathlib

from setuptools import find_packages, setup

BUILDERS = sorted(
  path.parent.name
  for path in pathlib.Path('datasets').glob('*/*_dataset_builder.py')
)

setup(
  packages=[
    *find_packages(include=['unik_jax*']),
    'unik_jax.configs',
    *(f'unik_jax.datasets.{name}' for name in BUILDERS),
  ],
  package_dir={
    'unik_jax.configs': 'configs',
    'unik_jax.datasets': 'datasets',
  },
)
