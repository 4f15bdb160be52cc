"""The default of configs/own.py on public datasets, beside the other networks.

  python -m unik_jax.tables few --dataset=msr_action3d --rows=unik_pp \
    --configs=few

One row:

  python -m unik_jax.main --config=configs/few.py:utd_mhad,unik_pp \
    --workdir=runs/utd_mhad

Variants, at most one word of each group:
  dataset: msr_action3d (default), nw_ucla, utd_mhad, penn_13, and sbu_fold_1 to
    sbu_fold_5
  row: unik_pp (default), the network of configs/own.py, or unik, heads_0 (UNIK
    without attention), agcn, aagcn, st_gcn, ctr_gcn, st_gcn_pp
  stream: joint (default), which unik_pp needs, bone, joint_motion, bone_motion

All rows have the recipe of configs/own.py, `recipes.apply_few`.
"""

from unik_jax import recipes
from unik_jax.config import default_config, parse_variant
from unik_jax.data.streams import STREAMS
from unik_jax.tables.paper import ROWS, model_changes

DATASETS = {
  'msr_action3d': {'name': 'msr_action3d', 'layout': 'msr_20', 'classes': 20},
  'nw_ucla': {
    'name': 'nw_ucla',
    'layout': 'kinect_20',
    'classes': 10,
    'splits': ('xview_train', 'xview_test'),
  },
  'utd_mhad': {'name': 'utd_mhad', 'layout': 'utd_20', 'classes': 27},
  'penn_13': {
    'name': 'penn_action/annotations',
    'layout': 'penn_13',
    'classes': 15,
    'channels': 2,
  },
  **{
    f'sbu_fold_{i}': {
      'name': 'sbu',
      'layout': 'sbu_15',
      'classes': 8,
      'persons': 2,
      'splits': (f'fold_{i}_train', f'fold_{i}_test'),
    }
    for i in range(1, 6)
  },
}
# What unik_jax.tables reads: no dataset is pre-trained on another.
SOURCES = dict.fromkeys(DATASETS, '')
FOLDS = {'sbu': tuple(f'sbu_fold_{i}' for i in range(1, 6))}
ROW_NAMES = (
  *('unik_pp', 'unik', 'heads_0', 'agcn', 'aagcn'),
  *('st_gcn', 'ctr_gcn', 'st_gcn_pp'),
)
GROUPS = {'dataset': DATASETS, 'row': ROW_NAMES, 'stream': STREAMS}


def get_config(variant=''):
  """Returns the config of a row on a dataset."""
  words = parse_variant(variant, GROUPS)
  config = default_config()
  recipes.apply_few(config)
  dataset = DATASETS[words['dataset']]
  train_split, test_split = dataset.get('splits', ('train', 'test'))
  config.data.update(
    name=dataset['name'],
    layout=dataset['layout'],
    num_classes=dataset['classes'],
    persons=dataset.get('persons', 1),
    channels=dataset.get('channels', 3),
    train_split=train_split,
    test_split=test_split,
    stream=words['stream'],
  )
  if config.data.channels == 2:  # as for own data, which leave channels open
    config.data.update(rotate=0.0, rotate_x=0.0, rotate_z=0.0)
  config.model.name = 'unik'
  config.model.update(model_changes(ROWS[words['row']], config.model))
  return config
