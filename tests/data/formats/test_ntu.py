"""NTU RGB+D's files, line by line, and their names."""

import hashlib
import re

import numpy as np
import pytest
from helpers.golden_files import EXPECTED, FOLDER, NTU_FILES
from helpers.ntu import (
  ANN,
  LINES,
  TEXT,
  make_frames,
  replace_lines,
  skeleton_text,
  text_with_coordinate,
)

from unik_jax.data import raw_files
from unik_jax.data.formats import ntu, ntu_actions, ntu_text
from unik_jax.errors import UserError

# Golden files of the published scripts


@pytest.mark.parametrize('path', NTU_FILES, ids=lambda path: path.stem)
def test_slots_equal_the_published_script(path):
  expected = np.load(EXPECTED)[f'ntu_read/{path.name}']
  clip = ntu.read_skeletons(raw_files.RawFile(str(path)), tracking='slot')
  assert clip.dtype == np.float32
  np.testing.assert_array_equal(clip, expected.transpose(3, 1, 2, 0))


def test_golden_files_exist():
  assert NTU_FILES, f'no golden files in {FOLDER}/ntu_raw'


# Parsing


@pytest.mark.parametrize('newline', ['\n', '\r\n', ' \t\r\n'])
def test_reads_every_body(newline):
  frames = make_frames()
  bodies = ntu_text.parse_bodies(
    skeleton_text(frames, newline).encode(), 'clip'
  )
  assert bodies.num_frames == 4
  assert bodies.frames.tolist() == [0, 1, 1, 3, 3]
  assert bodies.slots.tolist() == [0, 0, 1, 0, 1]
  assert bodies.ids.tolist() == [0, 0, 1, 1, 0]
  expected = [pose for bodies in frames for _, pose in bodies]
  np.testing.assert_array_equal(bodies.joints, np.float32(expected))


@pytest.mark.parametrize(
  'text',
  ['0', '-0', '-0.0', '0.', '.5', '-.5', '+1.5', '12.75', '-12.75', '007.5']
  + ['1e2', '-6.420707e-05', '1.5E-3', '0.1234567890', '0.12345678901']
  + ['9.9999999999', '3.4028234e38', '-0.05349901', '0.3333333333333333333'],
)
@pytest.mark.parametrize('axis', [0, 1, 2])
def test_numbers_of_every_form(text, axis):
  joints = ntu_text.parse_bodies(
    text_with_coordinate(text, axis=axis), 'clip'
  ).joints
  value = joints[0, 5, axis]
  assert value.tobytes() == np.float32(float(text)).tobytes()
  rest = np.delete(joints.ravel(), 15 + axis)
  expected = make_frames([[ANN]])[0][0][1].ravel()
  np.testing.assert_array_equal(
    rest, np.float32(np.delete(expected, 15 + axis))
  )


def test_unused_values_are_not_parsed():
  """The tracker writes infinities among the pixel coordinates."""
  text = skeleton_text(make_frames())
  changed = text.replace('1002.657 528.821', '-1.#INF nan')
  for a, b in zip(
    ntu_text.parse_bodies(text.encode(), ''),
    ntu_text.parse_bodies(changed.encode(), ''),
    strict=True,
  ):
    np.testing.assert_array_equal(a, b)


JOINT = LINES[4]


BAD = {
  'empty': ('', "line 1: .*number of frames, got ''"),
  'no frames': ('0\n', "line 1: .*number of frames above 0, got '0'"),
  'frames no number': (
    replace_lines((1, 'x')),
    "line 1: .*number of frames, got 'x'",
  ),
  'frames negative': (
    replace_lines((1, '-4')),
    "line 1: .*number of frames, got '-4'",
  ),
  'frames a novel': (
    replace_lines((1, '9' * 5000)),
    "line 1: .*number of frames, got '9999",
  ),
  'a frame less': (
    replace_lines((1, '3')),
    "line 86: .*the end after the 3 frames.*got '2'",
  ),
  'a frame more': (
    replace_lines((1, '5')),
    'line 141: .*number of bodies.*got the end of the file',
  ),
  'two files in one': (TEXT * 2, "line 141: .*the end after.*got '4'"),
  'junk at the end': (TEXT + 'junk', "line 141: .*the end after.*got 'junk'"),
  'bodies no number': (
    replace_lines((30, '')),
    "line 30: .*number of bodies.*got ''",
  ),
  'bodies a float': (
    replace_lines((30, '2.0')),
    "line 30: .*number of bodies.*got '2.0'",
  ),
  'a body less': (
    replace_lines((30, '1')),
    'line 58: .*number of bodies',
  ),
  'a body more': (
    replace_lines((30, '3')),
    "line 85: .*body 3 of 3 in frame 1.*got '0'",
  ),
  'no body': (
    replace_lines((30, '0')),
    'line 31: .*number of bodies in frame',
  ),
  'a body too many at the end': (
    replace_lines((86, '3')),
    'line 141: .*body 3 of 3 in frame 3.*got the end of the file',
  ),
  'ID no number': (
    replace_lines((31, LINES[30].replace(str(ANN), 'Ann'))),
    "line 31: .*body 1 of 2 in frame 1.*got 'Ann 0 ",
  ),
  'a value less for a body': (
    replace_lines((31, LINES[30][:-2])),
    'line 31: .*body 1 of 2 in frame 1 .bodyID and 9 values',
  ),
  '24 joints': (
    replace_lines((4, '24')),
    "line 4: .*25, the number of joints.*got '24'",
  ),
  '20 joints throughout': (
    re.sub(r'(?m)^25$', '20', TEXT),
    "line 4: .*25, the number of joints.*got '20'",
  ),
  'joints missing': (
    replace_lines((58 + 1, None)),
    'line 59: .*25, the number of joints',
  ),
  'a joint less': (
    replace_lines((70, None)),
    'line 84: .*joint 24 .12 values.* of b',
  ),
  'a joint more': (
    replace_lines((29, f'{JOINT}\n{JOINT}')),
    'line 30: .*number',
  ),
  'a value less': (
    replace_lines((7, JOINT[:-2])),
    'line 7: .*joint 2 .12 values',
  ),
  'a value more': (
    replace_lines((7, JOINT + ' 1')),
    'line 7: .*joint 2 .12 values',
  ),
  'empty line': (replace_lines((7, '')), "line 7: .*joint 2.*got ''"),
  'text': (
    replace_lines((7, JOINT.replace('0.', 'O.'))),
    'line 7: .*x y z as numbers',
  ),
  'decimal comma': (
    replace_lines((7, JOINT.replace('.', ','))),
    'line 7: .*as numbers',
  ),
  'two points': (replace_lines((7, '0.1.2' + JOINT)), 'line 7: .*as numbers'),
  'minus': (replace_lines((7, '- ' + JOINT[:-2])), 'line 7: .*as numbers'),
  'NaN': (replace_lines((7, 'nan ' + JOINT[:-2])), 'line 7: .*finite x y z'),
  "Windows' NaN": (
    replace_lines((7, '-1.#IND ' + JOINT[:-2])),
    'line 7: .*as numbers',
  ),
  'infinity': (
    replace_lines((7, '-inf ' + JOINT[:-2])),
    'line 7: .*finite x y z',
  ),
  'too large': (
    replace_lines((7, '1e39 ' + JOINT[:-2])),
    'line 7: .*finite x y z',
  ),
  'NUL': ('\0' * 99, 'line 1: .*number of frames'),
  'NUL within': (
    replace_lines((7, JOINT[:3] + '\0' + JOINT[4:])),
    'line 7: .*as numbers',
  ),
  'binary': (
    replace_lines((7, '\xff\xfe' * 12)),
    'line 7: .*joint 2 .12 values',
  ),
  'a page': ('<html>Sign in</html>', 'line 1: .*number of frames'),
}


@pytest.mark.parametrize('newline', ['\n', '\r\n'])
@pytest.mark.parametrize('case', BAD)
def test_errors_name_the_file_and_line(case, newline):
  text, place = BAD[case]
  content = text.replace('\n', newline).encode('latin-1')
  with pytest.raises(UserError, match=f'^some/clip, {place}.*again$'):
    ntu_text.parse_bodies(content, 'some/clip')


@pytest.mark.parametrize('newline', ['\n', '\r\n'])
def test_cut_short_anywhere(newline):
  content = skeleton_text(make_frames(), newline).encode()
  for size in [*range(0, 700), *range(700, len(content.rstrip()), 37)]:
    with pytest.raises(UserError, match=r'^clip, line \d+: '):
      ntu_text.parse_bodies(content[:size], 'clip')
  ntu_text.parse_bodies(content.rstrip(), 'clip')


def test_nobody_in_any_frame(tmp_path):
  path = tmp_path / 'a.skeleton'
  path.write_text(skeleton_text(make_frames([(), ()])))
  with pytest.raises(
    UserError, match='a.skeleton: no body.* 2 frames.*missing_skeletons'
  ):
    ntu.read_skeletons(raw_files.RawFile(str(path)))


# Names, actions, protocols


def test_names():
  for name in ('S001C002P003R002A013', 'S001C002P003R002A013.skeleton'):
    assert ntu.parse_clip_name(name, name) == (1, 2, 3, 2, 13)
  assert ntu.parse_clip_name('S032C003P106R001A120', '') == (32, 3, 106, 1, 120)


@pytest.mark.parametrize(
  ('name', 'message'),
  [
    ('S001C002P003R002', 'SsssCcccPpppRrrrAaaa'),
    ('S001C002P003R002A13', 'SsssCcccPpppRrrrAaaa'),
    ('S001C002P003R002A013x', 'SsssCcccPpppRrrrAaaa'),
    ('s001c002p003r002a013', 'SsssCcccPpppRrrrAaaa'),
    ('S001C002P003R002A०१३', 'SsssCcccPpppRrrrAaaa'),
    ('walk', 'SsssCcccPpppRrrrAaaa'),
    ('S000C001P001R001A001', 'setup from 1 to 32, got 0'),
    ('S033C001P001R001A001', 'setup from 1 to 32, got 33'),
    ('S001C000P001R001A001', 'camera from 1 to 3, got 0'),
    ('S001C004P001R001A001', 'camera from 1 to 3, got 4'),
    ('S001C001P000R001A001', 'subject from 1 to 106, got 0'),
    ('S001C001P107R001A001', 'subject from 1 to 106, got 107'),
    ('S001C001P001R001A000', 'action from 1 to 120, got 0'),
    ('S001C001P001R001A121', 'action from 1 to 120, got 121'),
  ],
)
def test_errors_in_names(name, message):
  with pytest.raises(UserError, match=f'^a/b: .*{message}'):
    ntu.parse_clip_name(name, 'a/b')


def test_actions():
  """Compared by name with the authors' README (which has "quite" for quiet)."""
  names = ntu_actions.ACTIONS
  assert len(names) == len(set(names)) == 120
  known = {1: 'drink water', 27: 'jump up', 43: 'falling', 58: 'handshaking'}
  known |= {60: 'walking apart from each other', 61: 'put on headphone'}
  known |= {69: 'thumb up', 70: 'thumb down', 80: 'squat down', 103: 'yawn'}
  assert {number: names[number - 1] for number in known} == known
  digest = hashlib.sha256('\n'.join(names).encode()).hexdigest()
  assert digest == (
    '87a4bf44c604b2ea401474ae8f5b14d339cbb3d7d9bd4195fdc50f3fc6c6c2bd'
  )


def test_a_list_of_missing_skeletons():
  """It has prose, an empty line, and names."""
  prose = '2 of the samples in "NTU RGB+D" are incomplete.\nIgnore them.\n\n'
  names = ['S001C002P005R002A008', 'S017C003P020R001A059']
  for text in (
    prose + '\n'.join(names),
    '\r\n'.join([*names, names[0], '']),
    '.skeleton\n'.join([*names, '']),
  ):
    assert ntu.parse_missing_list(text, 'list') == set(names)
  with pytest.raises(UserError, match='^list, line 4: .*SsssCccc'):
    ntu.parse_missing_list(prose + names[0][:-1], 'list')
  with pytest.raises(UserError, match='^list: .*got none'):
    ntu.parse_missing_list(prose, 'list')
