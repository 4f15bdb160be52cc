"""Answers for a stream of frames, over a window that slides along it.

A line of the stream is a frame, as JSON:

  {"keypoints": [[x, y], ...]}                      one person
  {"persons": [[[x, y], ...], ...]}                 several
  {"persons": [{"id": 3, "keypoints": [...]}, ...]} several, who is who
  null, [], {"keypoints": null}, {"persons": []}    nobody
"""

import collections
import itertools
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from ml_collections import ConfigDict

from unik_jax.data.formats.user import people
from unik_jax.data.transform import WHOLE_CLIP, frames_to_test
from unik_jax.errors import UserError
from unik_jax.predict import keypoints
from unik_jax.predict.predictor import Predictor
from unik_jax.skeletons.layouts import Layout

_FORM = '{"keypoints": [[x, y], ...]} or {"persons": [...]} is due'


class Frame(NamedTuple):
  """Whom a frame shows.

  Attributes:
    poses: (P, V, C) with zeros for missing joints.
    ids: (P,) who is who; None where the frame does not say.
    confidence: whether the last channel is one; None where nobody is seen.
  """

  poses: np.ndarray
  ids: list[str | None]
  confidence: bool | None


class Reader:
  """From lines to frames, all of one form.

  Args:
    data: the part of the model's config.
    layout: of the joints.
    confidence: whether the last channel is one; None to find out, as
      `keypoints.has_confidence` says.
  """

  def __init__(
    self, data: ConfigDict, layout: Layout, confidence: bool | None = None
  ):
    self._data = data
    self._layout = layout
    self._confidence = confidence
    self._channels = None

  def read(self, line: bytes | str, where: str) -> Frame:
    """A frame.

    Args:
      line: its JSON.
      where: the line, to be named in errors.

    Raises:
      UserError: no JSON, not of the form, other joints than the layout's, or
        other channels than before.
    """
    bodies = _bodies(line, where)
    if not bodies:
      shape = (0, self._layout.num_joints, self._channels or 0)
      return Frame(np.zeros(shape), [], None)
    poses = [
      self._pose(pose, f'{where}, person {m}' if len(bodies) > 1 else where)
      for m, (_, pose) in enumerate(bodies)
    ]
    if len({pose.shape for pose in poses}) > 1:
      raise UserError(f'{where}: persons differ in channels; give all the same')
    clip = np.stack(poses)[:, None]
    scored = keypoints.has_confidence(clip, self._confidence, self._data, where)
    clip = people.without_missing(clip, scored, self._layout, where)
    return Frame(clip[:, 0], [name for name, _ in bodies], scored)

  def _pose(self, values, where):
    """(V, C) of one person."""
    try:
      pose = np.array(values, np.float64)  # null becomes NaN
    except (TypeError, ValueError, OverflowError):
      pose = np.zeros(0)
    if pose.ndim != 2 or pose.shape[1] not in (2, 3, 4):
      raise UserError(
        f'{where}: keypoints are not a list of [x, y] for each joint, with z,'
        ' confidence or both where you have them'
      )
    keypoints.check_joints(len(pose), self._layout, where)
    self._channels = self._channels or pose.shape[1]
    if pose.shape[1] != self._channels:
      raise UserError(
        f'{where}: {pose.shape[1]} numbers a joint, where the frames before'
        f' have {self._channels}; give all the same'
      )
    return pose


def _bodies(line, where):
  """[(identity or None, keypoints)] of a line."""
  try:
    frame = json.loads(line)
  except (ValueError, RecursionError) as error:
    raise UserError(
      f'{where}: not JSON ({error}); write one frame a line: {_FORM}'
    ) from None
  if frame in (None, []):
    return []
  if not isinstance(frame, dict) or not {'keypoints', 'persons'} & set(frame):
    raise UserError(f'{where}: not a frame; {_FORM}')
  if 'persons' not in frame:
    # One person alone is the same one all along, however fast.
    frame = {'persons': [{'id': 0, **frame}]}
  persons = frame['persons'] or []
  if not isinstance(persons, list):
    raise UserError(f'{where}: persons are not a list; {_FORM}')
  bodies = [
    (p.get('id'), p.get('keypoints')) if isinstance(p, dict) else (None, p)
    for p in persons
  ]
  return [
    (None if name is None else str(name), pose)
    for name, pose in bodies
    if pose not in (None, [])
  ]


class Window:
  """The last frames of a stream, as a clip.

  Args:
    frames: how many are kept.
    persons: likewise, the strongest (`people.strongest`).
  """

  def __init__(self, frames: int, persons: int):
    self._frames = collections.deque(maxlen=frames)
    self._persons = persons

  def __len__(self) -> int:
    return len(self._frames)

  def add(self, frame: Frame) -> None:
    """Puts a frame at the end, and drops the first one of a full window."""
    self._frames.append(frame)

  def clip(self) -> tuple[np.ndarray, bool] | None:
    """(M, T, V, C), and whether the last channel is a confidence.

    Persons are told apart by their identities, or by where they are within
    the window (`people.tracks`). None where nobody is seen.
    """
    shown = [frame for frame in self._frames if len(frame.ids)]
    poses = [frame.poses for frame in shown]
    scored = bool(shown) and all(frame.confidence for frame in shown)
    if not any(people.seen(pose, scored).any() for pose in poses):
      return None
    counts = [len(frame.ids) for frame in self._frames]
    ids = list(itertools.chain.from_iterable(f.ids for f in self._frames))
    clip = people.tracks(
      np.concatenate(poses),
      np.repeat(np.arange(len(counts)), counts),
      None if None in ids else ids,
      length=len(counts),
      persons=self._persons,
      confidence=scored,
    )
    return clip, scored


def default_window(data: ConfigDict) -> int:
  """As many frames as the network sees of a clip, by the `data` of a config.

  Where it sees whole clips, as many as it was trained on.
  """
  frames = frames_to_test(data)
  return data.frames if frames == WHOLE_CLIP else frames


def warm_up(model: Predictor, layout: Layout, window: int) -> float:
  """Compiles what answers a window; returns the seconds that it took."""
  began = time.perf_counter()
  data = model.run.config.data
  shape = (window, layout.num_joints, data.channels - bool(data.confidence))
  clip = np.random.default_rng(0).uniform(0.1, 0.9, shape)
  model.answer(
    model.records(clip, layout=layout, confidence=False), layout=layout
  )
  return time.perf_counter() - began


def answers(
  model: Predictor,
  lines: Iterable[bytes | str],
  *,
  window: int,
  every: int = 10,
  layout: Layout,
  confidence: bool | None = None,
  image_size: tuple[int, int] | None = None,
  top_k: int = 5,
  source: str = 'standard input',
) -> Iterator[dict[str, Any]]:
  """Answers every so many frames, and after the last one.

  Args:
    model: that answers.
    lines: a frame each; blank ones are not counted.
    window: frames that an answer is of; the first answers have fewer.
    every: frames from one answer to the next.
    layout: of the joints.
    confidence: as of `Reader`.
    image_size: (width, height) in pixels; None where unknown.
    top_k: how many classes are named.
    source: of the lines, to be named in errors.

  Yields:
    `frame` (how many there were by then), `frames` (in the window), `label`,
    `probability`, `top` and `latency_ms`, from the moment that the frame's
    line is there. Where nobody is seen in the window, `label` and
    `probability` are None and `top` is empty.

  Raises:
    UserError: as `Reader.read`, with the number of the line; or no frame.
  """
  data = model.run.config.data
  reader = Reader(data, layout, confidence)
  seen = Window(window, data.persons)

  def answer(count, began):
    found = seen.clip()
    best = None
    if found is not None:
      clip, scored = found
      (best,) = model.answer(
        model.records(
          clip,
          layout=layout,
          image_size=image_size,
          confidence=scored,
          where=f'{source}, frames {count - len(seen) + 1} to {count}',
        ),
        layout=layout,
        top_k=top_k,
      )
    return {
      'frame': count,
      'frames': len(seen),
      'label': best and best.label,
      'probability': best and round(best.probability, 6),
      'top': [[name, round(p, 6)] for name, p in best.top] if best else [],
      'latency_ms': round(1e3 * (time.perf_counter() - began), 2),
    }

  count = 0
  for number, line in enumerate(lines, 1):
    began = time.perf_counter()
    if not line.strip():
      continue
    seen.add(reader.read(line, f'{source}, line {number}'))
    count += 1
    if count % every == 0:
      yield answer(count, began)
  if count % every:
    yield answer(count, time.perf_counter())
  if not count:
    raise UserError(
      f'{source}: no frame came; write one a line, as JSON: {_FORM}'
    )


def serve(
  model: Predictor,
  lines: Iterable[bytes | str],
  *,
  write: Callable[[str], None],
  say: Callable[[str], None],
  layout: Layout,
  window: int | None = None,
  every: int = 10,
  **options: Any,
) -> None:
  """Answers a stream until it ends, or Ctrl-C, and says how long that took.

  Args:
    model: that answers; it is compiled before the first line is read.
    lines: as of `answers`.
    write: is given each answer as a line of JSON.
    say: is told what the user should know.
    layout: of the joints.
    window: as of `answers`; None for as many frames as the network sees.
    every: as of `answers`.
    **options: of `answers`.

  Raises:
    UserError: as `answers`.
  """
  window = window or default_window(model.run.config.data)
  compiled = warm_up(model, layout, window)
  say(
    f'ready, compiled in {compiled:.1f} s: an answer every {every} frames, of'
    f' the last {window}'
  )
  latencies = []
  try:
    for answer in answers(
      model, lines, window=window, every=every, layout=layout, **options
    ):
      latencies.append(answer['latency_ms'])
      write(json.dumps(answer))
  except KeyboardInterrupt:  # how a stream without end is ended
    pass
  finally:
    if latencies:
      say(summary(latencies))


def summary(latencies: Sequence[float]) -> str:
  """How long answers took, each in ms."""
  middle, high = np.percentile(latencies, [50, 95])
  count = f'{len(latencies)} answer' + 's' * (len(latencies) > 1)
  return f'{count}; latency: median {middle:.1f} ms, 95% within {high:.1f} ms'
