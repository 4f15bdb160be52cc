"""Predictions from the latest frames of a stream, in Python.

stream = unik_jax.Stream(unik_jax.load('runs/mine'), every=10)
for keypoints in camera:  # (joints, channels)
  if prediction := stream.add(keypoints):
    print(prediction.label)
"""

import time
from typing import Any

import numpy as np

from unik_jax.data.transform import input_frames
from unik_jax.errors import UserError
from unik_jax.predictor.conversion import check_stated_units
from unik_jax.predictor.frames import FrameReader, FrameWindow
from unik_jax.predictor.predictor import Prediction, Predictor
from unik_jax.skeletons.layouts import Layout


class Stream:
  """The latest frames of a stream, and predictions from them.

  Args:
    model: the model.
    window: maximum number of frames per prediction; the first ones have fewer.
      None for the network's input length.
    every: frames from one prediction to the next.
    layout: joint layout, or its name; None for that of the training clips.
    confidence: whether the last channel is a confidence; None to detect it
      (`adapter.has_confidence`).
    image_size: (width, height) in pixels; None if unknown.
    units: units of the coordinates; '' if unknown.
    top_k: number of classes in `Prediction.top`.

  Attributes:
    count: number of frames added so far.

  Raises:
    UserError: the layout or the units do not fit the model, or `window` or
      `every` is below 1.
  """

  def __init__(
    self,
    model: Predictor,
    *,
    window: int | None = None,
    every: int = 10,
    layout: str | Layout | None = None,
    confidence: bool | None = None,
    image_size: tuple[int, int] | None = None,
    units: str = '',
    top_k: int = 5,
  ):
    data = model.run.config.data
    window = input_frames(data) if window is None else window
    for key, value in (('window', window), ('every', every), ('top_k', top_k)):
      if value < 1:
        raise UserError(f'{key}: expected at least 1, got {value}')
    check_stated_units(units, model.run, 'units')
    self.count = 0
    self._model, self._every = model, every
    self._layout = model.resolve_layout(layout)
    self._reader = FrameReader(data, self._layout, confidence)
    self._latest = FrameWindow(window, data.persons)
    self._size, self._units, self._top_k = image_size, units, top_k

  def __len__(self) -> int:
    """Returns the number of frames in the window."""
    return len(self._latest)

  def add(self, frame: Any, where: str = '') -> Prediction | None:
    """Adds a frame; returns a prediction after every `every` frames.

    Args:
      frame: keypoints (V, C) of one person or (P, V, C) of several, x y,
        optionally with z, confidence or both; NaN or zeros for a missing
        joint. Or a value as on a line of `predict --stream`, such as
        {'persons': [{'id': 3, 'keypoints': [...]}]}. None for nobody.
      where: name of the frame, for errors (default: its number).

    Returns:
      The prediction; None for frames between two predictions, or if the window
      has no person.

    Raises:
      UserError: the frame is malformed, its joints differ from the layout's,
        or its channels from earlier frames; or the window does not fit the
        model.
    """
    where = where or f'frame {self.count + 1}'
    self._add(self._reader.parse(_as_value(frame), where))
    return self.predict() if self.count % self._every == 0 else None

  def add_line(self, line: bytes | str, where: str) -> None:
    """Adds the frame of a line of JSON, without a prediction.

    Raises:
      UserError: as in `add`, or the line is not JSON.
    """
    self._add(self._reader.read(line, where))

  def _add(self, frame):
    self._latest.add(frame)
    self.count += 1

  def predict(self, source: str = 'stream') -> Prediction | None:
    """Returns the prediction for the window; None if nobody is in it.

    Args:
      source: name of the stream, for errors.

    Raises:
      UserError: the window does not fit the model.
    """
    clip = self._latest.clip()
    if clip is None:
      return None
    keypoints, confidence = clip
    first = self.count - len(self) + 1
    records = self._model.build_records(
      keypoints,
      layout=self._layout,
      image_size=self._size,
      units=self._units,
      confidence=confidence,
      where=f'{source}, frames {first} to {self.count}',
    )
    (prediction,) = self._model.predict_records(
      records, layout=self._layout, top_k=self._top_k
    )
    return prediction

  def warm_up(self) -> float:
    """Compiles the prediction for a full window; returns the seconds taken."""
    began = time.perf_counter()
    data = self._model.run.config.data
    channels = data.channels - bool(data.confidence)
    shape = (self._latest.size, self._layout.num_joints, channels)
    records = self._model.build_records(
      np.random.default_rng(0).uniform(0.1, 0.9, shape),
      layout=self._layout,
      confidence=False,
      image_size=(640, 480),
    )
    self._model.predict_records(records, layout=self._layout)
    return time.perf_counter() - began


def _as_value(frame):
  """Returns a frame as JSON would have it."""
  if not isinstance(frame, np.ndarray) and not hasattr(frame, '__array__'):
    return frame
  array = np.asarray(frame)
  if array.ndim == 3:
    return {'persons': array.tolist()}
  return {'keypoints': array.tolist()}
