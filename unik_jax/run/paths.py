"""Names of the files in a run's folder.

RUN/
  config.json          settings of the experiment
  data.json            classes, joint layout, units and image sizes, and a hash
                       of the prepared files
  familiarity.npz      typical bodies of the training clips
  enrolled.npz         actions enrolled from a few clips
  started_from.json    the weights that training started from
  checkpoints/STEP     newest training states
  weights.safetensors  weights of an exported run, instead of checkpoints
  rocket.npz           fitted MiniRocket or MultiRocket, instead of checkpoints
  best/STEP            best training state on validation clips
  unreadable-*         broken checkpoints, moved out of checkpoints/ and best/
  metrics.jsonl        metrics, one line per step and kind
  tensorboard/         the same for TensorBoard, with `config.tensorboard`
  profile/             traces of some steps, with `config.profile`
  scores/NAME.npz      logits of every clip of a split; NAME is test, val, or
                       evaluation (`--config.eval_only`)
  summary.json         results of the finished run
  evaluation.json      results of `--config.eval_only`
  model_card.md        the run on one page; README.md in an exported run
  log.txt              output of a run started by `python -m unik_jax.tables`
  robustness.json      accuracy on damaged clips
  report.html          from `python -m unik_jax.report`
  pictures/            from `python -m unik_jax.visualize`
  .lock                held by the training that writes to the folder
"""

import pathlib

CONFIG = 'config.json'
DATA = 'data.json'
FAMILIARITY = 'familiarity.npz'
ENROLLED = 'enrolled.npz'
STARTED_FROM = 'started_from.json'
CHECKPOINTS = 'checkpoints'
WEIGHTS = 'weights.safetensors'
BEST = 'best'
ROCKET = 'rocket.npz'
METRICS = 'metrics.jsonl'
TENSORBOARD = 'tensorboard'
PROFILE = 'profile'
SUMMARY = 'summary.json'
EVALUATION = 'evaluation.json'
MODEL_CARD = 'model_card.md'
EXPORTED_CARD = 'README.md'
LOG = 'log.txt'
ROBUSTNESS = 'robustness.json'
REPORT = 'report.html'
PICTURES = 'pictures'
LOCK = '.lock'
# The files of an exported run: what it takes to predict and to fine-tune.
EXPORTED = (EXPORTED_CARD, CONFIG, DATA, FAMILIARITY, SUMMARY, WEIGHTS)


def scores_path(folder: pathlib.Path, name: str) -> pathlib.Path:
  """Returns the file of a split's logits.

  Args:
    folder: the run's folder.
    name: 'test', 'val', or 'evaluation' (logits of `--config.eval_only`).
  """
  return folder / 'scores' / f'{name}.npz'
