"""UNIK on NTU RGB+D 120: 120 indoor actions, 3-D.

  python -m unik_jax.main --config=configs/ntu120.py --workdir=runs/ntu120

Variants, at most one word of each line, as in
`configs/ntu120.py:17_joints,bone`:
  xsub (default): by subject
  xset: by camera setup
  25_joints (default): all joints of the Kinect (Table 1); 12 heads, as
    in the authors' yaml file
  17_joints: the main joints (Table 2); 3 heads
  joint (default), bone, joint_motion, bone_motion
  scratch (default)
  pretrained: fine-tune runs/posetics_3d/weights.npz (17 joints) or
    runs/posetics_25/weights.npz (25 joints), which configs/posetics.py (:3d and
    :25_joints) writes with --config.save_official=FILE;
    --config.init_from=FILE names another file; 3 heads
  official (default): the authors' recipe and pre-processing
  modern: `unik_jax.recipes.apply_modern`, with tracks by body, not by slot

Not measured: the dataset is available on request only.
"""

from unik_jax import recipes
from unik_jax.config import default_config, parse_variant
from unik_jax.data.streams import STREAMS

GROUPS = {
  'protocol': ('xsub', 'xset'),
  'joints': ('25_joints', '17_joints'),
  'stream': STREAMS,
  'start': ('scratch', 'pretrained'),
  'recipe': ('official', 'modern'),
}


def get_config(variant=''):
  """Returns 60 epochs on tracks repeated to 300 frames, not augmented."""
  choice = parse_variant(variant, GROUPS)
  protocol, stream = choice['protocol'], choice['stream']
  all_joints = choice['joints'] == '25_joints'
  pretrained = choice['start'] == 'pretrained'
  config = default_config()
  config.epochs = 60
  config.batch_size = 32
  config.data.update(
    name='ntu_rgbd/ntu120_slots',
    layout='ntu_25',
    joints='' if all_joints else 'unik_17',
    num_classes=120,
    persons=2,
    channels=3,
    train_split=f'{protocol}_train',
    test_split=f'{protocol}_test',
    stream=stream,
    pad=300,
    normalize='unik',
    sampling='crop',
    frames=300,
  )
  config.optim.update(lr=0.1, weight_decay=1e-4, decay_epochs=(30, 50))
  if all_joints and not pretrained:
    config.model.num_heads = 12  # as in the published file
  if choice['recipe'] == 'modern':
    recipes.apply_modern(config)
    config.data.name = 'ntu_rgbd/ntu120'
  if pretrained:
    source = 'posetics_25' if all_joints else 'posetics_3d'
    config.update(init_from=f'runs/{source}/weights.npz', init_head='new')
  return config
