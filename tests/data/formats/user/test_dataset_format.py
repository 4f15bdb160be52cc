"""The common format of a dataset's clips."""

import dataclasses
import pathlib

import numpy as np
import pytest
from helpers.user_clips import (
  clip_sources,
  csv_columns,
  csv_text,
  make_clip,
  read_keypoints,
  write_array,
  write_file,
)

from unik_jax.data.formats.user.dataset_format import (
  DatasetFormat,
  detect_format,
)
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import LAYOUTS, get_layout


def test_detected_format(tmp_path):
  solo = make_clip(2, 5, 18, 2)
  solo[1] = 0
  bad = write_file(tmp_path / 'a.npy', b'')
  first = write_array(tmp_path / 'b.npy', solo)
  second = write_array(tmp_path / 'c.npy', make_clip(2, 5, 18, 2))
  form = detect_format(clip_sources(bad, first))
  assert form == DatasetFormat(
    LAYOUTS['openpose_18'], 2, False, 1, 'as in the files', True
  )
  stated = detect_format(clip_sources(first), layout=LAYOUTS['openpose_18'])
  assert not stated.layout_is_assumed
  assert detect_format(clip_sources(bad, first, second)).persons == 2
  (source,) = clip_sources(second)
  source = dataclasses.replace(source, units='metres')
  form = detect_format([source], persons=1)
  assert (form.persons, form.units) == (1, 'metres')
  assert detect_format(clip_sources(second), persons=5).persons == 5
  with pytest.raises(UserError, match='a.npy: cannot be read'):
    detect_format(clip_sources(bad, bad))


@pytest.mark.parametrize(
  ('joints', 'names'),
  [
    (13, 'lcrnet_13, penn_13'),
    (17, 'coco_17, human36m_17, unik_17'),
    (20, 'kinect_20, msr_20'),
    (25, 'ntu_25, openpose_25'),
  ],
)
def test_joint_count_of_several_layouts(tmp_path, joints, names):
  path = write_array(tmp_path / 'a.npz', make_clip(3, joints, 3))
  advice = f'built-in layouts.*: {names}.*`layout: {names[:5]}'
  with pytest.raises(UserError, match=f'a.npz: {joints} joints; {advice}'):
    detect_format(clip_sources(path))


@pytest.mark.parametrize(
  ('joints', 'layout'),
  [(18, 'openpose_18'), (26, 'halpe_26'), (33, 'mediapipe_33')],
)
def test_joint_count_of_one_layout(tmp_path, joints, layout):
  path = write_array(tmp_path / 'a.npz', make_clip(3, joints, 3))
  assert detect_format(clip_sources(path)).layout.name == layout


def test_joint_count_of_no_layout(tmp_path):
  path = write_array(tmp_path / 'a.npz', make_clip(3, 137, 3))
  with pytest.raises(UserError, match='137 joints; no built-in.*docs/own_data'):
    detect_format(clip_sources(path))


def test_swapped_axes_are_detected(tmp_path):
  path = write_array(tmp_path / 'a.npy', make_clip(17, 9, 3))
  order = r'is the order \(frames, joints, channels\)'
  with pytest.raises(UserError, match=f'got 9: .*{order}'):
    read_keypoints(path)
  with pytest.raises(UserError, match=f'9 joints.*{order}'):
    detect_format(clip_sources(path))


CASES = pathlib.Path(__file__).parents[2] / 'cases'


@pytest.mark.parametrize(
  'name', ['23-normalised-score.npy', '47-other-json.json']
)
def test_fractions_with_a_third_channel(name):
  sources = clip_sources(CASES / name)
  layout = get_layout('coco_17')
  with pytest.raises(UserError, match=f'{name}: .* `confidence: true`'):
    detect_format(sources, layout=layout)
  for stated in (True, False):
    form = detect_format(sources, layout=layout, confidence=stated)
    assert (form.channels, form.confidence) == (3, stated)


def test_flags_of_coco_as_third_channel(tmp_path):
  path = write_array(tmp_path / 'a.npy', ambiguous_clip(2))
  with pytest.raises(UserError, match='`confidence: true`'):
    detect_format(clip_sources(path))


def test_a_fourth_channel_that_is_no_confidence(tmp_path):
  path = write_array(tmp_path / 'a.npy', -make_clip(4, 18, 4))
  with pytest.raises(UserError, match='expected a confidence as the fourth'):
    detect_format(clip_sources(path))


def ambiguous_clip(confidence=0.7):
  clip = make_clip(4, 18, 3)
  clip[..., 2] = confidence
  clip[1, 2] = np.nan
  return clip


def test_a_third_channel_that_may_be_a_confidence(tmp_path):
  array = write_array(tmp_path / 'a.npy', ambiguous_clip())
  layout = get_layout('openpose_18')
  text = write_file(
    tmp_path / 'a.csv', csv_text(ambiguous_clip().reshape(4, -1))
  )
  for path in (array, text):
    with pytest.raises(UserError, match=f'{path.name}: .* `confidence: true`'):
      detect_format(clip_sources(path), layout=layout)
    for stated in (True, False):
      form = detect_format(clip_sources(path), layout=layout, confidence=stated)
      assert form.confidence is stated
  # Not ambiguous: a depth beyond 1 or below 0, two channels, a header.
  for clip in (
    ambiguous_clip(1.5),
    ambiguous_clip(-0.1),
    ambiguous_clip()[..., :2],
  ):
    path = write_array(tmp_path / 'b.npy', clip)
    assert not detect_format(clip_sources(path)).confidence
  path = write_file(
    tmp_path / 'b.csv',
    csv_text(
      ambiguous_clip().reshape(4, -1), csv_columns('openpose_18', 'xyz')
    ),
  )
  assert not detect_format(clip_sources(path)).confidence
