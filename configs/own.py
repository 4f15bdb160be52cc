"""UNIK on your own recordings, prepared as docs/own_data.md shows.

  python -m unik_jax.main --config=configs/own.py:NAME --workdir=runs/NAME

NAME is that of `python -m unik_jax.prepare skeleton_folder/NAME`, which may as
well be left to this command: --config.data.manual_dir=FOLDER.

The recipe is that of `modern` in configs/msr_action3d.py, which was chosen on
some 280 clips, with normalisation and sampling that suit any layout. With
thousands of clips, use the full network:
--config.model.widths="(64, 64, 64, 64, 128, 128, 128, 256, 256, 256)".
"""

from unik_jax.config import default_config
from unik_jax.errors import UserError


def get_config(name=''):
  """Layout, classes, persons and channels are those of the prepared data."""
  if not name:
    raise UserError(
      'name your dataset, as in --config=configs/own.py:NAME after `python -m'
      ' unik_jax.prepare skeleton_folder/NAME --manual_dir=FOLDER`'
    )
  if '/' in name:
    raise UserError(
      f'{name!r}: only the name of your dataset is due here, as in'
      f' --config=configs/own.py:{name.rpartition("/")[2]}'
    )
  config = default_config()
  config.epochs = 60
  config.batch_size = 16
  config.label_smoothing = 0.1
  config.model.widths = (32, 32, 32, 32, 64, 64, 64, 128, 128, 128)
  config.data.update(
    name=f'skeleton_folder/{name}',
    layout='',
    num_classes=0,
    persons=0,
    channels=0,
    normalize='clean',
    sampling='linear',
    frames=64,
    rescale=(0.9, 1.1),
  )
  config.optim.update(
    lr=0.05, weight_decay=5e-4, schedule='cosine', warmup_epochs=2
  )
  return config
