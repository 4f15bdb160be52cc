"""Predictions for lines of frames, as the option --stream writes them."""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from unik_jax.data.transform import input_frames
from unik_jax.errors import UserError
from unik_jax.predict.outputs import to_json_fields
from unik_jax.predictor.conversion import explain_other_units
from unik_jax.predictor.frames import FRAME_FORMAT
from unik_jax.predictor.predictor import Predictor
from unik_jax.predictor.stream import Stream
from unik_jax.skeletons.layouts import Layout


def predict_stream(
  model: Predictor,
  lines: Iterable[bytes | str],
  *,
  every: int = 10,
  source: str = 'standard input',
  **options: Any,
) -> Iterator[dict[str, Any]]:
  """Yields a prediction every `every` frames, and after the last frame.

  Args:
    model: the model.
    lines: a frame each. Blank lines are skipped and not counted.
    every: frames from one prediction to the next.
    source: name of the stream, for errors.
    **options: of `Stream`.

  Yields:
    `frame` (number of frames so far), `frames` (number in the window), `label`,
    `probability`, `top`, `unfamiliar` and `latency_ms` since the frame's line
    was read. If nobody is seen in the window, `label`, `probability` and
    `unfamiliar` are None and `top` is empty.

  Raises:
    UserError: from `FrameReader.read`, with the number of the line; or the
      stream has no frame.
  """
  stream = Stream(model, every=every, **options)

  def predict(began):
    prediction = stream.predict(source)
    return {
      'frame': stream.count,
      'frames': len(stream),
      **to_json_fields(prediction),
      'latency_ms': round(1e3 * (time.perf_counter() - began), 2),
    }

  for number, line in enumerate(lines, 1):
    began = time.perf_counter()
    if not line.strip():
      continue
    stream.add_line(line, f'{source}, line {number}')
    if stream.count % every == 0:
      yield predict(began)
  if stream.count % every:
    yield predict(time.perf_counter())
  if not stream.count:
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
  seconds = Stream(model, window=window, layout=layout).warm_up()
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
