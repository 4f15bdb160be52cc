"""A trained model that answers for clips of a user's own, in Python.

  model = unik_jax.load('runs/mine')
  for answer in model.predict([clip, another]):
    print(answer.label, answer.probability)

Clips go through the same loader and the same evaluation as those of a test
split, so that the answers are the same too.
"""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.special

from unik_jax import evaluate
from unik_jax.data import loader
from unik_jax.data.transform import Transform
from unik_jax.errors import UserError
from unik_jax.predict import keypoints
from unik_jax.run import restore
from unik_jax.skeletons import layouts
from unik_jax.skeletons.layouts import Layout, get_layout

_LARGEST = 64  # clips in a batch, so that any machine has the memory

Size = tuple[int, int]


class Prediction(NamedTuple):
  """The answer for one clip, or for one person of it.

  Attributes:
    label: name of the most probable class.
    probability: of that class.
    top: (name, probability) of the `top_k` most probable classes.
    probabilities: (K,) of all classes, in the order of the model's `classes`.
    logits: (K,) likewise; their softmax are the probabilities.
    clip: index of the clip in what `predict` was given.
    person: index of the person in the clip; None where all answer together.
  """

  label: str
  probability: float
  top: list[tuple[str, float]]
  probabilities: np.ndarray
  logits: np.ndarray
  clip: int
  person: int | None


class Predictor:
  """A run's network, ready to answer; `load` makes one.

  Args:
    run: as `restore.load_run` opens it.

  Attributes:
    run: likewise.
    classes: names, in label order.
  """

  def __init__(self, run: restore.Run):
    self.run = run
    self.classes = run.classes
    self._weights = jax.device_put((run.params, run.batch_stats))
    self._evaluate = evaluate.Evaluator(run.net)
    self._data = {}  # of the config, for clips of each layout that was used

  def predict(
    self,
    clips: np.ndarray | Sequence[np.ndarray],
    *,
    layout: str | Layout | None = None,
    image_size: Size | Sequence[Size] | None = None,
    confidence: bool | None = None,
    together: bool = True,
    top_k: int = 5,
  ) -> list[Prediction]:
    """Answers for clips of any lengths.

    Clips run in batches whose sizes are powers of two, at most 64 or the run's
    `eval_batch_size`, so that few sizes are compiled.

    Args:
      clips: one clip (T, V, C) or (M, T, V, C), or a list of them. A joint is
        missing where it is NaN, zero, or of zero confidence.
      layout: of their joints, by name or as such; None for that of the clips
        that the model was trained on. Others are mapped by joint name.
      image_size: (width, height) in pixels, of all clips or of each; None
        where unknown.
      confidence: whether the last channel is one; None to find out, as
        `keypoints.has_confidence` says.
      together: whether a clip has one answer, or each person in it has one of
        their own. Together, of more persons than the model takes the
        strongest count.
      top_k: how many classes `top` has.

    Returns:
      An answer for each clip; where not `together`, for each person who is
      seen in it. `clip` and `person` tell which.

    Raises:
      UserError: a clip has other joints, too few channels, NaN in part of a
        joint, or nobody in it; or the layout is unknown, or cannot be mapped.
    """
    if hasattr(clips, 'ndim'):
      clips, names = [clips], ['keypoints']
    else:
      names = [f'clip {n}' for n in range(len(clips))]
    if top_k < 1:
      raise UserError(f'top_k is {top_k}; the least is 1')
    records = []
    for n, clip in enumerate(clips):
      made = self.records(
        clip,
        layout=layout,
        image_size=_size_of(image_size, n, len(clips)),
        confidence=confidence,
        together=together,
        where=names[n],
      )
      records += [record | {'clip': n} for record in made]
    return self.answer(records, layout=layout, top_k=top_k)

  def layout(self, layout: str | Layout | None) -> Layout:
    """The layout that is meant, once it is known that it can be mapped.

    Args:
      layout: a name, a layout, or None for that of the clips that the model
        was trained on.

    Raises:
      UserError: an unknown name, a name that is taken, or a layout that lacks
        what the model's joints are made of.
    """
    if layout is None:
      layout = self.run.data_layout
    if isinstance(layout, str):
      layout = get_layout(layout)
    if layout not in self._data:
      layouts.register_layout(layout)
      data = self.run.config.data.copy_and_resolve_references()
      data.layout, data.joints = layout.name, self.run.network_layout.name
      Transform(data, train=False)  # refuses what does not fit
      self._data[layout] = data
    return layout

  def records(
    self,
    clip: np.ndarray,
    *,
    layout: str | Layout | None = None,
    image_size: Size | None = None,
    confidence: bool | None = None,
    together: bool = True,
    where: str = 'keypoints',
  ) -> list[dict[str, Any]]:
    """A checked clip, or one of each of its persons, for `answer`.

    Args:
      clip: (T, V, C) or (M, T, V, C).
      layout: as in `predict`, and so are those that follow.
      image_size: (width, height) in pixels.
      confidence: whether the last channel is one.
      together: whether the clip has one answer.
      where: the clip, to be named in errors.

    Raises:
      UserError: as `predict`.
    """
    fitted = keypoints.fit(
      clip,
      self.layout(layout),
      self.run.config.data,
      confidence=confidence,
      together=together,
      where=where,
    )
    record = {
      'image_size': np.int32((0, 0) if image_size is None else image_size),
      'label': 0,  # the loader wants one, and nobody looks at it
      'clip': 0,
    }
    return [
      record | {'keypoints': clip, 'person': person} for person, clip in fitted
    ]

  def answer(
    self,
    records: Sequence[dict[str, Any]],
    *,
    layout: str | Layout | None = None,
    top_k: int = 5,
  ) -> list[Prediction]:
    """Answers for what `records` made, in its order.

    Where the run's `test_clips` asks for several samplings of a clip, they are
    drawn by its place in the list, as in the evaluation of a split.

    Args:
      records: of any number of clips.
      layout: that they were made with.
      top_k: how many classes `top` has.
    """
    if not records:
      return []
    whole = 1 << (len(records) - 1).bit_length()
    batches = loader.eval_batches(
      records,
      self._data[self.layout(layout)],
      batch_size=min(whole, self.run.config.eval_batch_size, _LARGEST),
    )
    logits, _ = self._evaluate(*self._weights, batches)
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
      )
      for record, row, logit, best in zip(
        records, probabilities, logits, order, strict=True
      )
    ]


def load(path: str | os.PathLike) -> Predictor:
  """Opens a trained model, to answer for clips of one's own.

  Args:
    path: the --workdir of a run, for its newest checkpoint; its `best`, for
      the best on validation; or one of its `checkpoints/STEP`.

  Raises:
    UserError: no run there, or its files cannot be read.
  """
  return Predictor(restore.load_run(path))


def _size_of(image_size, n, clips):
  """The size of clip n, of what is said of all clips or of each."""
  if image_size is None:
    return None
  sizes = np.asarray(image_size)
  if sizes.shape not in ((2,), (clips, 2)):
    raise UserError(
      f'image_size is {image_size}; (width, height) is due, or one for each of'
      f' {clips} clips'
    )
  return sizes if sizes.ndim == 1 else sizes[n]
