"""SBU Kinect Interaction: 8 interactions of two persons, five folds.

  python -m unik_jax.main --config=configs/sbu.py:fold_1 --workdir=runs/sbu_1 \
    --config.data.manual_dir=FOLDER_WITH_THE_ARCHIVES

All folds, and their test clips together: `python -m unik_jax.tables 4
--dataset=sbu` (docs/results.md).

Variants, at most one word of each line, as in `configs/sbu.py:fold_2,bone`:
  fold_1 (default) to fold_5: the fold that is tested
  joint (default), bone, joint_motion, bone_motion

The recipe is `modern` of configs/nw_ucla.py, which was chosen on other data:
each clip here is a test clip of some fold.

Measured, last epoch, on a CPU core that had other work: 84.8% of all 282 clips
with seed 0; 47 minutes for the five folds. The floor on the same clips
(MultiRocket): 89.4%.
"""

from unik_jax import recipes
from unik_jax.config import default_config, parse_variant
from unik_jax.data.streams import STREAMS

FOLDS = tuple(f'fold_{i}' for i in range(1, 6))
GROUPS = {'fold': FOLDS, 'stream': STREAMS}


def get_config(variant=''):
  """Returns the config of a variant."""
  choice = parse_variant(variant, GROUPS)
  config = default_config()
  recipes.apply_small(config, epochs=60, frames=32)
  config.data.update(
    name='sbu',
    layout='sbu_15',
    num_classes=8,
    persons=2,
    channels=3,
    train_split=f'{choice["fold"]}_train',
    test_split=f'{choice["fold"]}_test',
    stream=choice['stream'],
    normalize='center_first',
    scale=480,  # millimetres, a body's deviation; the same for all folds
    rotate=0.3,
  )
  return config
