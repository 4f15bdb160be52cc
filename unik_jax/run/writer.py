"""Writes the results of a run to its folder."""

import pathlib
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from absl import logging
from ml_collections import ConfigDict

from unik_jax.errors import UserError
from unik_jax.run import paths
from unik_jax.run.card import write_card
from unik_jax.run.data_file import (
  RunData,
  describes_data,
  read_data,
  write_data,
)
from unik_jax.run.provenance import describe_devices, git_commit
from unik_jax.run.restore import write_started_from
from unik_jax.run.scores import Scores, write_scores
from unik_jax.runtime.json_files import write_json_table


class ResultsWriter:
  """Writes a run's results, on the first process only.

  Args:
    workdir: folder of the run.
    config: settings of the run.
    clips: `PreparedSplit` of the test split, for the dataset and its classes.
    net: the `Network`.
    total_steps: steps of the whole run.
  """

  def __init__(
    self,
    workdir: pathlib.Path,
    config: ConfigDict,
    clips: Any,
    net: Any,
    total_steps: int,
  ):
    self._workdir, self._config, self._clips = workdir, config, clips
    self._net, self._total_steps = net, total_steps
    self._writes = jax.process_index() == 0

  def write_data(
    self, describe: Callable[[], Any], resumed: bool
  ) -> RunData | None:
    """Writes data.json and familiarity.npz: what a run keeps of its data.

    A resumed run keeps those that it has, unless the data changed.

    Args:
      describe: describes the training clips, as a `TrainingClips`; it can take
        seconds.
      resumed: whether the run has a checkpoint.

    Returns:
      The contents of the files; None on other processes.
    """
    if not self._writes:
      return None
    clips = self._clips
    fingerprint = clips.fingerprint()
    if not resumed or not describes_data(self._workdir, fingerprint):
      described = describe()
      familiarity = described.familiarity
      write_data(
        self._workdir,
        clips.info,
        clips.class_names,
        joints=self._config.data.joints,
        image_sizes=described.image_sizes,
        familiarity=familiarity._asdict() if familiarity else None,
        fingerprint=fingerprint,
      )
    return read_data(self._workdir)

  def write_started_from(self, source: str) -> None:
    """Writes started_from.json: the checkpoint or file of the first weights."""
    if self._writes:
      write_started_from(self._workdir, source)

  def write_scores(
    self,
    name: str,
    clips: Any,
    logits: np.ndarray,
    labels: np.ndarray,
    seen: np.ndarray | None = None,
  ) -> None:
    """Writes scores/NAME.npz: the logits of every clip of a split.

    Args:
      name: 'test', 'val', or 'evaluation'.
      clips: `PreparedSplit` of the split.
      logits: (N, K).
      labels: (N,) true classes.
      seen: as in `Scores`.

    Raises:
      UserError: the file cannot be written.
    """
    if not self._writes:
      return
    data = self._config.data
    write_scores(
      paths.scores_path(self._workdir, name),
      Scores(
        ids=np.array(clips.ids()),
        labels=labels,
        logits=logits,
        classes=np.array(clips.class_names),
        split=clips.split,
        views=max(data.test_clips, data.test_crops),
        seen=seen,
      ),
      remedy='make room, and run the same command again',
    )

  def write_card(
    self, step: int, results: dict[str, Any] | None = None, floor: str = ''
  ) -> None:
    """Writes model_card.md; logs a failed write instead of raising.

    Args:
      step: step of the newest checkpoint.
      results: metrics by split; None before the end.
      floor: sentence on the floor of the test split; '' if not known.
    """
    try:
      write_card(
        self._workdir,
        self._config,
        dataset=self._clips.info.full_name,
        classes=self._clips.class_names,
        params=self._net.num_params(),
        step=step,
        steps=self._total_steps,
        results=results,
        floor=floor,
      )
    except UserError as error:
      logging.error('%s', error)

  def write_summary(self, name: str, **results: Any) -> dict[str, Any]:
    """Writes and returns a run's results, settings, device and commit.

    Args:
      name: `paths.SUMMARY` or `paths.EVALUATION`.
      **results: the metrics by split, and other values for the file.

    Raises:
      UserError: the file cannot be written.
    """
    config = self._config
    summary = {
      'dataset': config.data.name,
      'stream': config.data.stream,
      'headline': config.headline,
      'seed': config.seed,
      'device': describe_devices(),
      'jax': jax.__version__,
      'commit': git_commit(),
      **results,
    }
    if self._writes:
      remedy = (
        'free some space, and run the same command again (the metrics are'
        ' printed above)'
      )
      write_json_table(self._workdir / name, summary, remedy)
    return summary
