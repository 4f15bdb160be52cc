"""Frames of a stream, and the window of the latest ones."""

import json

import numpy as np
import pytest
from helpers import synthetic_run
from helpers.stream_lines import frame_line, person_line
from helpers.user_clips import make_walker

from unik_jax.data.formats.user.tracking import track_persons
from unik_jax.errors import UserError
from unik_jax.predictor.frames import FrameReader, FrameWindow
from unik_jax.skeletons.layouts import get_layout

UNIK = get_layout('unik_17')


def window_clip(lines, persons=2, frames=100):
  """Returns the clip of a window over lines."""
  reader = FrameReader(synthetic_run.make_config(persons=persons).data, UNIK)
  window = FrameWindow(frames, persons)
  for number, text in enumerate(lines, 1):
    window.add(reader.read(text, f'line {number}'))
  return window.clip()


def test_persons_with_identities():
  # The order of the persons in a frame changes.
  a, b = make_walker(6, seed=1), make_walker(6, seed=2, at=0.1)
  lines = [frame_line(a[t], b[t], ids=['a', 'b']) for t in range(3)]
  lines += [frame_line(b[t], a[t], ids=['b', 'a']) for t in range(3, 6)]
  clip, confidence = window_clip(lines)
  assert not confidence
  np.testing.assert_array_equal(clip, [a, b])


def test_persons_without_identities_are_linked_as_in_files():
  a, b = make_walker(6, seed=1), make_walker(6, seed=2, at=4)
  pairs = [(a[t], b[t]) if t % 2 else (b[t], a[t]) for t in range(6)]
  lines = [frame_line(*pair) for pair in pairs]
  lines.insert(3, 'null')
  clip, _ = window_clip(lines)
  gap = np.zeros((1, 17, 2))
  rows = [np.concatenate([person[:3], gap, person[3:]]) for person in (b, a)]
  np.testing.assert_array_equal(clip, rows)
  frames = np.delete(np.arange(7), 3).repeat(2)
  poses = np.concatenate(pairs)
  expected = track_persons(
    poses, frames, None, length=7, persons=2, confidence=False
  )
  np.testing.assert_array_equal(clip, expected)


def test_a_single_person_is_not_split_by_fast_motion():
  clip, _ = window_clip(map(person_line, make_walker(6, speed=10)))
  np.testing.assert_array_equal(clip[0], make_walker(6, speed=10))


def test_a_renumbered_or_fast_person_is_one():
  walker, far = make_walker(9, seed=1), make_walker(9, seed=1, speed=5)
  lines = [frame_line(p, ids=[t // 3]) for t, p in enumerate(walker)]
  np.testing.assert_array_equal(window_clip(lines)[0], [walker])
  lines = [frame_line(p) for p in far]
  np.testing.assert_array_equal(window_clip(lines)[0], [far])


def test_too_few_coordinates():
  data = synthetic_run.make_config(channels=3).data
  reader = FrameReader(data, get_layout('ntu_25'))
  with pytest.raises(
    UserError, match='line 1: joints have x y, but this model'
  ):
    reader.read(json.dumps({'keypoints': [[1, 2]] * 25}), 'line 1')
