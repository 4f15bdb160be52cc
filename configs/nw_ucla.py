"""Northwestern-UCLA: 10 actions, one person, views 1 and 2 to view 3.

  python -m unik_jax.main --config=configs/nw_ucla.py --workdir=runs/nw_ucla \
    --config.data.manual_dir=FOLDER_WITH_ALL_SQE

Variants, at most one word of each line, as in
`configs/nw_ucla.py:ctr_gcn,bone`:
  modern (default): UNIK half as wide, our own recipe
  ctr_gcn: CTR-GCN with its authors' recipe
  xview (default): test on view 3, as papers do
  xview_clean: the same without the training clips that are also test clips
  xview_1, xview_2: test on view 1 or 2
  tune: train on view 1 and test on view 2, without a clip of view 3
  joint (default), bone, joint_motion, bone_motion

A fifth of xview's test clips are training clips too (docs/data.md), so each
result has a second accuracy, on unseen clips.

Measured with seed 0, last epoch, on AMD EPYC cores that had other work: the
four streams of modern together (unik_jax.fuse) 92.7% of all 464 clips and 90.8%
of the 369 unseen ones, 35 minutes a stream; joints alone 88.4 and 88.1%. The
floor on the same clips (MultiRocket): 90.4 and 87.9% with four streams, 87.7
and 84.6% with joints. xview_clean, joints: 76.1%, the floor 75.0%. ctr_gcn was
not run.
"""

from unik_jax import recipes
from unik_jax.config import default_config, parse_variant
from unik_jax.data.streams import STREAMS

GROUPS = {
  'recipe': ('modern', 'ctr_gcn'),
  'protocol': ('xview', 'xview_clean', 'xview_1', 'xview_2', 'tune'),
  'stream': STREAMS,
}


def get_config(variant=''):
  """Returns the config of a variant."""
  choice = parse_variant(variant, GROUPS)
  config = default_config()
  config.batch_size = 16
  config.eval_batch_size = 64
  config.data.update(
    name='nw_ucla',
    layout='kinect_20',
    num_classes=10,
    persons=1,
    channels=3,
    stream=choice['stream'],
  )
  {'modern': _modern, 'ctr_gcn': _ctr_gcn}[choice['recipe']](config)
  protocol = choice['protocol']
  if protocol == 'tune':
    # Both in the training split of xview.
    config.data.update(train_split='xview_1_test', test_split='xview_2_test')
  else:
    config.data.update(
      train_split=f'{protocol}_train', test_split=f'{protocol}_test'
    )
  return config


def _modern(config):
  """As configs/msr_action3d.py:modern, with a wider rotation for the views."""
  recipes.apply_small(config, epochs=40, frames=52)
  config.data.update(
    normalize='center_first',
    scale=0.42,  # metres: mean deviation of the training clips' coordinates
    rotate=1.0,
  )


def _ctr_gcn(config):
  """The recipe of CTR-GCN's config and feeder for NW-UCLA.

  The feeder also subtracts the spine of the first frame. That changes nothing,
  since `fit_axes` removes where a clip is, and it would turn that spine into a
  missing joint here.
  """
  config.epochs = 65
  config.model.name = 'ctr_gcn'
  config.data.update(
    joints='ucla_20',
    repeats=(5,) * 10,
    sampling='random',
    frames=52,
    rotate=1.0472,  # 60 degrees
    rotate_x=1.0472,
    rescale=(0.5, 1.5),
    fit_axes=True,
  )
  # Its five epochs of warm-up end with one of the full rate.
  config.optim.update(
    lr=0.1, weight_decay=1e-4, warmup_epochs=4, decay_epochs=(50,)
  )
