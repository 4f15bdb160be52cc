"""UNIK on Posetics: pre-training on 320 real-world actions.

  python -m unik_jax.main --config=configs/posetics.py --workdir=runs/posetics \
    --config.save_official=runs/posetics/weights.npz

The `pretrained` variants of other configs read the weights from there.

Variants, at most one word of each line, as in `configs/posetics.py:3d,bone`:
  2d (default)
  3d: for transfer to the 17 main joints of NTU RGB+D
  25_joints: 3-D, with hands and feet derived from the limbs, for transfer to
    all joints of NTU RGB+D
  joint (default), bone, joint_motion, bone_motion
  official (default): the authors' train_joint.yaml and test_joint.yaml; 3-D,
    which these do not cover, is normalised like their NTU RGB+D
  modern: `unik_jax.recipes.apply_modern`

Not measured: the dataset is available on request only.
"""

from unik_jax import recipes
from unik_jax.config import default_config, parse_variant
from unik_jax.data.streams import STREAMS

GROUPS = {
  'data': ('2d', '3d', '25_joints'),
  'stream': STREAMS,
  'recipe': ('official', 'modern'),
}


def get_config(variant=''):
  """Returns 65 epochs of random 150-frame crops; evaluation takes 300."""
  choice = parse_variant(variant, GROUPS)
  config = default_config()
  config.epochs = 65
  config.batch_size = 64
  config.data.update(
    name='posetics/2d',
    layout='unik_17',
    num_classes=320,
    persons=2,
    channels=2,
    stream=choice['stream'],
    normalize='screen_640',
    sampling='crop',
    frames=150,
    test_frames=300,
    random_move=True,
  )
  config.optim.update(lr=0.1, weight_decay=1e-4, decay_epochs=(45, 55))
  if choice['data'] != '2d':
    config.data.update(
      name='posetics/3d', channels=3, trim=True, normalize='unik'
    )
  if choice['data'] == '25_joints':
    config.data.joints = 'ntu_25'
  if choice['recipe'] == 'modern':
    recipes.apply_modern(config)
  return config
