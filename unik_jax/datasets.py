"""The dataset builders, registered with TFDS.

After `import unik_jax.datasets`, `tfds.builder('ntu_rgbd')` knows every dataset
of this library. `tfds.data_source` opens prepared ones without it.
"""

import importlib
import pathlib

# The wheel has the builders' folders beside this file (setup.py), a checkout in
# its top-level folder. Neither has an __init__.py: a package `datasets` in a
# checkout would take the name of Hugging Face's.
_INSTALLED = pathlib.Path(__file__).with_suffix('')
FOLDER = (
  _INSTALLED if _INSTALLED.is_dir() else _INSTALLED.parents[1] / 'datasets'
)
# Makes the builders' folders submodules of this module.
__path__ = [str(FOLDER)]

BUILDERS = {
  path.parent.name: importlib.import_module(
    f'{__name__}.{path.parent.name}.{path.stem}'
  ).Builder
  for path in sorted(FOLDER.glob('*/*_dataset_builder.py'))
}
