"""A user's own tables."""

import numpy as np
import pytest
from helpers.user_clips import (
  csv_columns,
  csv_text,
  make_clip,
  parse_clip,
  read_keypoints,
  read_recording,
  write_file,
)

from unik_jax.errors import UserError


@pytest.mark.parametrize('axes', ['xy', 'xyz', 'xyc', 'xyzc'])
def test_table_with_a_header(tmp_path, axes):
  clip = make_clip(4, 17, len(axes))
  path = write_file(
    tmp_path / 'a.csv', csv_text(clip.reshape(4, -1), csv_columns(axes=axes))
  )
  np.testing.assert_array_equal(read_keypoints(path)[0], clip)
  parsed = parse_clip(path)
  assert parsed.confidence == axes.endswith('c') and parsed.layout == 'coco_17'


def test_columns_go_by_name(tmp_path):
  clip = make_clip(4, 17, 2)
  header = np.array([*csv_columns(), 'time'])
  rows = np.concatenate([clip.reshape(4, -1), np.arange(4)[:, None]], 1)
  order = np.random.default_rng(1).permutation(35)
  path = write_file(
    tmp_path / 'a.csv',
    csv_text(rows[:, order].tolist(), header[order].tolist()),
  )
  np.testing.assert_array_equal(read_keypoints(path)[0], clip)


def test_table_of_frames_and_persons(tmp_path):
  """Ann is in frames 10, 12, 16 and Bob in 10, 14: the step is 2."""
  poses = make_clip(5, 17, 3)
  poses[0, 3, 2] = 0
  rows = [
    [*poses[i].ravel(), *key]
    for i, key in enumerate(
      [(10, 'Bob'), (12, 'Ann'), (10, 'Ann'), (16, 'Ann'), (14, 'Bob')]
    )
  ]
  header = csv_columns(axes='xyc', extra=['frame', 'person'])
  keypoints = read_keypoints(
    write_file(tmp_path / 'a.csv', csv_text(rows, header))
  )
  expected = np.zeros((2, 4, 17, 3))
  expected[0, [1, 0, 3]] = poses[[1, 2, 3]]  # more confidence, so first
  expected[1, [0, 2]] = poses[[0, 4]]
  expected[1, 0, 3] = 0
  np.testing.assert_array_equal(keypoints, expected)


def test_persons_without_frames_have_their_rows_in_order(tmp_path):
  poses = make_clip(5, 17, 2)
  rows = [[*p.ravel(), name] for p, name in zip(poses, 'aabab', strict=True)]
  text = csv_text(rows, csv_columns(extra=['person']))
  keypoints = read_keypoints(write_file(tmp_path / 'a.csv', text))
  np.testing.assert_array_equal(keypoints[0], poses[[0, 1, 3]])
  np.testing.assert_array_equal(keypoints[1, :2], poses[[2, 4]])
  assert not keypoints[1, 2].any()


@pytest.mark.parametrize('channels', [2, 3, 4])
def test_table_without_a_header(tmp_path, channels):
  clip = make_clip(4, 17, channels)
  path = write_file(tmp_path / 'a.csv', csv_text(clip.reshape(4, -1)))
  np.testing.assert_array_equal(read_keypoints(path)[0], clip)
  with pytest.raises(UserError, match='a.csv: .*without a header.*layout.yaml'):
    parse_clip(path)


def test_empty_cells_and_nan_are_missing(tmp_path):
  clip = make_clip(2, 17, 2)
  rows = clip.reshape(2, -1).tolist()
  rows[0][4:6], rows[1][0:2] = ['', ' '], ['nan', 'NaN']
  clip[0, 2] = clip[1, 0] = 0
  path = write_file(
    tmp_path / 'a.csv', '\ufeff' + csv_text(rows, csv_columns()) + '\r\n\r\n'
  )
  np.testing.assert_array_equal(read_keypoints(path)[0], clip)
  rows[1][1] = 5
  with pytest.raises(UserError, match='b.csv, frame 1, person 0: x of joint 0'):
    read_keypoints(
      write_file(tmp_path / 'b.csv', csv_text(rows, csv_columns()))
    )


@pytest.mark.parametrize('delimiter', [';', '\t'])
def test_other_delimiters(tmp_path, delimiter):
  clip = make_clip(2, 17, 2)
  text = csv_text(clip.reshape(2, -1), csv_columns()).replace(',', delimiter)
  path = write_file(tmp_path / 'a.csv', text)
  np.testing.assert_array_equal(read_keypoints(path)[0], clip)


def test_the_header_distinguishes_kinect_orders(tmp_path):
  """kinect_20 and msr_20 have the same joints in another order."""
  clip = make_clip(2, 20, 2)
  for layout in ('kinect_20', 'msr_20'):
    text = csv_text(clip.reshape(2, -1), csv_columns(layout))
    parsed = parse_clip(write_file(tmp_path / 'a.csv', text))
    assert parsed.layout == layout
    np.testing.assert_array_equal(parsed.keypoints[0], clip)


GOOD_ROWS = make_clip(3, 17, 2).reshape(3, -1).tolist()


def altered(row, column, value):
  rows = [list(each) for each in GOOD_ROWS]
  rows[row][column] = value
  return csv_text(rows, csv_columns())


def framed(*frames, rows=GOOD_ROWS):
  rows = [[*row, frame] for row, frame in zip(rows, frames, strict=True)]
  return csv_text(rows, csv_columns(extra=['frame']))


BAD_TABLES = {
  'empty': ('', 'no frames'),
  'only a header': (csv_text([], csv_columns()), 'no frames'),
  'truncated': (
    csv_text(GOOD_ROWS, csv_columns())[:-30],
    'line 4: expected 34 values',
  ),
  'text': (
    altered(1, 5, 'far'),
    r"line 3, column 6 \(right_eye_y\): .*got 'far'",
  ),
  'infinity': (altered(1, 5, 'inf'), 'frame 1.*y of joint 2'),
  'a joint lacks': (
    csv_text([r[2:] for r in GOOD_ROWS], csv_columns()[2:]),
    "expected a column 'nose_x'",
  ),
  'one confidence': (
    csv_text(
      [[*r, 1] for r in GOOD_ROWS], csv_columns(extra=['nose_confidence'])
    ),
    "expected a column 'left_eye_confidence'",
  ),
  'twice': (
    csv_text(GOOD_ROWS, [*csv_columns()[:-1], 'nose_x']),
    "'nose_x'.*twice",
  ),
  'no header, odd': (
    csv_text([r[1:] for r in GOOD_ROWS]),
    'line 1: .*17 values.*got 33',
  ),
  'no header, one each': (
    csv_text([r[:17] for r in GOOD_ROWS]),
    'got 1 channels',
  ),
  'frame text': (framed(0, 1, 'b'), "line 4, column frame: .*'b'"),
  'frame half': (framed(0, 1.5, 2), "line 3, column frame: .*'1.5'"),
  'frame twice': (
    framed(4, 5, 4),
    'line 4: .*same frame and person as line 2',
  ),
  'not UTF-8': (b'nose_x\xff', 'byte 6 is not UTF-8 text.*"CSV UTF-8'),
  'UTF-16': ('nose_x,nose_y'.encode('utf-16'), 'byte 0 is not UTF-8'),
  'column numbers': (
    csv_text(GOOD_ROWS, list(range(34))),
    'line 1: .*column numbers 0, 1, .*header=False',
  ),
  'column numbers and an index': (
    csv_text([[i, *r] for i, r in enumerate(GOOD_ROWS)], ['', *range(34)]),
    'line 1: .*column numbers 0, 1',
  ),
  'two confidences': (
    csv_text(
      [[*r, *[1] * 34] for r in GOOD_ROWS],
      csv_columns()
      + [
        f'{n[:-2]}_{"score" if n[-1] == "y" else "conf"}' for n in csv_columns()
      ],
    ),
    "column 'nose_score': .*'coco_17'",
  ),
  'speed': (
    csv_text(
      [[*r, 1] for r in GOOD_ROWS], csv_columns(extra=['left_ear_speed'])
    ),
    "header: column 'left_ear_speed': ",
  ),
  'nul': (b'\0' * 9, 'byte 0 is not UTF-8'),
  'endless cell': ('"' + 'a,' * 100_000, 'line .*expected a table'),
}


@pytest.mark.parametrize('case', BAD_TABLES)
def test_bad_tables(tmp_path, case):
  content, message = BAD_TABLES[case]
  with pytest.raises(UserError, match=f'(?s)clip.csv.*{message}'):
    read_keypoints(write_file(tmp_path / 'clip.csv', content))


def test_a_header_of_unknown_joints(tmp_path):
  path = write_file(tmp_path / 'a.csv', 'tail_x,tail_y\n1,2\n')
  with pytest.raises(UserError, match=r'header.*joints tail\..*layout.yaml'):
    parse_clip(path)


@pytest.mark.parametrize(
  'name', ['visibility', 'conf', 'score', 'likelihood', 'c', 'Confidence']
)
def test_other_names_of_a_confidence(tmp_path, name):
  clip = make_clip(3, 17, 3)
  header = [c.replace('confidence', name) for c in csv_columns(axes='xyc')]
  path = write_file(tmp_path / 'a.csv', csv_text(clip.reshape(3, -1), header))
  parsed = parse_clip(path)
  assert parsed.confidence and parsed.layout == 'coco_17'
  np.testing.assert_array_equal(parsed.keypoints[0], clip)


@pytest.mark.parametrize(
  'spell',
  [
    str.upper,
    str.title,
    lambda name: name.replace('_', '.'),
    lambda name: name.replace('_', ' '),
    lambda name: f' {name} ',
  ],
)
def test_joints_in_other_spellings(tmp_path, spell):
  clip = make_clip(3, 17, 2)
  header = [spell(name) for name in csv_columns()]
  path = write_file(tmp_path / 'a.csv', csv_text(clip.reshape(3, -1), header))
  parsed = parse_clip(path)
  assert parsed.layout == 'coco_17' and not parsed.notes
  np.testing.assert_array_equal(parsed.keypoints[0], clip)


def test_columns_that_are_not_read_are_noted(tmp_path):
  rows = [[*row, 3, 4, 5] for row in GOOD_ROWS]
  header = csv_columns(extra=['', 'time', 'frame'])
  rows = [[*row[:-1], i] for i, row in enumerate(rows)]
  path = write_file(tmp_path / 'a.csv', csv_text(rows, header))
  (note,) = read_recording(path).notes
  assert note == "column 'time' is skipped"


@pytest.mark.parametrize('header', [True, False])
@pytest.mark.parametrize('empty', [[0, 1], [4, 5, 6], [8, 9], [0, 9]])
def test_an_empty_row_is_a_frame(tmp_path, header, empty):
  """A row beyond the last, all empty, is no frame: Excel may write one."""
  clip = make_clip(10, 17, 2)
  rows = clip.reshape(10, -1).tolist()
  for t in empty:
    rows[t], clip[t] = [''] * 34, 0
  rows.append([''] * 34)
  text = csv_text(rows, csv_columns() if header else None)
  keypoints = read_keypoints(write_file(tmp_path / 'a.csv', text))
  np.testing.assert_array_equal(keypoints, clip[None])


def test_an_empty_row_of_the_only_person_is_a_frame(tmp_path):
  clip = make_clip(4, 17, 2)
  rows = [[*pose, 'Ann'] for pose in clip.reshape(4, -1).tolist()]
  rows[1], clip[1] = [''] * 35, 0
  text = csv_text(rows, csv_columns(extra=['person']))
  keypoints = read_keypoints(write_file(tmp_path / 'a.csv', text))
  np.testing.assert_array_equal(keypoints, clip[None])
  # With frame numbers, a row without one has no place.
  rows = [[*row, t] if row[0] else row + [''] for t, row in enumerate(rows)]
  text = csv_text(rows, csv_columns(extra=['person', 'frame']))
  keypoints = read_keypoints(write_file(tmp_path / 'b.csv', text))
  np.testing.assert_array_equal(keypoints, clip[None])


def test_a_table_of_empty_rows_shows_nobody(tmp_path):
  text = csv_text([[''] * 34] * 6, csv_columns())
  with pytest.raises(UserError, match='nobody is seen in any of 5 frames'):
    read_keypoints(write_file(tmp_path / 'a.csv', text))


@pytest.mark.parametrize('header', [True, False])
def test_german_excel(tmp_path, header):
  """Semicolons, decimal commas, and an empty row at the end."""
  clip = make_clip(3, 17, 2)
  text = csv_text(clip.reshape(3, -1), csv_columns() if header else None)
  text = text.replace(',', ';').replace('.', ',') + ';' * 33 + '\r\n'
  path = write_file(tmp_path / 'a.csv', '\ufeff' + text)
  np.testing.assert_array_equal(read_keypoints(path)[0], clip)


@pytest.mark.parametrize('cell', ['NA', 'n/a', '#N/A', 'null', 'None'])
def test_words_for_a_missing_value(tmp_path, cell):
  clip = make_clip(3, 17, 2)
  rows = clip.reshape(3, -1).tolist()
  rows[0][:2], clip[0, 0] = [cell, cell], 0
  for header in (csv_columns(), None):
    path = write_file(tmp_path / 'a.csv', csv_text(rows, header))
    np.testing.assert_array_equal(read_keypoints(path)[0], clip)


def test_the_nearest_layout_is_named(tmp_path):
  header = [n.replace('left_knee', 'left_kne') for n in csv_columns()]
  path = write_file(tmp_path / 'a.csv', csv_text(GOOD_ROWS, header))
  with pytest.raises(
    UserError,
    match="nearest is 'coco_17': the header lacks left_knee and also has left_"
    'kne. .*unik_jax/skeletons/layouts.yaml',
  ):
    parse_clip(path)
  path = write_file(tmp_path / 'b.csv', 'time,speed\n1,2\n')
  with pytest.raises(UserError, match='columns JOINT_x.*got: time, speed'):
    parse_clip(path)


def test_mediapipes_own_names(tmp_path):
  clip = make_clip(3, 33, 4)
  header = [
    name.replace('left_mouth', 'mouth_left')
    .replace('right_mouth', 'mouth_right')
    .replace('confidence', 'visibility')
    .upper()
    for name in csv_columns('mediapipe_33', 'xyzc')
  ]
  path = write_file(tmp_path / 'a.csv', csv_text(clip.reshape(3, -1), header))
  parsed = parse_clip(path)
  assert parsed.layout == 'mediapipe_33' and parsed.confidence
  np.testing.assert_array_equal(parsed.keypoints[0], clip)
