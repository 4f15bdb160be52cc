"""Training recipes that several experiments share."""

from ml_collections import ConfigDict


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
