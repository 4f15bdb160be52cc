"""UTD-MHAD: 27 actions, one person, odd subjects to even subjects.

  python -m unik_jax.main --config=configs/utd_mhad.py --workdir=runs/utd \
    --config.data.manual_dir=FOLDER_WITH_SKELETON_ZIP

Variants, at most one word of each line, as in `configs/utd_mhad.py:tune,bone`:
  cross_subject (default)
  tune: train on subjects 1, 3 and 5 and test on subject 7
  joint (default), bone, joint_motion, bone_motion

The recipe is `modern` of configs/nw_ucla.py, which was chosen on other data.

Measured, last epoch, on a CPU core that had other work: 91.6% of 430 clips with
seed 0; 50 minutes. The floor on the same clips (MultiRocket): 90.7%.
"""

from unik_jax import recipes
from unik_jax.config import default_config, parse_variant
from unik_jax.data.streams import STREAMS

GROUPS = {'protocol': ('cross_subject', 'tune'), 'stream': STREAMS}


def get_config(variant=''):
  """Returns the config of a variant."""
  choice = parse_variant(variant, GROUPS)
  config = default_config()
  recipes.apply_small(config, epochs=60, frames=64)
  config.data.update(
    name='utd_mhad',
    layout='utd_20',
    num_classes=27,
    persons=1,
    channels=3,
    stream=choice['stream'],
    normalize='center_first',
    scale=0.3,  # metres: mean deviation of the training clips' coordinates
    rotate=0.3,
  )
  if choice['protocol'] == 'tune':
    config.data.update(
      train_subjects=(1, 3, 5), test_split='train', test_subjects=(7,)
    )
  return config
