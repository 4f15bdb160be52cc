"""The rows of the paper's tables, each of them an experiment.

  python -m unik_jax.tables 1 --dataset=msr_action3d --seeds=3

runs all of a table; one row by hand is

  python -m unik_jax.main --config=configs/tables.py:msr_action3d,heads_6 \
    --workdir=runs/heads_6

Variants, one word of each line:
  msr_action3d (default), synthetic: narrow networks, to run on a CPU
  smarthome_cs, smarthome_cv1, smarthome_cv2, penn, posetics, posetics_3d,
    ntu60_xsub, ntu60_17_xsub, ntu60_17_xview, ntu120_17_xsub, ntu120_17_xset:
    the paper's, by its network and recipe; 17 for the joints of Table 2
  a row: a key of ROWS in unik_jax/tables/paper.py, unik by default; one
    that is pretrained takes --config.init_from as well
  joint (default), bone
What came of it: docs/results.md.
"""

import pathlib
import runpy

from unik_jax.config import default_config, parse_variant
from unik_jax.tables.paper import ROWS, changes

# Each dataset's settings, and that with which Table 2 pre-trains for it.
DATASETS = {
  'msr_action3d': ('', 'synthetic'),
  'synthetic': ('', 'msr_action3d'),
  'smarthome_cs': ('smarthome:cs', 'posetics'),
  'smarthome_cv1': ('smarthome:cv1', 'posetics'),
  'smarthome_cv2': ('smarthome:cv2', 'posetics'),
  'penn': ('penn:', 'posetics'),
  'posetics': ('posetics:', ''),
  'posetics_3d': ('posetics:3d', ''),
  'ntu60_xsub': ('ntu60:xsub', ''),
  'ntu60_17_xsub': ('ntu60:17_joints,xsub', 'posetics_3d'),
  'ntu60_17_xview': ('ntu60:17_joints,xview', 'posetics_3d'),
  'ntu120_17_xsub': ('ntu120:17_joints,xsub', 'posetics_3d'),
  'ntu120_17_xset': ('ntu120:17_joints,xset', 'posetics_3d'),
}
SOURCES = {name: source for name, (_, source) in DATASETS.items()}
GROUPS = {'dataset': DATASETS, 'row': ROWS, 'stream': ('joint', 'bone')}


def get_config(variant=''):
  """One recipe and one set of frames for all rows of a dataset."""
  choice = parse_variant(variant, GROUPS)
  name, row = choice['dataset'], ROWS[choice['row']]
  published, _ = DATASETS[name]
  if published:
    config = _config(published)
    config.model.num_heads = 3
  else:
    config = _narrow(name)
  config.model.update(changes(row, config.model))
  if not published and config.model.name == 'ms_g3d':
    config.model.update(widths=(24, 48, 96), strides=())
  config.data.stream = choice['stream']
  return config


def _config(published):
  name, _, variant = published.partition(':')
  file = pathlib.Path(__file__).with_name(f'{name}.py')
  return runpy.run_path(str(file))['get_config'](variant)


def _narrow(name):
  """A quarter of the widths and 32 frames, as two cores allow."""
  config = default_config()
  config.model.update(
    widths=(16, 16, 32, 32, 64, 64),
    strides=(1, 1, 2, 1, 2, 1),
  )
  config.data.update(
    persons=1,
    channels=3,
    num_classes=20,
    normalize='clean',
    scale=0.3,  # metres
    sampling='linear',
    frames=32,
    rescale=(0.9, 1.1),
  )
  config.label_smoothing = 0.1
  config.eval_batch_size = 96
  config.eval_every = 10
  config.log_every = 100
  config.optim.update(weight_decay=5e-4, warmup_epochs=2, schedule='cosine')
  if name == 'synthetic':
    config.epochs = 10
    config.batch_size = 32
    config.optim.lr = 0.1
    config.data.update(name='synthetic_skeletons/ntu_25_3d', layout='ntu_25')
  else:
    config.epochs = 20
    config.batch_size = 16
    config.optim.lr = 0.05
    config.data.update(name='msr_action3d', layout='msr_20')
  return config
