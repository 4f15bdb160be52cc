"""UNIK on NTU RGB+D 60: 60 indoor actions, 3-D.

  python -m unik_jax.main --config=configs/ntu60.py --workdir=runs/ntu60

Variants, at most one word of each line, as in
`configs/ntu60.py:17_joints,bone`:
  xsub (default): by subject
  xview: by camera
  25_joints (default): all joints of the Kinect (Table 1); 4 heads, or
    12 for bones, as in the authors' yaml files
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
  'protocol': ('xsub', 'xview'),
  'joints': ('25_joints', '17_joints'),
  'stream': STREAMS,
  'start': ('scratch', 'pretrained'),
  'recipe': ('official', 'modern'),
}


def get_config(variant=''):
  """Returns 50 epochs on tracks repeated to 300 frames, not augmented."""
  choice = parse_variant(variant, GROUPS)
  protocol, stream = choice['protocol'], choice['stream']
  all_joints = choice['joints'] == '25_joints'
  pretrained = choice['start'] == 'pretrained'
  config = default_config()
  config.epochs = 50
  config.batch_size = 32
  config.data.update(
    name='ntu_rgbd/ntu60_slots',
    layout='ntu_25',
    joints='' if all_joints else 'unik_17',
    num_classes=60,
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
  config.optim.update(lr=0.1, weight_decay=1e-4, decay_epochs=(30, 40))
  if all_joints and not pretrained:
    # The published files have 4 heads for joints and 12 for bones.
    config.model.num_heads = 12 if 'bone' in stream else 4
  if choice['recipe'] == 'modern':
    recipes.apply_modern(config)
    config.data.name = 'ntu_rgbd/ntu60'
  if pretrained:
    source = 'posetics_25' if all_joints else 'posetics_3d'
    config.update(init_from=f'runs/{source}/weights.npz', init_head='new')
  return config
