"""Recipes that several experiments share."""

from ml_collections import ConfigDict


def modern(config: ConfigDict, *, epochs: int = 80) -> None:
  """The stronger recipe, after that of pyskl (Duan et al., ACM MM 2022).

  100 frames sampled uniformly over the whole clip, ten such samplings
  averaged to test, cosine decay, weight decay 5e-4; and data that is
  normalised as is right (`normalize.clean`) rather than as was published.

  Args:
    config: an experiment with its data and model set; changed in place.
    epochs: 16 of five rounds each, there.
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
