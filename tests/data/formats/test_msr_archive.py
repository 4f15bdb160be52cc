"""Errors in MSR-Action3D's archive and in its list of used files."""

import gzip
import io
import os
import pathlib
import re
import tarfile

import pytest
from helpers.msr_action3d import (
  SUFFIX,
  open_msr,
  prepare_msr,
  used_list,
  write_msr_files,
)
from helpers.pickles import malicious_pickle
from helpers.reports import read_report

from unik_jax.errors import UserError


def cut_in_half(content):
  return content[: len(content) // 2]


def broken_stream(content):
  """Replaces 64 bytes in the middle by zeros."""
  middle = len(content) // 2
  return content[:middle] + bytes(64) + content[middle + 64 :]


def changed_digit(content):
  """Changes a coordinate, which only gzip's checksum protects."""
  uncompressed = bytearray(gzip.compress(gzip.decompress(content), 0))
  first = re.search(rb'\d\.\d+', uncompressed).start()
  uncompressed[first] = (
    ord('8') if uncompressed[first] != ord('8') else ord('7')
  )
  return bytes(uncompressed)


@pytest.mark.parametrize(
  'damage',
  [
    cut_in_half,
    broken_stream,
    changed_digit,
    lambda _: b'',
    lambda _: b'<html>Sign in</html>' * 9,
  ],
  ids=['cut', 'broken stream', 'changed digit', 'empty', 'html'],
)
def test_a_corrupt_archive(tmp_path, damage):
  write_msr_files(tmp_path / 'manual')
  archive = tmp_path / 'manual' / 'msraction3d.tar.gz'
  archive.write_bytes(damage(archive.read_bytes()))
  with pytest.raises(UserError, match='(?s)manual.*again'):
    prepare_msr(tmp_path, tmp_path / 'manual')
  assert open_msr(tmp_path) is None


@pytest.mark.parametrize(
  'content',
  [b'', b'x' * 999, cut_in_half(used_list(['a01_s01_e01']))],
  ids=['empty', 'text', 'cut'],
)
def test_a_corrupt_list_of_used_files(tmp_path, content):
  replaced = {'files_used.mat': content}
  write_msr_files(tmp_path / 'manual', replaced=replaced)
  with pytest.raises(UserError, match='files_used.mat'):
    prepare_msr(tmp_path, tmp_path / 'manual')


def add_member(archive, name, content=b''):
  """Adds a member to a .tar.gz."""
  tar_content = io.BytesIO(gzip.decompress(archive.read_bytes()))
  with tarfile.open(fileobj=tar_content, mode='a') as tar:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
  archive.write_bytes(gzip.compress(tar_content.getvalue()))


@pytest.mark.parametrize(
  'name', ['../a01_s01_e01', '/a01_s01_e01', 'a/../../a01_s01_e01', '..\\a']
)
@pytest.mark.parametrize('suffix', [SUFFIX, '.sh'])
def test_a_member_that_leads_out_of_the_archive(tmp_path, name, suffix):
  write_msr_files(tmp_path / 'manual')
  add_member(tmp_path / 'manual' / 'msraction3d.tar.gz', name + suffix)
  with pytest.raises(UserError, match=r'3d\.tar\.gz: member .*leads out'):
    prepare_msr(tmp_path, tmp_path / 'manual')
  assert open_msr(tmp_path) is None


NOT_UTF8 = os.fsdecode(b'a01_\xff' + SUFFIX.encode())


def test_a_member_whose_name_is_not_utf8(tmp_path):
  write_msr_files(tmp_path / 'manual')
  add_member(tmp_path / 'manual' / 'msraction3d.tar.gz', NOT_UTF8)
  with pytest.raises(UserError, match=r'tar\.gz: a01_\\xff.*is not UTF-8'):
    prepare_msr(tmp_path, tmp_path / 'manual')


def test_a_file_whose_name_is_not_utf8(tmp_path):
  clips = write_msr_files(tmp_path / 'manual', archive=False)
  (tmp_path / 'manual' / NOT_UTF8).touch()
  with pytest.raises(UserError, match=r'a01_\\xff.*is not UTF-8'):
    prepare_msr(tmp_path, tmp_path / 'manual')
  builder = prepare_msr(tmp_path, tmp_path / 'manual', skip_bad=True)
  report = read_report(builder)
  assert report['written'] == len(clips)
  (skipped,) = report['skipped']
  assert pathlib.Path(skipped['clip']).name == NOT_UTF8


@pytest.mark.parametrize('name', ['a07_s03_e01' + SUFFIX, 'files_used.mat'])
@pytest.mark.parametrize('archive', [False, True], ids=['files', 'tar.gz'])
def test_a_pickle_is_not_run(tmp_path, name, archive):
  replaced = {name: malicious_pickle(tmp_path / 'created')}
  write_msr_files(tmp_path / 'manual', replaced=replaced, archive=archive)
  with pytest.raises(UserError, match=name.removesuffix(SUFFIX)):
    prepare_msr(tmp_path, tmp_path / 'manual')
  assert not (tmp_path / 'created').exists()
