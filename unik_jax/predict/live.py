"""Predictions for a stream of frames, over a sliding window (see frames.py)."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from unik_jax.data.transform import input_frames
from unik_jax.errors import UserError
from unik_jax.predict.conversion import explain_other_units
from unik_jax.predict.frames import FRAME_FORMAT, FrameReader, FrameWindow
from unik_jax.predict.outputs import to_json_fields
from unik_jax.predict.predictor import Predictor
from unik_jax.skeletons.layouts import Layout


def warm_up(model: Predictor, layout: Layout, window: int) -> float:
  """Compiles the prediction for a window; returns the seconds that it took."""
  began = time.perf_counter()
  data = model.run.config.data
  shape = (window, layout.num_joints, data.channels - bool(data.confidence))
  clip = np.random.default_rng(0).uniform(0.1, 0.9, shape)
  records = model.build_records(
    clip, layout=layout, confidence=False, image_size=(640, 480)
  )
  model.predict_records(records, layout=layout)
  return time.perf_counter() - began


def predict_stream(
  model: Predictor,
  lines: Iterable[bytes | str],
  *,
  window: int,
  every: int = 10,
  layout: Layout,
  confidence: bool | None = None,
  image_size: tuple[int, int] | None = None,
  units: str = '',
  top_k: int = 5,
  source: str = 'standard input',
) -> Iterator[dict[str, Any]]:
  """Yields a prediction every `every` frames, and after the last frame.

  Args:
    model: the model.
    lines: a frame each. Blank lines are skipped and not counted.
    window: maximum number of frames per prediction; the first ones have fewer.
    every: frames from one prediction to the next.
    layout: joint layout.
    confidence: as in `FrameReader`.
    image_size: (width, height) in pixels; None if unknown.
    units: units of the coordinates; '' if unknown.
    top_k: number of classes in `top`.
    source: name of the stream, for errors.

  Yields:
    `frame` (number of frames so far), `frames` (number in the window), `label`,
    `probability`, `top`, `unfamiliar` and `latency_ms` since the frame's line
    was read. If nobody is seen in the window, `label`, `probability` and
    `unfamiliar` are None and `top` is empty.

  Raises:
    UserError: from `FrameReader.read`, with the number of the line; or the
      stream has no frame.
  """
  data = model.run.config.data
  reader = FrameReader(data, layout, confidence)
  latest = FrameWindow(window, data.persons)

  def predict(count, began):
    prediction = None
    clip = latest.clip()
    if clip is not None:
      keypoints, has_confidence = clip
      records = model.build_records(
        keypoints,
        layout=layout,
        image_size=image_size,
        units=units,
        confidence=has_confidence,
        where=f'{source}, frames {count - len(latest) + 1} to {count}',
      )
      (prediction,) = model.predict_records(records, layout=layout, top_k=top_k)
    return {
      'frame': count,
      'frames': len(latest),
      **to_json_fields(prediction),
      'latency_ms': round(1e3 * (time.perf_counter() - began), 2),
    }

  count = 0
  for number, line in enumerate(lines, 1):
    began = time.perf_counter()
    if not line.strip():
      continue
    latest.add(reader.read(line, f'{source}, line {number}'))
    count += 1
    if count % every == 0:
      yield predict(count, began)
  if count % every:
    yield predict(count, time.perf_counter())
  if not count:
    raise UserError(
      f'{source}: no frame. Write one per line, as JSON: {FRAME_FORMAT}'
    )


def serve_stream(
  model: Predictor,
  lines: Iterable[bytes | str],
  *,
  write: Callable[[str], None],
  say: Callable[[str], None],
  layout: Layout,
  window: int | None = None,
  every: int = 10,
  units: str = '',
  **options: Any,
) -> None:
  """Writes predictions until the stream ends or Ctrl-C, then the latencies.

  Args:
    model: the model; it is compiled before the first line is read.
    lines: as in `predict_stream`.
    write: is called with each prediction as a line of JSON.
    say: is called with each message for the user.
    layout: joint layout.
    window: as in `predict_stream`; None for the network's input length.
    every: as in `predict_stream`.
    units: as in `predict_stream`.
    **options: of `predict_stream`.

  Raises:
    UserError: as in `predict_stream`.
  """
  window = window or input_frames(model.run.config.data)
  seconds = warm_up(model, layout, window)
  if note := explain_other_units([units], model.run):
    say(f'note: {note}')
  say(
    f'ready, compiled in {seconds:.1f} s: a prediction every {every} frames,'
    f' from the last {window}'
  )
  latencies, warned = [], False
  try:
    options |= {'layout': layout, 'units': units}
    for prediction in predict_stream(
      model, lines, window=window, every=every, **options
    ):
      if prediction['unfamiliar'] and not warned:
        warned = True
        say(
          f'warning: frame {prediction["frame"]} and those before it are unlike'
          ' the training clips, so predictions may be meaningless:'
          f' {prediction["unfamiliar"]}'
        )
      latencies.append(prediction['latency_ms'])
      write(json.dumps(prediction))
  except KeyboardInterrupt:  # the usual end of a stream
    pass
  finally:
    if latencies:
      say(summarize_latencies(latencies))


def summarize_latencies(latencies: Sequence[float]) -> str:
  """Returns the number, median and 95th percentile of latencies in ms."""
  median, high = np.percentile(latencies, [50, 95])
  count = f'{len(latencies)} prediction' + 's' * (len(latencies) > 1)
  return f'{count}; latency: median {median:.1f} ms, 95% within {high:.1f} ms'
