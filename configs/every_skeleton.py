"""Pre-training on every dataset at hand: one network for all joints.

  python -m unik_jax.main --config=configs/every_skeleton.py \
    --workdir=runs/every_skeleton
  python -m unik_jax.main --config=CONFIG --workdir=DIR \
    --config.init_from=runs/every_skeleton --config.data.normalize=body \
    --config.data.scale=1

The first command trains one network on five recorded datasets and on synthetic
bodies in three layouts. The second starts from it, with any joints
(docs/transfer.md). The recorded datasets must be prepared (docs/data.md).
Training clips alone are used: those of SBU's first fold, and those of views 1
and 2 of NW-UCLA.

Variants, at most one word of each group:
  datasets: all (default); without_NAME leaves one of `REAL` out, to start from
    it on that dataset; synthetic has synthetic bodies only
  network: unik (default), half as wide as the paper's, or unik_pp, that of
    configs/own.py. Both have the recipe of configs/own.py, `recipes.apply_few`

Only synthetic,unik_pp is measured: it made unik-any (docs/transfer.md). Twelve
epochs of all are 8,000 clips of 32 frames each.
"""

from unik_jax import recipes
from unik_jax.config import add_dataset, default_config, parse_variant

_SPACE = {
  'persons': 1,
  'channels': 3,
  'rotate': 0.5,
  'rotate_x': 0.3,
  'rotate_z': 0.3,
}
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
  'datasets': ('all', 'synthetic', *(f'without_{name}' for name in REAL)),
  'network': ('unik', 'unik_pp'),
}
# Settings of `recipes.apply_few` that suit 2-D and 3-D data alike.
_SHARED = ('sampling', 'frames', 'rescale', 'normalize', 'trim', 'window')


def get_config(variant=''):
  """Returns the config of a variant."""
  words = parse_variant(variant, GROUPS)
  config = default_config()
  recipes.apply_few(config)
  config.epochs, config.eval_every = 12, 6
  if words['network'] == 'unik':
    config.model.name = 'unik'
    config.model.widths = [2 * width for width in config.model.widths]
  shared = {key: config.data[key] for key in _SHARED}
  config.data = default_config().data  # not used
  datasets = dict(SYNTHETIC)
  if words['datasets'] != 'synthetic':
    datasets |= REAL
    datasets.pop(words['datasets'].removeprefix('without_'), None)
  for name, data in datasets.items():
    add_dataset(config, name, **shared, **data)
  return config
