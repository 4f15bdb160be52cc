"""Raw files in folders and archives, and damaged or malicious ones."""

import contextlib
import os
import pathlib
import pickle
import struct
import zipfile

import pytest
from helpers.pickles import malicious_pickle

from unik_jax.data import raw_files
from unik_jax.errors import UserError


def archive(path, **members):
  with zipfile.ZipFile(path, 'w') as file:
    for name, content in members.items():
      file.writestr(name, content)


def test_finds_files_and_members_in_the_order_of_their_names(tmp_path):
  (tmp_path / 'deep' / 'er').mkdir(parents=True)
  (tmp_path / 'deep' / 'er' / 'b.txt').write_bytes(b'b')
  (tmp_path / 'd.txt').write_bytes(b'd')
  (tmp_path / 'd.csv').write_bytes(b'no')
  (tmp_path / '.hidden.txt').write_bytes(b'no')
  archive(
    tmp_path / 'deep' / 'all.zip',
    **{
      'folder/a.txt': 'a',
      'c.txt': 'c',
      '__MACOSX/folder/._a.txt': 'no',
      'folder/readme.md': 'no',
    },
  )
  files = raw_files.find_files(tmp_path, '.txt')
  assert [file.name for file in files] == ['a.txt', 'b.txt', 'c.txt', 'd.txt']
  assert [file.read_bytes() for file in files] == [b'a', b'b', b'c', b'd']
  assert files[0].stem == 'a'
  assert str(files[0]).endswith('all.zip: folder/a.txt')
  assert str(files[3]) == str(tmp_path / 'd.txt')


@pytest.mark.parametrize(
  'member',
  [
    '../evil.txt',
    '/evil.txt',
    'a/../../evil.txt',
    '..\\evil.txt',
    'C:/evil.txt',
    '../evil.md',
  ],
)
def test_a_member_that_leads_out_is_refused(tmp_path, member):
  archive(tmp_path / 'a.zip', **{member: 'x'})
  with pytest.raises(UserError, match='(?s)a.zip.*leads out'):
    raw_files.find_files(tmp_path, '.txt')


def test_a_broken_archive(tmp_path):
  archive(tmp_path / 'a.zip', **{'a.txt': 'x' * 1000})
  content = (tmp_path / 'a.zip').read_bytes()
  (tmp_path / 'a.zip').write_bytes(content[: len(content) // 2])
  with pytest.raises(UserError, match=r'a\.zip: cannot be read'):
    raw_files.find_files(tmp_path, '.txt')


def test_a_member_named_dot(tmp_path):
  archive(tmp_path / 'a.zip', **{'./': '', './a.txt': 'a'})
  (file,) = raw_files.find_files(tmp_path, '.txt')
  assert file.read_bytes() == b'a'


def patched(content, *, local, central, value):
  """Replaces a 2-byte field of a member's local and central headers."""
  content = bytearray(content)
  struct.pack_into('<H', content, local, value)
  start = content.index(b'PK\x01\x02')
  struct.pack_into('<H', content, start + central, value)
  return bytes(content)


def deflate64(content):
  return patched(content, local=8, central=10, value=9)


def encrypted(content):
  return patched(content, local=6, central=8, value=1)


def flipped(content):
  content = bytearray(content)
  content[100] ^= 1
  return bytes(content)


def cut_short(content):
  """States 1 GiB in the index, but ends before."""
  content = bytearray(content)
  start = content.index(b'PK\x01\x02')
  struct.pack_into('<II', content, start + 20, 1 << 30, 1 << 30)
  return bytes(content)


def overlapping(content):
  """States one byte too many in the index."""
  content = bytearray(content)
  start = content.index(b'PK\x01\x02')
  struct.pack_into('<II', content, start + 20, 1001, 1001)
  return bytes(content)


def bomb(content):
  content = bytearray(content)
  start = content.index(b'PK\x01\x02')
  struct.pack_into('<I', content, start + 24, (1 << 30) + 1)
  return bytes(content)


DAMAGES = {
  'flipped bit': (flipped, 'CRC'),
  'Deflate64': (deflate64, 'compression'),
  'encrypted': (encrypted, 'encrypted'),
  'cut short': (cut_short, f'its {1 << 30} bytes overlap'),
  'overlapping': (overlapping, 'its 1001 bytes overlap'),
  'too large': (bomb, 'unpack to 1073741825 bytes'),
}


@pytest.mark.parametrize('case', DAMAGES)
def test_a_member_that_cannot_be_read(tmp_path, case):
  damage, reason = DAMAGES[case]
  archive(tmp_path / 'a.zip', **{'a.txt': 'x' * 1000})
  content = (tmp_path / 'a.zip').read_bytes()
  (tmp_path / 'a.zip').write_bytes(damage(content))
  (file,) = raw_files.find_files(tmp_path, '.txt')
  with pytest.raises(
    UserError, match=rf'a\.zip: a\.txt: cannot be read.*{reason}'
  ):
    file.read_bytes()


def test_a_member_longer_than_stated(tmp_path):
  with zipfile.ZipFile(tmp_path / 'a.zip', 'w', zipfile.ZIP_DEFLATED) as writer:
    writer.writestr('a.txt', bytes(10**6))
  content = bytearray((tmp_path / 'a.zip').read_bytes())
  struct.pack_into('<I', content, content.index(b'PK\x01\x02') + 24, 1000)
  (tmp_path / 'a.zip').write_bytes(content)
  (file,) = raw_files.find_files(tmp_path, '.txt')
  with pytest.raises(UserError, match=r'a\.txt: cannot be read.*CRC'):
    file.read_bytes()


def not_utf8(folder, name):
  path = pathlib.Path(os.fsdecode(os.fsencode(folder) + b'/' + name))
  path.write_bytes(b'x')
  return path


@pytest.mark.parametrize('name', [b'caf\xe9.txt', b'caf\xe9.zip'])
def test_a_name_that_is_not_utf8(tmp_path, name):
  not_utf8(tmp_path, name)
  with pytest.raises(UserError, match='not UTF-8; rename'):
    raw_files.find_files(tmp_path, '.txt')


def test_a_member_whose_name_is_not_utf8(tmp_path):
  archive(tmp_path / 'a.zip', **{'\u00e9.txt': 'x'})  # marked as UTF-8
  content = (tmp_path / 'a.zip').read_bytes()
  (tmp_path / 'a.zip').write_bytes(content.replace(b'\xc3\xa9', b'\xff\xff'))
  with pytest.raises(UserError, match=r'a\.zip: cannot be read .*utf-8'):
    raw_files.find_files(tmp_path, '.txt')


def test_other_files_may_have_any_name(tmp_path):
  not_utf8(tmp_path, b'notes\xff.md')
  (tmp_path / 'a.txt').touch()
  assert [file.name for file in raw_files.find_files(tmp_path, '.txt')] == [
    'a.txt'
  ]


def test_bad_names_and_archives_can_be_skipped(tmp_path):
  odd = not_utf8(tmp_path, b'notes\xff.txt')
  (tmp_path / 'thesis.zip').write_bytes(b'not an archive')
  archive(tmp_path / 'slip.zip', **{'c.txt': 'c', '../d.txt': 'd'})
  archive(tmp_path / 'fine.zip', **{'a.txt': 'a'})
  (tmp_path / 'b.txt').touch()
  skipped = {}

  @contextlib.contextmanager
  def on_bad(path):
    try:
      yield
    except UserError as error:
      skipped[path] = str(error)

  files = raw_files.find_files(tmp_path, '.txt', on_bad)
  assert [file.name for file in files] == ['a.txt', 'b.txt']
  names = ('thesis.zip', 'slip.zip', odd.name)
  assert set(skipped) == {str(tmp_path / name) for name in names}
  assert 'leads out' in skipped[str(tmp_path / 'slip.zip')]


def test_several_suffixes(tmp_path):
  for name in ('a.txt', 'b.csv', 'c.md'):
    (tmp_path / name).touch()
  files = raw_files.find_files(tmp_path, ('.txt', '.csv'))
  assert [file.name for file in files] == ['a.txt', 'b.csv']


def test_links_are_followed_once(tmp_path):
  (tmp_path / 'elsewhere').mkdir()
  (tmp_path / 'elsewhere' / 'a.txt').touch()
  (tmp_path / 'data' / 'deep').mkdir(parents=True)
  (tmp_path / 'data' / 'deep' / 'b.txt').touch()
  for name in ('link', 'again'):
    (tmp_path / 'data' / name).symlink_to(tmp_path / 'elsewhere')
  (tmp_path / 'data' / 'deep' / 'loop').symlink_to(tmp_path / 'data')
  files = raw_files.find_files(tmp_path / 'data', '.txt')
  assert [file.path for file in files] == [
    str(tmp_path / 'data' / 'again' / 'a.txt'),
    str(tmp_path / 'data' / 'deep' / 'b.txt'),
  ]


def test_a_file_that_is_gone(tmp_path):
  with pytest.raises(UserError, match='gone.txt: cannot be read'):
    raw_files.RawFile(str(tmp_path / 'gone.txt')).read_bytes()


@pytest.mark.parametrize(
  'content, words',
  [
    (b'{"a": 1', 'line 1, column 8'),
    (b'{\n "a": \xff}', 'byte 8 is not UTF-8'),
    (b'[' * 100_000, 'nested'),
    (b'[' + b'9' * 5000 + b']', 'digits'),
  ],
)
def test_json_errors_name_the_place(tmp_path, content, words):
  (tmp_path / 'a.json').write_bytes(content)
  with pytest.raises(UserError, match=rf'a\.json: .*{words}'):
    raw_files.read_json(raw_files.RawFile(str(tmp_path / 'a.json')))


def test_json_with_a_byte_order_mark(tmp_path):
  (tmp_path / 'a.json').write_bytes(b'\xef\xbb\xbf{"a": [1.5]}')
  assert raw_files.read_json(raw_files.RawFile(str(tmp_path / 'a.json'))) == {
    'a': [1.5]
  }


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_pickle_is_not_loaded(tmp_path, protocol):
  content = malicious_pickle(tmp_path / 'made', protocol)
  (tmp_path / 'a.json').write_bytes(content)
  with pytest.raises(UserError, match=r'a\.json: '):
    raw_files.read_json(raw_files.RawFile(str(tmp_path / 'a.json')))
  assert not (tmp_path / 'made').exists()
