"""Rows of the paper's Tables 1 to 3 and of newer networks, an experiment each.

All rows of a table, with three seeds:

  python -m unik_jax.tables 1 --dataset=msr_action3d --seeds=3

Newer networks, all of SBU's folds together:

  python -m unik_jax.tables 4 --dataset=sbu

One row:

  python -m unik_jax.main --config=configs/tables.py:msr_action3d,heads_6 \
    --workdir=runs/heads_6

Variants, at most one word of each group:
  dataset: msr_action3d (default) and synthetic have narrow networks that train
    on a CPU; nw_ucla, nw_ucla_clean, utd_mhad, penn_13 and sbu_fold_1 to
    sbu_fold_5 have half width and `recipes.apply_small`; nw_ucla_official has
    CTR-GCN's recipe and full width; smarthome_cs, smarthome_cv1,
    smarthome_cv2, penn, posetics, posetics_3d, ntu60_xsub, ntu60_17_xsub,
    ntu60_17_xview, ntu120_17_xsub and ntu120_17_xset have the paper's network
    and recipe (17: the joints of Table 2)
  row: a key of ROWS in unik_jax/tables/paper.py (default unik); pre-trained
    rows also need --config.init_from
  stream: joint (default), bone, joint_motion, bone_motion

Measured on msr_action3d, row unik, seeds 0 to 2, last epoch: 72.8 ± 1.7% of 273
test clips, two minutes of training a run on one core of an AMD EPYC. All rows,
with hardware and time: docs/results.md.
"""

import pathlib
import runpy

from unik_jax.config import default_config, parse_variant
from unik_jax.data.streams import STREAMS
from unik_jax.tables.paper import ROWS, model_changes

# Dataset to its config ('' for a narrow network), and to the dataset that
# Table 2 pre-trains on ('' for none).
DATASETS = {
  'msr_action3d': ('', 'synthetic'),
  'synthetic': ('', 'msr_action3d'),
  'nw_ucla': ('nw_ucla:', ''),
  'nw_ucla_clean': ('nw_ucla:xview_clean', ''),
  'nw_ucla_official': ('nw_ucla:ctr_gcn', ''),
  'utd_mhad': ('utd_mhad:', ''),
  'penn_13': ('penn:13_joints,small', ''),
  **{f'sbu_fold_{i}': (f'sbu:fold_{i}', '') for i in range(1, 6)},
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
# Datasets whose test clips are those of several others together.
FOLDS = {'sbu': tuple(f'sbu_fold_{i}' for i in range(1, 6))}
GROUPS = {'dataset': DATASETS, 'row': ROWS, 'stream': STREAMS}


def get_config(variant=''):
  """Returns a row's config; a dataset's rows share the recipe and frames."""
  words = parse_variant(variant, GROUPS)
  name, row = words['dataset'], ROWS[words['row']]
  published, _ = DATASETS[name]
  if published:
    config = _load_config(published)
    config.model.update(name='unik', num_heads=3)
  else:
    config = _make_narrow_config(name)
  config.model.update(model_changes(row, config.model))
  if config.model.name == 'ms_g3d' and (widths := config.model.widths):
    # Three blocks, 1.5 times as wide as others of the same stage.
    widths = tuple(3 * width // 2 for width in sorted(set(widths)))
    config.model.update(widths=widths, strides=())
  if config.model.name == 'res_gcn' and (widths := config.model.widths):
    # Its branches end with half the width that they start with.
    first, *later = sorted(set(widths))
    config.model.update(widths=(first, first // 2, *later), strides=())
  config.data.stream = words['stream']
  return config


def _load_config(published):
  """Returns the config of 'NAME:VARIANT', from configs/NAME.py."""
  name, _, variant = published.partition(':')
  file = pathlib.Path(__file__).with_name(f'{name}.py')
  return runpy.run_path(str(file))['get_config'](variant)


def _make_narrow_config(name):
  """Returns a quarter of the paper's widths and 32 frames, for two cores."""
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
