"""Transfer learning: pre-training on synthetic actions, then MSR-Action3D.

  python -m unik_jax.main --config=configs/transfer.py:pretrain \
    --workdir=runs/transfer/pretrain
  python -m unik_jax.main --config=configs/transfer.py:finetune \
    --workdir=runs/transfer/finetune \
    --config.data.manual_dir=FOLDER_WITH_THE_ARCHIVE

The first command trains six narrow blocks on 20 synthetic actions, none of them
in MSR-Action3D, with the 25 joints of the Kinect v2. The second starts from
runs/transfer/pretrain (or --config.init_from=RUN) and trains on the 20 joints
of the Kinect v1.

Variants, at most one word of each line, as in
`configs/transfer.py:probe,one_subject`:
  pretrain (default), scratch, finetune, probe (the backbone frozen)
  five_subjects (default), one_subject: training subjects of MSR-Action3D

Measured results: docs/results.md.
"""

from unik_jax.config import default_config, parse_variant

GROUPS = {
  'start': ('pretrain', 'scratch', 'finetune', 'probe'),
  'subjects': ('five_subjects', 'one_subject'),
}


def get_config(variant=''):
  """Returns a variant; all share the network, sampling and augmentation."""
  choice = parse_variant(variant, GROUPS)
  config = default_config()
  config.model.update(
    widths=(16, 16, 32, 32, 64, 64),
    strides=(1, 1, 2, 1, 2, 1),
  )
  config.data.update(
    persons=1,
    channels=3,
    num_classes=20,
    normalize='clean',
    scale=0.3,  # metres
    sampling='linear',
    frames=32,
    rescale=(0.9, 1.1),
  )
  config.label_smoothing = 0.1
  config.eval_every = 10
  config.optim.update(weight_decay=5e-4, warmup_epochs=2, schedule='cosine')
  if choice['start'] == 'pretrain':
    config.epochs = 10
    config.batch_size = 32
    config.eval_batch_size = 96
    config.optim.lr = 0.1
    config.data.update(
      name='synthetic_skeletons/ntu_25_3d',
      layout='ntu_25',
      val_split='validation',
    )
    return config
  config.epochs = 30
  config.batch_size = 16
  config.optim.lr = 0.05
  config.data.update(name='msr_action3d', layout='msr_20')
  if choice['subjects'] == 'one_subject':
    config.data.train_subjects = (1,)
  if choice['start'] != 'scratch':
    config.init_from = 'runs/transfer/pretrain'
  if choice['start'] == 'probe':
    config.tune = 'head'
  return config
