"""Pre-training on every dataset at hand: one network for all joints.

  python -m unik_jax.main --config=configs/every_skeleton.py \
    --workdir=runs/every_skeleton
  python -m unik_jax.main --config=CONFIG --workdir=DIR \
    --config.init_from=runs/every_skeleton --config.data.normalize=body \
    --config.data.scale=1

The first command trains one UNIK, half as wide as the paper's, on five recorded
datasets and on synthetic bodies in three layouts. The second starts from it,
with any joints (docs/transfer.md). The recorded datasets must be prepared
(docs/data.md). Training clips alone are used: those of SBU's first fold, and
those of views 1 and 2 of NW-UCLA.

Variants, one word:
  all (default)
  without_NAME: leaves one of `REAL` out, to start from it on that dataset
  synthetic: synthetic bodies only

Not measured yet. Twelve epochs are 8,000 clips of 32 frames each.
"""

from unik_jax import recipes
from unik_jax.config import add_dataset, default_config, parse_variant

_SPACE = {'persons': 1, 'channels': 3, 'rotate': 0.5}
_IMAGE = {'persons': 1, 'channels': 2}
REAL = {
  'msr_action3d': {
    'name': 'msr_action3d',
    'layout': 'msr_20',
    'num_classes': 20,
    **_SPACE,
  },
  'nw_ucla': {
    'name': 'nw_ucla',
    'layout': 'kinect_20',
    'num_classes': 10,
    'train_split': 'xview_train',
    'test_split': 'xview_test',
    **_SPACE,
  },
  'penn': {
    'name': 'penn_action/annotations',
    'layout': 'penn_13',
    'num_classes': 15,
    **_IMAGE,
  },
  'sbu': {
    'name': 'sbu',
    'layout': 'sbu_15',
    'num_classes': 8,
    'train_split': 'fold_1_train',
    'test_split': 'fold_1_test',
    **_SPACE,
    'persons': 2,
  },
  'utd_mhad': {
    'name': 'utd_mhad',
    'layout': 'utd_20',
    'num_classes': 27,
    **_SPACE,
  },
}
SYNTHETIC = {
  f'synthetic_{layout}': {
    'name': f'synthetic_skeletons/{layout}_{dimensions}d',
    'layout': layout,
    'num_classes': 20,
    **options,
  }
  for layout, dimensions, options in (
    ('msr_20', 3, _SPACE),
    ('ntu_25', 3, _SPACE),
    ('unik_17', 2, _IMAGE),
  )
}
GROUPS = {
  'datasets': ('all', 'synthetic', *(f'without_{name}' for name in REAL))
}


def get_config(variant=''):
  """Returns the config of a variant."""
  choice = parse_variant(variant, GROUPS)['datasets']
  config = default_config()
  recipes.apply_small(config, epochs=12, frames=32)
  config.eval_every = 6
  shared = {key: config.data[key] for key in ('sampling', 'frames', 'rescale')}
  shared['normalize'] = 'body'
  config.data = default_config().data  # not used
  datasets = dict(SYNTHETIC)
  if choice != 'synthetic':
    datasets |= REAL
    datasets.pop(choice.removeprefix('without_'), None)
  for name, data in datasets.items():
    add_dataset(config, name, **shared, **data)
  return config
