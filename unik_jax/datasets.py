"""The dataset builders of the checkout's `datasets/`, registered with TFDS.

After `import unik_jax.datasets`, `tfds.builder('ntu_rgbd')` knows every dataset
of this library. `tfds.data_source` opens prepared ones without it.
"""

import importlib
import pathlib

FOLDER = pathlib.Path(__file__).parents[1] / 'datasets'
# The builders' folders are submodules of this one. A top-level package
# `datasets` would take the name of Hugging Face's.
__path__ = [str(FOLDER)]

BUILDERS = {
  path.parent.name: importlib.import_module(
    f'{__name__}.{path.parent.name}.{path.stem}'
  ).Builder
  for path in sorted(FOLDER.glob('*/*_dataset_builder.py'))
}
