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
from unik_jax.predict.adapter import adapt_clip
from unik_jax.predict.conversion import (
  Size,
  check_stated_units,
  convert_clip,
  explain_other_units,
)
from unik_jax.run import restore
from unik_jax.skeletons import layouts
from unik_jax.skeletons.layouts import Layout, get_layout

_MAX_BATCH = 64  # clips, so that any machine has the memory


class Prediction(NamedTuple):
  """The prediction for one clip, or for one person of it.

  Attributes:
    label: name of the most probable class.
    probability: probability of that class.
    top: (name, probability) of the `top_k` most probable classes.
    probabilities: (K,) of all classes, in the order of the model's `classes`.
    logits: (K,) in the same order. Their softmax is `probabilities`.
    clip: index of the clip in the argument of `predict`.
    person: index of the person in the clip; None if all are taken together.
    unfamiliar: how the clip differs from the training clips, None if it does
      not, or if an older run did not record them. A prediction for an
      unfamiliar clip may be meaningless, however probable.
  """

  label: str
  probability: float
  top: list[tuple[str, float]]
  probabilities: np.ndarray
  logits: np.ndarray
  clip: int
  person: int | None
  unfamiliar: str | None = None


class Predictor:
  """A run's network, ready for prediction. `load_predictor` opens one.

  Args:
    run: from `restore.load_run`.

  Attributes:
    run: the run.
    classes: names, in label order.
  """

  def __init__(self, run: restore.Run):
    self.run = run
    self.classes = run.classes
    self._weights = jax.device_put((run.params, run.batch_stats))
    self._evaluate = evaluate.Evaluator(run.net)
    self._data_by_layout = {}  # the config's `data` for clips of each layout

  def predict(
    self,
    clips: np.ndarray | Sequence[np.ndarray],
    *,
    layout: str | Layout | None = None,
    image_size: Size | Sequence[Size] | None = None,
    units: str = '',
    confidence: bool | None = None,
    together: bool = True,
    top_k: int = 5,
  ) -> list[Prediction]:
    """Returns the predictions for clips of any lengths.

    Clips run in batches whose sizes are powers of two, at most 64 or the run's
    `eval_batch_size`, so that few sizes are compiled.

    Args:
      clips: a list of clips (T, V, C) or (M, T, V, C), or one clip. A joint is
        missing if it is NaN, zero, or of zero confidence. An array of several
        persons needs the list, [clip]: alone, it may be a stack of clips.
      layout: joint layout of the clips, or its name; None for the layout of the
        model's training clips. Joints of another layout are mapped by name.
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
      UserError: a clip has other joints, too few channels, NaN in some of a
        joint's coordinates, or no person; an array may be a clip of several
        persons or a stack of clips; or the layout is unknown or cannot be
        mapped.
    """
    names = [f'clip {n}' for n in range(len(clips))]
    if hasattr(clips, 'ndim') and clips.ndim < 5:
      _refuse_stacked_clips(clips)
      clips, names = [clips], ['keypoints']
    if top_k < 1:
      raise UserError(f'top_k: expected at least 1, got {top_k}')
    check_stated_units(units, self.run, 'units')
    if note := explain_other_units([units], self.run):
      logging.warning('%s', note)
    records = []
    for n, clip in enumerate(clips):
      clip_records = self.build_records(
        clip,
        layout=layout,
        image_size=_select_size(image_size, n, len(clips)),
        units=units,
        confidence=confidence,
        together=together,
        where=names[n],
      )
      records += [record | {'clip': n} for record in clip_records]
    predictions = self.predict_records(records, layout=layout, top_k=top_k)
    if warning := summarize_unfamiliar(predictions, names):
      logging.warning('%s', warning)
    return predictions

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
    logits, _ = self._evaluate(params, batch_stats, batches)
    # In float64, so that the probabilities of many classes sum to 1.
    probabilities = scipy.special.softmax(logits.astype(np.float64), axis=-1)
    order = np.argsort(-probabilities, axis=-1, kind='stable')[:, :top_k]
    return [
      Prediction(
        label=self.classes[best[0]],
        probability=float(row[best[0]]),
        top=[(self.classes[k], float(row[k])) for k in best],
        probabilities=row,
        logits=logit,
        clip=record['clip'],
        person=record['person'],
        unfamiliar=reason,
      )
      for record, row, logit, best, reason in zip(
        records,
        probabilities,
        logits,
        order,
        self._explain_unfamiliar(records, data),
        strict=True,
      )
    ]

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
    path: the --workdir of a run, for its newest checkpoint; its `best`, for
      the best on validation clips; or one of its `checkpoints/STEP`.

  Raises:
    UserError: there is no run, or its files cannot be read.
  """
  return Predictor(restore.load_run(path))


def _refuse_stacked_clips(array):
  """Raises a UserError if (M, T, V, C) may be clips instead of persons."""
  array = np.asarray(array)
  if array.ndim != 4 or array.dtype.kind not in 'iuf':
    return
  # A clip always has a person, but a row of absent persons is only padding.
  rows = ((array != 0) & ~np.isnan(array)).any((1, 2, 3))
  if len(rows) > 1 and rows.all():
    raise UserError(
      'keypoints: expected a list of clips, got an array of shape'
      f' {array.shape}, which may be one clip of {len(array)} persons or'
      f' {len(array)} clips.'
      ' Use [array] for one clip, list(array) for several'
    )


def _select_size(image_size, n, clips):
  """Returns the size of clip n, from one size for all clips or one for each."""
  if image_size is None:
    return None
  sizes = np.asarray(image_size)
  if sizes.shape not in ((2,), (clips, 2)):
    raise UserError(
      f'image_size: expected (width, height), or one for each of {clips} clips,'
      f' got {image_size}'
    )
  return sizes if sizes.ndim == 1 else sizes[n]


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
