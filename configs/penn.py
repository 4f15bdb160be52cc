"""UNIK on Penn Action: 15 sports and gym actions, one person.

  python -m unik_jax.main --config=configs/penn.py --workdir=runs/penn

Variants, at most one word of each line, as in
`configs/penn.py:bone,pretrained`:
  17_joints (default): poses of LCR-Net, as in the paper
  13_joints: the dataset's own annotations
  joint (default), bone, joint_motion, bone_motion
  scratch (default)
  pretrained: fine-tune runs/posetics/weights.npz, which configs/posetics.py
    writes with --config.save_official=FILE; --config.init_from=FILE names
    another file; 13 joints are mapped to 17
  official (default): the authors' yaml files
  modern: `unik_jax.recipes.apply_modern`
  small: `unik_jax.recipes.apply_small`, for a CPU

Not measured: LCR-Net's poses are not public.
"""

from unik_jax import recipes
from unik_jax.config import default_config, parse_variant
from unik_jax.data.streams import STREAMS

GROUPS = {
  'data': ('17_joints', '13_joints'),
  'stream': STREAMS,
  'start': ('scratch', 'pretrained'),
  'recipe': ('official', 'modern', 'small'),
}


def get_config(variant=''):
  """Returns 30 epochs of 150-frame crops of tracks repeated to 700 frames."""
  choice = parse_variant(variant, GROUPS)
  config = default_config()
  config.epochs = 30
  config.batch_size = 8
  config.eval_batch_size = 16
  config.data.update(
    name='penn_action/lcrnet_2d',
    layout='unik_17',
    num_classes=15,
    persons=2,
    channels=2,
    stream=choice['stream'],
    pad=700,
    normalize='screen_640',
    sampling='crop',
    frames=150,
    test_frames=700,
    random_move=True,
  )
  config.optim.update(lr=0.05, weight_decay=5e-4, decay_epochs=(10, 20))
  if choice['data'] == '13_joints':
    config.data.update(
      name='penn_action/annotations', layout='penn_13', persons=1
    )
  if choice['recipe'] == 'modern':
    recipes.apply_modern(config)
  elif choice['recipe'] == 'small':
    recipes.apply_small(config, epochs=30, frames=64)
    config.data.update(pad=0, normalize='clean', random_move=False)
    config.data.test_frames = 0
  if choice['start'] == 'pretrained':
    config.update(init_from='runs/posetics/weights.npz', init_head='new')
    if choice['data'] == '13_joints':
      config.data.update(joints='unik_17', persons=2)
  return config
