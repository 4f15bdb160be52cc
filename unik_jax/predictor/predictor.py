"""A trained model that predicts the actions in a user's clips, in Python.

  model = unik_jax.load('runs/mine')
  for prediction in model.predict([clip, another]):
    print(prediction.label, prediction.probability)

Clips go through the loader and the evaluation of a test split, so they get the
same logits.
"""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.special
from absl import logging

from unik_jax import evaluate
from unik_jax.data import loader
from unik_jax.data.clips import check_image_size
from unik_jax.data.familiarity import Familiarity, explain_unfamiliar
from unik_jax.data.transform import Transform
from unik_jax.errors import UserError
from unik_jax.predictor import arguments, files
from unik_jax.predictor.adapter import adapt_clip
from unik_jax.predictor.conversion import (
  Size,
  check_stated_units,
  convert_clip,
  explain_other_units,
)
from unik_jax.predictor.nearest_mean import Match, fit_means
from unik_jax.run import paths, restore
from unik_jax.run.digests import digest_weights
from unik_jax.run.enrolled_file import Enrolled, read_enrolled
from unik_jax.skeletons import layouts
from unik_jax.skeletons.layouts import Layout, get_layout

_MAX_BATCH = 64  # clips, so that any machine has the memory


class Prediction(NamedTuple):
  """The prediction for one clip, or for one person of it.

  Attributes:
    label: name of the enrolled action that the clip is near enough to;
      otherwise of the most probable class.
    probability: probability of that class; None for an enrolled action.
    top: (name, probability) of the `top_k` most probable classes. Enrolled
      actions are not among them.
    probabilities: (K,) of all classes, in the order of the model's `classes`.
    logits: (K,) in the same order. Their softmax is `probabilities`.
    clip: index of the clip in the argument of `predict`.
    person: index of the person in the clip; None if all are taken together.
    unfamiliar: how the clip differs from the training clips, None if it does
      not, or if an older run did not record them. A prediction for an
      unfamiliar clip may be meaningless, however probable.
    enrolled: the enrolled action, with its distance and limit; None if the
      clip is near enough to none.
    features: (D,) what the network's classifier gets; empty for MiniRocket and
      MultiRocket.
    file: the clip's file; '' if the clip is an array.
  """

  label: str
  probability: float | None
  top: list[tuple[str, float]]
  probabilities: np.ndarray
  logits: np.ndarray
  clip: int
  person: int | None
  unfamiliar: str | None
  enrolled: Match | None
  features: np.ndarray
  file: str = ''


class Predictor:
  """A run's network, ready for prediction. `load_predictor` opens one.

  Args:
    run: from `restore.load_run`.
    enrolled: actions enrolled in the run, from `enrolled_file.read_enrolled`.
      Those of other weights are not used.

  Attributes:
    run: the run.
    classes: names, in label order.
    weights: digest of the weights.
  """

  def __init__(self, run: restore.Run, enrolled: Enrolled | None = None):
    self.run = run
    self.classes = run.classes
    self.weights = digest_weights(run.params, run.batch_stats)
    self._enrolled = None
    if enrolled and enrolled.weights == self.weights:
      self._enrolled = fit_means(enrolled.labels, enrolled.features)
    elif enrolled:
      logging.warning(
        '%s: its actions were enrolled with other weights of this run, so they'
        ' are not used. Enroll them again to use these weights',
        run.folder / paths.ENROLLED,
      )
    self._weights = jax.device_put((run.params, run.batch_stats))
    self._evaluate = evaluate.make_evaluator(run.net)
    self._data_by_layout = {}  # the config's `data` for clips of each layout

  def predict(
    self,
    clips: str | os.PathLike | np.ndarray | Sequence[Any],
    *,
    layout: str | Layout | None = None,
    image_size: Size | Sequence[Size] | None = None,
    units: str = '',
    confidence: bool | None = None,
    together: bool = True,
    top_k: int = 5,
  ) -> list[Prediction]:
    """Returns the predictions for files, or for arrays of any lengths.

    Clips run in batches whose sizes are powers of two, at most 64 or the run's
    `eval_batch_size`, so that few sizes are compiled.

    Args:
      clips: a path, or a list of paths, of clips in any format of
        docs/own_data.md, of videos, or of folders to search. Or a list of
        arrays (T, V, C) or (M, T, V, C), or one array. A joint is missing if it
        is NaN, zero, or of zero confidence. An array of several persons needs
        the list, [clip]: alone, it may be a stack of clips.
      layout: joint layout of the clips, its name, or the path of a YAML file;
        None for the layout of the model's training clips (videos: of the
        estimator). Joints of another layout are mapped by name.
      image_size: (width, height) in pixels, of all clips or of each; None for
        that of the training clips, if they have one.
      units: units of the coordinates, such as 'metres'; '' if unknown.
      confidence: whether the last channel is a confidence; None to detect it
        (`adapter.has_confidence`).
      together: one prediction per clip, of the most confident persons if the
        clip has too many; otherwise one per person.
      top_k: number of classes in `top`.

    Returns:
      A prediction for each clip, or for each person who is present in it.
      `clip` and `person` identify them.

    Raises:
      UserError: a file cannot be read; a clip has other joints, too few
        channels, NaN in some of a joint's coordinates, or no person; an array
        may be a clip of several persons or a stack of clips; or the layout is
        unknown or cannot be mapped.
    """
    if top_k < 1:
      raise UserError(f'top_k: expected at least 1, got {top_k}')
    check_stated_units(units, self.run, 'units')
    if found := arguments.list_paths(clips):
      predictions = files.predict_files(
        self,
        found,
        layout=layout,
        image_size=image_size,
        units=units,
        confidence=confidence,
        together=together,
        top_k=top_k,
      )
      return _warn_of_unfamiliar(predictions, [p.file for p in predictions])
    arrays: Any = clips
    names = [f'clip {n}' for n in range(len(arrays))]
    if hasattr(arrays, 'ndim') and arrays.ndim < 5:
      arguments.refuse_stacked_clips(arrays)
      arrays, names = [arrays], ['keypoints']
    if note := explain_other_units([units], self.run):
      logging.warning('%s', note)
    records = []
    for n, clip in enumerate(arrays):
      clip_records = self.build_records(
        clip,
        layout=layout,
        image_size=arguments.select_size(image_size, n, len(arrays)),
        units=units,
        confidence=confidence,
        together=together,
        where=names[n],
      )
      records += [record | {'clip': n} for record in clip_records]
    predictions = self.predict_records(records, layout=layout, top_k=top_k)
    return _warn_of_unfamiliar(predictions, names)

  def resolve_layout(self, layout: str | Layout | None) -> Layout:
    """Returns a layout after checking that the model's joints follow from it.

    Args:
      layout: a name, a layout, or None for that of the clips that the model
        was trained on.

    Raises:
      UserError: the name is unknown or taken, or the layout lacks joints that
        the model needs.
    """
    if layout is None:
      layout = self.run.data_layout
    if isinstance(layout, str):
      layout = get_layout(layout)
    if layout not in self._data_by_layout:
      layouts.register_layout(layout)
      data = self.run.config.data.copy_and_resolve_references()
      data.layout, data.joints = layout.name, self.run.network_layout.name
      Transform(data, train=False)  # raises if the joints cannot be mapped
      self._data_by_layout[layout] = data
    return layout

  def build_records(
    self,
    clip: np.ndarray,
    *,
    layout: str | Layout | None = None,
    image_size: Size | None = None,
    units: str = '',
    confidence: bool | None = None,
    together: bool = True,
    where: str = 'keypoints',
  ) -> list[dict[str, Any]]:
    """Returns a checked clip, or one per person, for `predict_records`.

    Args:
      clip: (T, V, C) or (M, T, V, C).
      layout: as in `predict`.
      image_size: (width, height) in pixels; None if unknown.
      units: units of the coordinates, as in `ParsedClip`; '' if unknown.
      confidence: as in `predict`.
      together: as in `predict`.
      where: the clip, for errors.

    Raises:
      UserError: as in `predict`.
    """
    adapted = adapt_clip(
      clip,
      self.resolve_layout(layout),
      self.run.config.data,
      confidence=confidence,
      together=together,
      where=where,
    )
    records = []
    for person, keypoints in adapted:
      converted = convert_clip(
        keypoints, self.run, units=units, image_size=image_size, where=where
      )
      check_image_size(converted.keypoints, converted.image_size, where)
      records.append(
        {
          'keypoints': converted.keypoints,
          'image_size': np.int32(converted.image_size),
          'units': converted.units,
          'label': 0,  # required by the loader, and unused
          'clip': 0,
          'person': person,
        }
      )
    return records

  def predict_records(
    self,
    records: Sequence[dict[str, Any]],
    *,
    layout: str | Layout | None = None,
    top_k: int = 5,
  ) -> list[Prediction]:
    """Returns the predictions for records from `build_records`, in order.

    With the run's `test_clips`, the random samplings of a clip are drawn by its
    place in the list, as in the evaluation of a split.

    Args:
      records: records of any number of clips.
      layout: the layout that the records were built with.
      top_k: number of classes in `top`.
    """
    if not records:
      return []
    data = self._data_by_layout[self.resolve_layout(layout)]
    power_of_two = 1 << (len(records) - 1).bit_length()
    batches = loader.eval_batches(
      records,
      data,
      batch_size=min(power_of_two, self.run.config.eval_batch_size, _MAX_BATCH),
    )
    params, batch_stats = self._weights
    logits, features = self._evaluate.compute(
      params, batch_stats, batches, ('logits', 'features')
    )
    # In float64, so that the probabilities of many classes sum to 1.
    probabilities = scipy.special.softmax(logits.astype(np.float64), axis=-1)
    order = np.argsort(-probabilities, axis=-1, kind='stable')[:, :top_k]
    reasons = self._explain_unfamiliar(records, data)
    predictions = []
    for n, record in enumerate(records):
      top = [(self.classes[k], float(probabilities[n, k])) for k in order[n]]
      match = self._enrolled.find(features[n]) if self._enrolled else None
      label, probability = (match.label, None) if match else top[0]
      predictions.append(
        Prediction(
          label=label,
          probability=probability,
          top=top,
          probabilities=probabilities[n],
          logits=logits[n],
          clip=record['clip'],
          person=record['person'],
          unfamiliar=reasons[n],
          enrolled=match,
          features=features[n],
        )
      )
    return predictions

  def _explain_unfamiliar(self, records, data):
    """Returns how each record differs from the training clips, or None."""
    if self.run.familiarity is None:
      return [None] * len(records)
    known = Familiarity(**self.run.familiarity)
    transform = Transform(data, train=False)
    coordinates = data.channels - bool(data.confidence)
    return [
      explain_unfamiliar(
        transform.standardize(record)[..., :coordinates],
        known,
        self.run.network_layout,
      )
      for record in records
    ]


def load_predictor(path: str | os.PathLike) -> Predictor:
  """Opens a trained model for prediction.

  Args:
    path: as in `restore.load_run`.

  Raises:
    UserError: there is no run, or its files cannot be read.
  """
  run = restore.load_run(path, networks_only=False)
  return Predictor(run, read_enrolled(run.folder))


def summarize_unfamiliar(
  predictions: Sequence[Prediction], names: Sequence[str]
) -> str | None:
  """Returns one line on all unfamiliar clips; None if there is none.

  Args:
    predictions: from `Predictor.predict_records`.
    names: of the clips.
  """
  reasons = {p.clip: p.unfamiliar for p in predictions if p.unfamiliar}
  if not reasons:
    return None
  clip, reason = next(iter(reasons.items()))
  return (
    f'{len(reasons)} of {len(names)} clips are unlike the training clips, so'
    f' their predictions may be meaningless. {names[clip]}: {reason}'
  )


def _warn_of_unfamiliar(predictions, names):
  if warning := summarize_unfamiliar(predictions, names):
    logging.warning('%s', warning)
  return predictions
