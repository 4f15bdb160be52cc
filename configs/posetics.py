"""UNIK on Posetics: pre-training on 320 real-world actions, 17 joints, 2-D.

  python -m unik_jax.main --config=configs/posetics.py --workdir=runs/posetics

Variants are the streams: `joint` (default), `bone`, `joint_motion`,
`bone_motion`, as in `configs/posetics.py:bone`. The recipe is that of the
official train_joint.yaml and test_joint.yaml. Not run here: the data is given
out on request.
"""

from unik_jax.config import check_variant, default
from unik_jax.data.streams import STREAMS


def get_config(stream='joint'):
  """65 epochs of random 150-frame crops; 300 frames to test."""
  check_variant(stream, STREAMS)
  config = default()
  config.epochs = 65
  config.batch_size = 64
  config.data.update(
    name='posetics/2d',
    layout='unik_17',
    num_classes=320,
    persons=2,
    channels=2,
    stream=stream,
    normalize='screen_640',
    sampling='crop',
    frames=150,
    test_frames=300,
    random_move=True,
  )
  config.optim.update(lr=0.1, weight_decay=1e-4, decay_epochs=(45, 55))
  return config
