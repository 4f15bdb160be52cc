"""Training recipes that several experiments share."""

from ml_collections import ConfigDict


def apply_small(config: ConfigDict, *, epochs: int, frames: int) -> None:
  """Sets the recipe for some hundred clips on a CPU: half the paper's widths.

  Chosen on training subjects of MSR-Action3D (configs/msr_action3d.py:tune).
  Whole clips are resampled to a fixed length.

  Args:
    config: an experiment whose data are set. Changed in place.
    epochs: length of the run.
    frames: frames per clip.
  """
  config.epochs = epochs
  config.batch_size = 16
  config.label_smoothing = 0.1
  config.model.widths = (32, 32, 32, 32, 64, 64, 64, 128, 128, 128)
  config.data.update(sampling='linear', frames=frames, rescale=(0.9, 1.1))
  config.optim.update(
    lr=0.05, weight_decay=5e-4, schedule='cosine', warmup_epochs=2
  )


def apply_few(config: ConfigDict) -> None:
  """Sets the recipe for one's own hundred clips, of any joints and units.

  Chosen on training clips of MSR-Action3D, NW-UCLA, UTD-MHAD and Penn Action
  (docs/results.md, "The default for few clips").

  Args:
    config: an experiment. Changed in place.
  """
  apply_small(config, epochs=60, frames=32)
  config.model.update(
    name='unik_pp', widths=(16, 16, 16, 16, 32, 32, 32, 64, 64, 64)
  )
  config.data.update(
    normalize='body',
    trim=True,
    window=0.7,
    rotate=0.5,
    rotate_x=0.3,
    rotate_z=0.3,
  )


def apply_modern(config: ConfigDict, *, epochs: int = 80) -> None:
  """Sets the stronger recipe, after pyskl (Duan et al., ACM MM 2022).

  It samples 100 frames uniformly over the whole clip, averages ten such
  samplings in evaluation, and uses cosine decay with weight decay 5e-4. Data
  is normalised without the published code's errors (`normalize.clean`).

  Args:
    config: an experiment whose data and model are set. Changed in place.
    epochs: length of the run. pyskl trains 16 epochs that repeat the data
      five times each.
  """
  config.epochs = epochs
  config.batch_size = 128
  config.eval_batch_size = 16  # clips, of ten samplings each
  config.optim.update(
    lr=0.1, schedule='cosine', decay_epochs=(), weight_decay=5e-4
  )
  config.data.update(
    pad=0,
    trim=True,
    normalize='clean',
    sampling='uniform',
    frames=100,
    test_frames=0,
    test_clips=10,
    random_move=False,
  )
