"""UNIK on MSR-Action3D: joint stream, cross-subject, 20 actions.

  python -m unik_jax.main --config=configs/msr_action3d.py --workdir=runs/msr \
    --config.data.manual_dir=FOLDER_WITH_THE_ARCHIVE
"""

from unik_jax.config import default


def get_config():
  """40 epochs of 64 frames, in the recipe of the PyTorch comparison."""
  config = default()
  config.epochs = 40
  config.batch_size = 16
  config.data.update(
    name='msr_action3d',
    layout='msr_20',
    num_classes=20,
    persons=1,
    channels=3,
    normalize='center_first',
    scale=0.3227,  # metres: mean deviation of the training clips' coordinates
    sampling='linear',
    frames=64,
    rotate=0.3,
    rescale=(0.9, 1.1),
  )
  config.optim.update(
    lr=0.05, weight_decay=5e-4, warmup_epochs=2, decay_epochs=(24, 34)
  )
  return config
