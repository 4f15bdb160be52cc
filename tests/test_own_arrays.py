"""A user's own arrays and tables."""

import io
import os
import pickle

import numpy as np
import pytest
from own_fixtures import (
  columns,
  keypoints,
  make_clip,
  put,
  read,
  save,
  sources,
  table,
)

from unik_jax.data.formats import own
from unik_jax.errors import UserError
from unik_jax.skeletons import get_layout

# Arrays


@pytest.mark.parametrize('suffix', ['.npy', '.npz'])
@pytest.mark.parametrize('dtype', ['float32', 'float64', 'int32', 'float16'])
def test_arrays(tmp_path, suffix, dtype):
  one = make_clip(5, 17, 2).astype(dtype)
  two = make_clip(2, 5, 17, 3).astype(dtype)
  got = keypoints(save(tmp_path / f'a{suffix}', one))
  np.testing.assert_array_equal(got, one[None].astype(float))
  got = keypoints(save(tmp_path / f'b{suffix}', two))
  np.testing.assert_array_equal(got, two.astype(float))


def test_an_npz_says_which_array_and_how_large_the_image_is(tmp_path):
  clip = make_clip(5, 17, 2)
  path = save(
    tmp_path / 'a.npz',
    keypoints=clip,
    image_size=[1920, 1080],
    times=np.arange(5),
  )
  got = read(path)
  np.testing.assert_array_equal(got.keypoints[0], clip)
  assert got.image_size == (1920, 1080)
  # The file knows better than the manifest.
  source = own.Source(str(path), image_size=(640, 480))
  layout = get_layout('coco_17')
  assert own.read(source, layout=layout).image_size == (1920, 1080)
  source = own.Source(str(save(tmp_path / 'b.npz', clip)), None, (640, 480))
  assert own.read(source, layout=layout).image_size == (640, 480)


def test_a_confidence_channel(tmp_path):
  three, four = make_clip(5, 17, 3), make_clip(5, 17, 4)
  three[2, 4, 2] = four[2, 4, 3] = 0
  a, b = save(tmp_path / 'a.npy', three), save(tmp_path / 'b.npy', four)
  assert keypoints(a)[0, 2, 4, :2].all()  # three are x y z
  assert not keypoints(a, confidence=True)[0, 2, 4].any()
  assert not keypoints(b)[0, 2, 4].any()  # the fourth of four is one
  with pytest.raises(UserError, match='b.npy: 4 channels'):
    keypoints(b, confidence=False)


def test_missing_joints_become_zeros(tmp_path):
  clip = make_clip(4, 17, 3)
  expected = clip.copy()
  clip[1, 3] = np.nan
  expected[1, 3] = 0
  clip[2, 5] = 0
  expected[2, 5] = 0
  np.testing.assert_array_equal(
    keypoints(save(tmp_path / 'a.npy', clip))[0], expected
  )


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_a_number_that_is_none_is_named(tmp_path, value):
  clip = make_clip(2, 4, 17, 3)
  clip[1, 2, 5, 1] = value
  path = save(tmp_path / 'a.npy', clip)
  place = r'a.npy, frame 2, person 1: y of joint 5 \(left_shoulder\) is'
  with pytest.raises(UserError, match=f'{place} {value}; correct it'):
    keypoints(path)
  clip = make_clip(4, 17, 4)
  clip[3, 0, 3] = value
  with pytest.raises(UserError, match='frame 3.*confidence of joint 0'):
    keypoints(save(tmp_path / 'b.npy', clip))


def test_of_many_persons_the_most_visible_stay_in_order(tmp_path):
  clip = make_clip(4, 6, 17, 2)
  clip[0, 2:] = 0
  clip[2] = 0
  got = keypoints(save(tmp_path / 'a.npy', clip), persons=2)
  np.testing.assert_array_equal(got, clip[[1, 3]])
  got = keypoints(save(tmp_path / 'a.npy', clip), persons=3)
  np.testing.assert_array_equal(got, clip[[0, 1, 3]])


class Malicious:
  """Its unpickling makes a folder."""

  def __init__(self, folder):
    self.folder = str(folder)

  def __reduce__(self):
    return os.mkdir, (self.folder,)


def test_nothing_is_unpickled(tmp_path):
  array = np.empty((1, 1, 1), object)
  array[0, 0, 0] = Malicious(tmp_path / 'pwned')
  for name in ('a.npy', 'a.npz'):
    with pytest.raises(UserError, match=f'{name}: cannot be read.*plain'):
      keypoints(save(tmp_path / name, array))
  put(tmp_path / 'b.npy', pickle.dumps(Malicious(tmp_path / 'pwned')))
  with pytest.raises(UserError, match='b.npy: cannot be read'):
    keypoints(tmp_path / 'b.npy')
  assert not (tmp_path / 'pwned').exists()


def test_an_npz_writes_nothing(tmp_path):
  """np.load reads members under any name, as arrays in memory."""
  folder = tmp_path / 'clips'
  folder.mkdir()
  clip = make_clip(3, 17, 2)
  path = save(folder / 'a.npz', **{'../../evil': clip})
  np.testing.assert_array_equal(keypoints(path)[0], clip)
  assert [p.name for p in tmp_path.rglob('*')] == ['clips', 'a.npz']


def whole(suffix):
  file = io.BytesIO()
  (np.save if suffix == '.npy' else np.savez)(file, make_clip(3, 17, 2))
  return file.getvalue()


BAD_ARRAYS = {
  'empty npy': ('.npy', b'', 'cannot be read'),
  'empty npz': ('.npz', b'', 'cannot be read'),
  'truncated npy': ('.npy', whole('.npy')[:-9], 'cannot be read'),
  'truncated header': ('.npy', whole('.npy')[:20], 'cannot be read'),
  'truncated npz': ('.npz', whole('.npz')[:-30], 'cannot be read'),
  'damaged npz': (
    '.npz',
    whole('.npz')[:200] + b'\xff' * 9 + whole('.npz')[209:],
    'cannot be read',
  ),
  'text': ('.npz', b'1,2,3\n', 'cannot be read'),
  'strings': ('.npy', np.array([['a', 'b']]), 'holds <U1'),
  'complex': ('.npy', make_clip(3, 17, 2) * 1j, 'holds complex128'),
  'true and false': ('.npy', make_clip(3, 17, 2) > 99, 'holds bool'),
  'flat': ('.npy', make_clip(3, 34), r'shape \(3, 34\), where \(frames'),
  'five axes': ('.npy', make_clip(1, 1, 3, 17, 2), 'numpy.transpose'),
  'channels first': ('.npy', make_clip(3, 9, 17), 'numpy.transpose'),
  'persons second': ('.npy', make_clip(9, 1, 17, 2), '9 persons in 1 frames'),
  'joints': ('.npy', make_clip(9, 18, 2), "18 joints, but layout 'coco_17'"),
}


@pytest.mark.parametrize('case', BAD_ARRAYS)
def test_bad_arrays(tmp_path, case):
  suffix, content, message = BAD_ARRAYS[case]
  path = tmp_path / f'clip{suffix}'
  if isinstance(content, bytes):
    put(path, content)
  else:
    save(path, content)
  with pytest.raises(UserError, match=f'(?s)clip{suffix}.*{message}'):
    keypoints(path)


def test_an_npz_of_several_arrays_needs_one_named_keypoints(tmp_path):
  clip = make_clip(3, 17, 2)
  with pytest.raises(UserError, match="no array 'keypoints'.*poses, scores"):
    keypoints(save(tmp_path / 'a.npz', poses=clip, scores=clip))
  with pytest.raises(UserError, match="no array 'keypoints'.*none"):
    keypoints(save(tmp_path / 'b.npz', image_size=[1, 2]))
  with pytest.raises(UserError, match=r'c.npz: image size \[640\]'):
    keypoints(save(tmp_path / 'c.npz', keypoints=clip, image_size=[640]))


# Tables


@pytest.mark.parametrize('axes', ['xy', 'xyz', 'xyc', 'xyzc'])
def test_table_with_a_header(tmp_path, axes):
  clip = make_clip(4, 17, len(axes))
  path = put(tmp_path / 'a.csv', table(clip.reshape(4, -1), columns(axes=axes)))
  np.testing.assert_array_equal(keypoints(path)[0], clip)
  found = own.find(own.Source(str(path)))
  assert found.confidence == axes.endswith('c') and found.layout == 'coco_17'


def test_columns_go_by_name(tmp_path):
  clip = make_clip(4, 17, 2)
  header = np.array([*columns(), 'time'])
  rows = np.concatenate([clip.reshape(4, -1), np.arange(4)[:, None]], 1)
  order = np.random.default_rng(1).permutation(35)
  path = put(
    tmp_path / 'a.csv', table(rows[:, order].tolist(), header[order].tolist())
  )
  np.testing.assert_array_equal(keypoints(path)[0], clip)


def test_table_of_frames_and_persons(tmp_path):
  """Ann is in frames 10, 12, 16 and Bob in 10 and 14, of every second."""
  poses = make_clip(5, 17, 3)
  poses[0, 3, 2] = 0
  rows = [
    [*poses[i].ravel(), *key]
    for i, key in enumerate(
      [(10, 'Bob'), (12, 'Ann'), (10, 'Ann'), (16, 'Ann'), (14, 'Bob')]
    )
  ]
  header = columns(axes='xyc', extra=['frame', 'person'])
  got = keypoints(put(tmp_path / 'a.csv', table(rows, header)))
  expected = np.zeros((2, 4, 17, 3))
  expected[0, [1, 0, 3]] = poses[[1, 2, 3]]  # has more confidence, so is first
  expected[1, [0, 2]] = poses[[0, 4]]
  expected[1, 0, 3] = 0
  np.testing.assert_array_equal(got, expected)


def test_persons_without_frames_have_their_rows_in_order(tmp_path):
  poses = make_clip(5, 17, 2)
  rows = [[*p.ravel(), who] for p, who in zip(poses, 'aabab', strict=True)]
  text = table(rows, columns(extra=['person']))
  got = keypoints(put(tmp_path / 'a.csv', text))
  np.testing.assert_array_equal(got[0], poses[[0, 1, 3]])
  np.testing.assert_array_equal(got[1, :2], poses[[2, 4]])
  assert not got[1, 2].any()


@pytest.mark.parametrize('channels', [2, 3, 4])
def test_table_without_a_header(tmp_path, channels):
  clip = make_clip(4, 17, channels)
  path = put(tmp_path / 'a.csv', table(clip.reshape(4, -1)))
  np.testing.assert_array_equal(keypoints(path)[0], clip)
  with pytest.raises(UserError, match='a.csv: without a header.*layout.yaml'):
    own.find(own.Source(str(path)))


def test_empty_cells_and_nan_are_missing(tmp_path):
  clip = make_clip(2, 17, 2)
  rows = clip.reshape(2, -1).tolist()
  rows[0][4:6], rows[1][0:2] = ['', ' '], ['nan', 'NaN']
  clip[0, 2] = clip[1, 0] = 0
  path = put(tmp_path / 'a.csv', '\ufeff' + table(rows, columns()) + '\r\n\r\n')
  np.testing.assert_array_equal(keypoints(path)[0], clip)
  rows[1][1] = 5
  with pytest.raises(UserError, match='b.csv, frame 1, person 0: x of joint 0'):
    keypoints(put(tmp_path / 'b.csv', table(rows, columns())))


@pytest.mark.parametrize('delimiter', [';', '\t'])
def test_other_delimiters(tmp_path, delimiter):
  clip = make_clip(2, 17, 2)
  text = table(clip.reshape(2, -1), columns()).replace(',', delimiter)
  path = put(tmp_path / 'a.csv', text)
  np.testing.assert_array_equal(keypoints(path)[0], clip)


def test_kinect_orders_are_told_apart_by_the_header(tmp_path):
  """kinect_20 and msr_20 have the same joints in another order."""
  clip = make_clip(2, 20, 2)
  for layout in ('kinect_20', 'msr_20'):
    text = table(clip.reshape(2, -1), columns(layout))
    found = own.find(own.Source(str(put(tmp_path / 'a.csv', text))))
    assert found.layout == layout
    np.testing.assert_array_equal(found.keypoints[0], clip)


GOOD_ROWS = make_clip(3, 17, 2).reshape(3, -1).tolist()


def altered(row, column, value):
  rows = [list(each) for each in GOOD_ROWS]
  rows[row][column] = value
  return table(rows, columns())


def framed(*frames, rows=GOOD_ROWS):
  rows = [[*row, frame] for row, frame in zip(rows, frames, strict=True)]
  return table(rows, columns(extra=['frame']))


BAD_TABLES = {
  'empty': ('', 'no frames'),
  'header alone': (table([], columns()), 'no frames'),
  'truncated': (table(GOOD_ROWS, columns())[:-30], 'line 4: .* values.*34'),
  'text': (
    altered(1, 5, 'far'),
    r"line 3, column 6 \(right_eye_y\): 'far' is no number",
  ),
  'infinity': (altered(1, 5, 'inf'), 'frame 1.*y of joint 2'),
  'a joint lacks': (
    table([r[2:] for r in GOOD_ROWS], columns()[2:]),
    "no column 'nose_x'",
  ),
  'one confidence': (
    table([[*r, 1] for r in GOOD_ROWS], columns(extra=['nose_confidence'])),
    "no column 'left_eye_confidence'",
  ),
  'twice': (table(GOOD_ROWS, [*columns()[:-1], 'nose_x']), "'nose_x'.*twice"),
  'no header, odd': (
    table([r[1:] for r in GOOD_ROWS]),
    'line 1: 33 values.*17 joints',
  ),
  'no header, one each': (table([r[:17] for r in GOOD_ROWS]), '1 channels'),
  'frame text': (framed(0, 1, 'b'), "line 4, column frame: 'b'"),
  'frame half': (framed(0, 1.5, 2), "line 3, column frame: '1.5'"),
  'frame twice': (framed(4, 5, 4), 'line 4: the frame and person of line 2'),
  'not UTF-8': (b'nose_x\xff', 'byte 6 is not UTF-8 text; save it as "CSV'),
  'UTF-16': ('nose_x,nose_y'.encode('utf-16'), 'byte 0 is not UTF-8'),
  'column numbers': (
    table(GOOD_ROWS, list(range(34))),
    'line 1: 0, 1, ... are column numbers, not a frame.*header=False',
  ),
  'column numbers and an index': (
    table([[i, *r] for i, r in enumerate(GOOD_ROWS)], ['', *range(34)]),
    'line 1: 0, 1, ... are column numbers',
  ),
  'two confidences': (
    table(
      [[*r, *[1] * 34] for r in GOOD_ROWS],
      columns()
      + [f'{n[:-2]}_{"score" if n[-1] == "y" else "conf"}' for n in columns()],
    ),
    "column 'nose_score' is of a joint of layout 'coco_17', but not read",
  ),
  'speed': (
    table([[*r, 1] for r in GOOD_ROWS], columns(extra=['left_ear_speed'])),
    "header: column 'left_ear_speed' is of a joint",
  ),
  'nul': (b'\0' * 9, 'byte 0 is not UTF-8'),
  'endless cell': ('"' + 'a,' * 100_000, 'line .*not a table'),
}


@pytest.mark.parametrize('case', BAD_TABLES)
def test_bad_tables(tmp_path, case):
  content, message = BAD_TABLES[case]
  with pytest.raises(UserError, match=f'(?s)clip.csv.*{message}'):
    keypoints(put(tmp_path / 'clip.csv', content))


def test_a_header_of_unknown_joints(tmp_path):
  path = put(tmp_path / 'a.csv', 'tail_x,tail_y\n1,2\n')
  with pytest.raises(UserError, match=r'header.*\(tail\).*layout.yaml'):
    own.find(own.Source(str(path)))


@pytest.mark.parametrize(
  'name', ['visibility', 'conf', 'score', 'likelihood', 'c', 'Confidence']
)
def test_other_names_of_a_confidence(tmp_path, name):
  clip = make_clip(3, 17, 3)
  header = [c.replace('confidence', name) for c in columns(axes='xyc')]
  path = put(tmp_path / 'a.csv', table(clip.reshape(3, -1), header))
  found = own.find(own.Source(str(path)))
  assert found.confidence and found.layout == 'coco_17'
  np.testing.assert_array_equal(found.keypoints[0], clip)


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
  header = [spell(name) for name in columns()]
  path = put(tmp_path / 'a.csv', table(clip.reshape(3, -1), header))
  found = own.find(own.Source(str(path)))
  assert found.layout == 'coco_17' and not found.notes
  np.testing.assert_array_equal(found.keypoints[0], clip)


def test_columns_that_are_not_read_are_noted(tmp_path):
  rows = [[*row, 3, 4, 5] for row in GOOD_ROWS]
  header = columns(extra=['', 'time', 'frame'])
  rows = [[*row[:-1], i] for i, row in enumerate(rows)]
  path = put(tmp_path / 'a.csv', table(rows, header))
  (note,) = own.find(own.Source(str(path))).notes
  assert "column 'time'" in note and 'a.csv' in note
  assert own.survey(sources(path)).notes == (note,)


@pytest.mark.parametrize('header', [True, False])
def test_german_excel(tmp_path, header):
  """Semicolons, decimal commas, and rows of nothing at the end."""
  clip = make_clip(3, 17, 2)
  text = table(clip.reshape(3, -1), columns() if header else None)
  text = text.replace(',', ';').replace('.', ',') + ';' * 33 + '\r\n'
  path = put(tmp_path / 'a.csv', '\ufeff' + text)
  np.testing.assert_array_equal(keypoints(path)[0], clip)


@pytest.mark.parametrize('cell', ['NA', 'n/a', '#N/A', 'null', 'None'])
def test_words_for_nothing(tmp_path, cell):
  clip = make_clip(3, 17, 2)
  rows = clip.reshape(3, -1).tolist()
  rows[0][:2], clip[0, 0] = [cell, cell], 0
  for header in (columns(), None):
    path = put(tmp_path / 'a.csv', table(rows, header))
    np.testing.assert_array_equal(keypoints(path)[0], clip)


def test_the_nearest_layout_is_named(tmp_path):
  header = [n.replace('left_knee', 'left_kne') for n in columns()]
  path = put(tmp_path / 'a.csv', table(GOOD_ROWS, header))
  with pytest.raises(
    UserError,
    match="nearest is 'coco_17': the header lacks left_knee and has also left_"
    'kne; name them as unik_jax/layouts.yaml',
  ):
    own.find(own.Source(str(path)))
  path = put(tmp_path / 'b.csv', 'time,speed\n1,2\n')
  with pytest.raises(UserError, match='no columns JOINT_x.*time, speed'):
    own.find(own.Source(str(path)))


def doubtful(confidence=0.7):
  clip = make_clip(4, 18, 3)
  clip[..., 2] = confidence
  clip[1, 2] = np.nan
  return clip


def test_a_third_channel_that_may_be_a_confidence(tmp_path):
  array = save(tmp_path / 'a.npy', doubtful())
  layout = get_layout('openpose_18')
  text = put(tmp_path / 'a.csv', table(doubtful().reshape(4, -1)))
  for path in (array, text):
    with pytest.raises(UserError, match=f'{path.name}: .* `confidence: true`'):
      own.survey(sources(path), layout=layout)
    for stated in (True, False):
      form = own.survey(sources(path), layout=layout, confidence=stated)
      assert form.confidence is stated
  # Metres, depth, and a header that says it.
  for clip in (doubtful() / [400, 400, 1], doubtful(1.5), doubtful()[..., :2]):
    path = save(tmp_path / 'b.npy', clip)
    assert not own.survey(sources(path)).confidence
  path = put(
    tmp_path / 'b.csv',
    table(doubtful().reshape(4, -1), columns('openpose_18', 'xyz')),
  )
  assert not own.survey(sources(path)).confidence


def test_axes_in_another_order_are_guessed(tmp_path):
  path = save(tmp_path / 'a.npy', make_clip(17, 9, 3))
  order = r'is the order \(frames, joints, channels\)'
  with pytest.raises(UserError, match=f'9 joints.*{order}'):
    keypoints(path)
  with pytest.raises(UserError, match=f'9 joints.*{order}'):
    own.survey(sources(path))


def test_no_advice_to_unpickle(tmp_path):
  for content in (b'', b'junk', pickle.dumps([1])):
    path = put(tmp_path / 'a.npy', content)
    with pytest.raises(UserError) as error:
      keypoints(path)
    assert 'allow_pickle' not in str(error.value)


def test_mediapipes_own_names(tmp_path):
  clip = make_clip(3, 33, 4)
  header = [
    name.replace('left_mouth', 'mouth_left')
    .replace('right_mouth', 'mouth_right')
    .replace('confidence', 'visibility')
    .upper()
    for name in columns('mediapipe_33', 'xyzc')
  ]
  path = put(tmp_path / 'a.csv', table(clip.reshape(3, -1), header))
  found = own.find(own.Source(str(path)))
  assert found.layout == 'mediapipe_33' and found.confidence
  np.testing.assert_array_equal(found.keypoints[0], clip)
