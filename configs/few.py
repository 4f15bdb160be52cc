"""The default of configs/own.py on public datasets, beside the other networks.

  python -m unik_jax.tables few --dataset=msr_action3d --rows=unik_pp \
    --configs=few

One row:

  python -m unik_jax.main --config=configs/few.py:utd_mhad,unik_pp \
    --workdir=runs/utd_mhad

Variants, at most one word of each group:
  dataset: msr_action3d (default), nw_ucla, utd_mhad, penn_13, and sbu_fold_1 to
    sbu_fold_5; tune_msr, tune_ucla, tune_utd and tune_penn test on clips of the
    training splits
  row: unik_pp (default), the network of configs/own.py, or unik, heads_0 (UNIK
    without attention), agcn, aagcn, st_gcn, ctr_gcn, st_gcn_pp
  stream: joint (default), which unik_pp needs, bone, joint_motion, bone_motion

All rows have the recipe of configs/own.py, `recipes.apply_few`.
"""

from unik_jax import recipes
from unik_jax.config import default_config, parse_variant
from unik_jax.data.streams import STREAMS
from unik_jax.tables.paper import ROWS, model_changes

_MSR = {'name': 'msr_action3d', 'layout': 'msr_20', 'num_classes': 20}
_UCLA = {'name': 'nw_ucla', 'layout': 'kinect_20', 'num_classes': 10}
_UTD = {'name': 'utd_mhad', 'layout': 'utd_20', 'num_classes': 27}
_PENN = {
  'name': 'penn_action/annotations',
  'layout': 'penn_13',
  'num_classes': 15,
  'channels': 2,
}
_SBU = {'name': 'sbu', 'layout': 'sbu_15', 'num_classes': 8, 'persons': 2}
# Settings of `data`; one person and three channels unless set.
DATASETS = {
  'msr_action3d': _MSR,
  'nw_ucla': _UCLA | {'train_split': 'xview_train', 'test_split': 'xview_test'},
  'utd_mhad': _UTD,
  'penn_13': _PENN,
  **{
    f'sbu_fold_{i}': _SBU
    | {'train_split': f'fold_{i}_train', 'test_split': f'fold_{i}_test'}
    for i in range(1, 6)
  },
  # The recipe was chosen on these, without a test clip of the above.
  'tune_msr': _MSR
  | {
    'train_subjects': (5, 7, 9),
    'test_split': 'train',
    'test_subjects': (1, 3),
  },
  'tune_ucla': _UCLA
  | {
    'train_split': 'xview_1_test',
    'test_split': 'xview_2_test',
    'clips_per_class': 10,
  },
  'tune_utd': _UTD
  | {'train_subjects': (1, 3), 'test_split': 'train', 'test_subjects': (5, 7)},
  # Its unseen accuracy is that of the clips which were not drawn.
  'tune_penn': _PENN | {'test_split': 'train', 'clips_per_class': 10},
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
  config.data.update(persons=1, channels=3, stream=words['stream'])
  config.data.update(DATASETS[words['dataset']])
  if config.data.channels == 2:  # as for own data, which leave channels open
    config.data.update(rotate=0.0, rotate_x=0.0, rotate_z=0.0)
  config.model.name = 'unik'
  config.model.update(model_changes(ROWS[words['row']], config.model))
  return config
