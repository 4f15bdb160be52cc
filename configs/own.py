"""A network for your own recordings, prepared as in docs/own_data.md.

  python -m unik_jax.main --config=own:NAME --workdir=runs/NAME

NAME is the dataset's name in `python -m unik_jax.prepare skeleton_folder/NAME`.
With --config.data.manual_dir=FOLDER, this command prepares the dataset too. If
the dataset has a split `val`, the checkpoint that is best on it is kept, and
tested as well as the last one.

Network and recipe are those of `recipes.apply_few`: unik_pp, a quarter as wide
as the paper's UNIK, on bodies of one size. Both were chosen on training clips
of four public datasets (docs/results.md, "The default for few clips"), and suit
any layout. Clips with z should have y up; they are also turned in training. The
paper's network is --config.model.name=unik --config.model.widths="()". Nothing
was measured on thousands of clips.

With unik_jax[baseline], the floor is measured first, in seconds, and the end
says whether the network is better (docs/evaluation.md).

Measured on MSR-Action3D, written as own recordings (docs/own_data.md), with the
usual split: 91.6% of 273 test clips, seed 0. MultiRocket has 86.1% of them, and
the end of the run says that the network is better. Preparation, floor and
training took 4:34 on two cores of an AMD EPYC that had a little other work.
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
