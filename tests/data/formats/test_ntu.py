"""NTU RGB+D's files, line by line, and their names.

UNIK_PREPROCESS_DIR names the folder of what the published scripts make of raw
files (default: tests/golden/preprocess).
"""

import hashlib
import os
import pathlib
import re

import numpy as np
import pytest
from helpers.fixtures import (
  ANN,
  make_frames,
  skeleton_text,
)
from helpers.ntu import LINES, WHOLE, altered, with_value

from unik_jax.data import raw_files
from unik_jax.data.formats import ntu, ntu_actions
from unik_jax.errors import UserError

_HERE = pathlib.Path(__file__).parents[2]
FOLDER = pathlib.Path(
  os.environ.get('UNIK_PREPROCESS_DIR', _HERE / 'golden' / 'preprocess')
)
RAW = sorted((FOLDER / 'ntu_raw').glob('*.skeleton'))


# What the published scripts make of the same files


@pytest.mark.parametrize('path', RAW, ids=lambda path: path.stem)
def test_as_the_published_script_reads(path):
  expected = np.load(FOLDER / 'expected.npz')[f'ntu_read/{path.name}']
  clip = ntu.read_skeletons(raw_files.RawFile(str(path)), tracking='slot')
  assert clip.dtype == np.float32
  np.testing.assert_array_equal(clip, expected.transpose(3, 1, 2, 0))


def test_there_are_files():
  assert RAW, f'no golden files in {FOLDER}/ntu_raw'


# Parsing


@pytest.mark.parametrize('newline', ['\n', '\r\n', ' \t\r\n'])
def test_reads_every_body(newline):
  frames = make_frames()
  bodies = ntu.parse_bodies(skeleton_text(frames, newline).encode(), 'clip')
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
  joints = ntu.parse_bodies(with_value(text, axis=axis), 'clip').joints
  value = joints[0, 5, axis]
  assert value.tobytes() == np.float32(float(text)).tobytes()
  rest = np.delete(joints.ravel(), 15 + axis)
  expected = make_frames([[ANN]])[0][0][1].ravel()
  np.testing.assert_array_equal(
    rest, np.float32(np.delete(expected, 15 + axis))
  )


def test_what_is_not_needed_is_not_looked_at():
  """The tracker itself writes infinities among the pixel coordinates."""
  text = skeleton_text(make_frames())
  odd = text.replace('1002.657 528.821', '-1.#INF nan')
  for a, b in zip(
    ntu.parse_bodies(text.encode(), ''),
    ntu.parse_bodies(odd.encode(), ''),
    strict=True,
  ):
    np.testing.assert_array_equal(a, b)


JOINT = LINES[4]


BAD = {
  'empty': ('', "line 1: '' where the number of frames"),
  'no frames': ('0\n', "line 1: '0' where a number of frames above 0"),
  'frames no number': (altered((1, 'x')), "line 1: 'x' where the number of fr"),
  'frames negative': (altered((1, '-4')), "line 1: '-4' where the number of"),
  'frames a novel': (altered((1, '9' * 5000)), "line 1: '9999.* where the num"),
  'a frame less': (
    altered((1, '3')),
    "line 86: '2' where the end, after th",
  ),
  'a frame more': (altered((1, '5')), 'line 141: the file ends where the numb'),
  'two files in one': (WHOLE * 2, "line 141: '4' where the end"),
  'junk at the end': (WHOLE + 'junk', "line 141: 'junk' where the end"),
  'bodies no number': (
    altered((30, '')),
    "line 30: '' where the number of b",
  ),
  'bodies a float': (altered((30, '2.0')), "line 30: '2.0' where the number"),
  'a body less': (altered((30, '1')), 'line 58: .* where the number of bodies'),
  'a body more': (
    altered((30, '3')),
    "line 85: '0' where body 3 of the 3 in",
  ),
  'no body': (altered((30, '0')), 'line 31: .* where the number of bodies in '),
  'a body too many at the end': (
    altered((86, '3')),
    'line 141: the file ends where body 3 of the 3 in frame 3',
  ),
  'ID no number': (
    altered((31, LINES[30].replace(str(ANN), 'Ann'))),
    "line 31: 'Ann 0 .*where body 1 of the 2 in frame 1",
  ),
  'a value less for a body': (
    altered((31, LINES[30][:-2])),
    'line 31: .* where body 1 of the 2 in frame 1 .bodyID and 9 values',
  ),
  '24 joints': (altered((4, '24')), "line 4: '24' where 25, the number of j"),
  '20 joints throughout': (
    re.sub(r'(?m)^25$', '20', WHOLE),
    "line 4: '20' where 25",
  ),
  'joints missing': (altered((58 + 1, None)), 'line 59: .* where 25, the numb'),
  'a joint less': (
    altered((70, None)),
    'line 84: .*joint 24 .12 values.* of b',
  ),
  'a joint more': (
    altered((29, f'{JOINT}\n{JOINT}')),
    'line 30: .*number',
  ),
  'a value less': (altered((7, JOINT[:-2])), 'line 7: .*joint 2 .12 values'),
  'a value more': (altered((7, JOINT + ' 1')), 'line 7: .*joint 2 .12 values'),
  'empty line': (altered((7, '')), "line 7: '' where joint 2"),
  'text': (altered((7, JOINT.replace('0.', 'O.'))), 'line 7: .* x y z as numb'),
  'decimal comma': (
    altered((7, JOINT.replace('.', ','))),
    'line 7: .* as num',
  ),
  'two points': (altered((7, '0.1.2' + JOINT)), 'line 7: .* as numbers'),
  'minus': (altered((7, '- ' + JOINT[:-2])), 'line 7: .* as numbers'),
  'NaN': (altered((7, 'nan ' + JOINT[:-2])), 'line 7: .* finite'),
  "Windows' NaN": (altered((7, '-1.#IND ' + JOINT[:-2])), 'line 7: .* as num'),
  'infinity': (altered((7, '-inf ' + JOINT[:-2])), 'line 7: .* finite'),
  'too large': (altered((7, '1e39 ' + JOINT[:-2])), 'line 7: .* finite'),
  'NUL': ('\0' * 99, 'line 1: .*where the number of frames'),
  'NUL within': (altered((7, JOINT[:3] + '\0' + JOINT[4:])), 'line 7: .*numb'),
  'binary': (altered((7, '\xff\xfe' * 12)), 'line 7: .*joint 2 .12 values'),
  'a page': ('<html>Sign in</html>', 'line 1: .*where the number of frames'),
}


@pytest.mark.parametrize('newline', ['\n', '\r\n'])
@pytest.mark.parametrize('case', BAD)
def test_bad_files_are_named_with_the_line(case, newline):
  text, place = BAD[case]
  content = text.replace('\n', newline).encode('latin-1')
  with pytest.raises(UserError, match=f'^some/clip, {place}.*again$'):
    ntu.parse_bodies(content, 'some/clip')


@pytest.mark.parametrize('newline', ['\n', '\r\n'])
def test_cut_short_anywhere(newline):
  content = skeleton_text(make_frames(), newline).encode()
  for size in [*range(0, 700), *range(700, len(content.rstrip()), 37)]:
    with pytest.raises(UserError, match=r'^clip, line \d+: '):
      ntu.parse_bodies(content[:size], 'clip')
  ntu.parse_bodies(content.rstrip(), 'clip')


def test_nobody_in_any_frame(tmp_path):
  path = tmp_path / 'a.skeleton'
  path.write_text(skeleton_text(make_frames([(), ()])))
  with pytest.raises(UserError, match='a.skeleton: no body.* 2 frames.*missi'):
    ntu.read_skeletons(raw_files.RawFile(str(path)))


# Names, actions, protocols


def test_names():
  for name in ('S001C002P003R002A013', 'S001C002P003R002A013.skeleton'):
    assert ntu.parse_clip_name(name, name) == (1, 2, 3, 2, 13)
  assert ntu.parse_clip_name('S032C003P106R001A120', '') == (32, 3, 106, 1, 120)


@pytest.mark.parametrize(
  ('name', 'message'),
  [
    ('S001C002P003R002', 'not of the form'),
    ('S001C002P003R002A13', 'not of the form'),
    ('S001C002P003R002A013x', 'not of the form'),
    ('s001c002p003r002a013', 'not of the form'),
    ('S001C002P003R002A०१३', 'not of the form'),
    ('walk', 'not of the form'),
    ('S000C001P001R001A001', 'setup 0, .* 1 to 32'),
    ('S033C001P001R001A001', 'setup 33, .* 1 to 32'),
    ('S001C000P001R001A001', 'camera 0, .* 1 to 3'),
    ('S001C004P001R001A001', 'camera 4, .* 1 to 3'),
    ('S001C001P000R001A001', 'subject 0, .* 1 to 106'),
    ('S001C001P107R001A001', 'subject 107, .* 1 to 106'),
    ('S001C001P001R001A000', 'action 0, .* 1 to 120'),
    ('S001C001P001R001A121', 'action 121, .* 1 to 120'),
  ],
)
def test_bad_names(name, message):
  with pytest.raises(UserError, match=f'^a/b: .*{message}'):
    ntu.parse_clip_name(name, 'a/b')


def test_actions():
  """Compared name by name with the authors' README (its "quite" is quiet)."""
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
  """In the authors' form: prose, an empty line, names."""
  prose = '2 of the samples in "NTU RGB+D" are incomplete.\nIgnore them.\n\n'
  names = ['S001C002P005R002A008', 'S017C003P020R001A059']
  for text in (
    prose + '\n'.join(names),
    '\r\n'.join([*names, names[0], '']),
    '.skeleton\n'.join([*names, '']),
  ):
    assert ntu.parse_missing_list(text, 'list') == set(names)
  with pytest.raises(UserError, match='^list, line 4: name is not of the form'):
    ntu.parse_missing_list(prose + names[0][:-1], 'list')
  with pytest.raises(UserError, match='^list: no names'):
    ntu.parse_missing_list(prose, 'list')
