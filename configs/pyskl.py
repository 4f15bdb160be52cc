"""UNIK on a pickle of pyskl or MMAction2: NTU, GYM, Kinetics, or your own.

  python -m unik_jax.main --config=configs/pyskl.py:ntu60_3danno,xsub \
    --workdir=runs/ntu --config.data.manual_dir=FOLDER_WITH_THE_PKL

The first word of the variant is the file's name without .pkl. After it, in any
order, at most one word of each line:
  xsub, xview, xset, split1, split2, split3: the protocol, if the file has some
  val (default; with split1 to split3: test), test: the split to test on
  joint (default), bone, joint_motion, bone_motion

The recipe is `unik_jax.recipes.apply_modern`. Layout, classes, persons and
channels are those of the file.

Not measured on the published files.
"""

from unik_jax import recipes
from unik_jax.config import default_config, parse_variant
from unik_jax.data.streams import STREAMS
from unik_jax.errors import UserError

GROUPS = {
  'protocol': ('none', 'xsub', 'xview', 'xset', 'split1', 'split2', 'split3'),
  'part': ('auto', 'val', 'test'),
  'stream': STREAMS,
}


def get_config(variant=''):
  """Returns the stronger recipe for the file's data."""
  name, _, words = variant.partition(',')
  if not name:
    raise UserError(
      'configs/pyskl.py: expected a file name without .pkl, as in'
      ' --config=configs/pyskl.py:ntu60_hrnet'
    )
  choice = parse_variant(words, GROUPS)
  protocol, part = choice['protocol'], choice['part']
  prefix = '' if protocol == 'none' else f'{protocol}_'
  if part == 'auto':
    part = 'test' if protocol.startswith('split') else 'val'
  config = default_config()
  recipes.apply_modern(config)
  config.data.update(
    name=f'pyskl/{name}',
    layout='',
    num_classes=0,
    persons=0,
    channels=0,
    train_split=f'{prefix}train',
    test_split=f'{prefix}{part}',
    stream=choice['stream'],
  )
  return config
