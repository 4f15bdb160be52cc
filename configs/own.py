"""UNIK on your own recordings, prepared as in docs/own_data.md.

  python -m unik_jax.main --config=own:NAME --workdir=runs/NAME

NAME is the dataset's name in `python -m unik_jax.prepare skeleton_folder/NAME`.
With --config.data.manual_dir=FOLDER, this command prepares the dataset too. If
the dataset has a split `val`, the checkpoint that is best on it is kept, and
tested as well as the last one.

The recipe, with its sampling, is `modern` of configs/msr_action3d.py, which was
chosen on some 280 clips. The normalisation suits any layout, and clips are not
rotated. With thousands of clips, use the full network:
--config.model.widths="(64, 64, 64, 64, 128, 128, 128, 256, 256, 256)".

With unik_jax[baseline], the floor is measured first, in seconds, and the end
says whether the network is better (docs/evaluation.md).

Measured on MSR-Action3D, written as own recordings (docs/own_data.md), with the
usual split: 81.0% of 273 test clips, seed 0. MultiRocket has 86.1% of them, and
the end of the run says that the network is worse. Preparation, floor and
training took 10:36 on two cores of an AMD EPYC that had other work.
"""

from unik_jax import recipes
from unik_jax.config import default_config
from unik_jax.errors import UserError

VARIANTS = ('NAME',)  # any dataset of skeleton_folder


def get_config(name=''):
  """Returns the config; the data give layout, classes, persons, channels."""
  if not name:
    raise UserError(
      'expected a dataset name, as in --config=own:NAME. Prepare it'
      ' with `python -m unik_jax.prepare skeleton_folder/NAME'
      ' --manual_dir=FOLDER`'
    )
  if '/' in name:
    raise UserError(
      f'expected only the name of your dataset, got {name!r}. Use'
      f' --config=own:{name.rpartition("/")[2]}'
    )
  config = default_config()
  recipes.apply_few(config)
  config.floor = True
  config.data.update(
    name=f'skeleton_folder/{name}',
    layout='',
    num_classes=0,
    persons=0,
    channels=0,
    val_split='auto',
  )
  return config
