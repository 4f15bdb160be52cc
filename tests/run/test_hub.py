"""Exported runs fetched from a stand-in for the Hugging Face Hub."""

import re
import sys

import pytest
from helpers import fake_hub

from unik_jax.errors import UserError
from unik_jax.run import hub, restore

pytest.importorskip('huggingface_hub', reason='needs the extra `hub`')

FILES = {
  'README.md': b'---\ntags: [a]\n---\n',
  'config.json': b'{}',
  'data.json': b'{"classes": []}',
  'weights.safetensors': bytes(1000),
  'weights.pkl': b'never fetched',
}


@pytest.fixture
def server(monkeypatch, tmp_path):
  with fake_hub.serve(monkeypatch, tmp_path / 'cache') as served:
    served.create('me/run')
    yield served


def test_a_run_is_fetched_once_and_named_by_its_commit(server, tmp_path):
  first = server.commit('me/run', FILES)
  fetched = hub.fetch_run('hf://me/run')
  assert fetched.address == f'hf://me/run@{first}'
  assert tmp_path / 'cache' in fetched.folder.parents
  found = {p.name: p.read_bytes() for p in fetched.folder.iterdir()}
  assert found == {k: v for k, v in FILES.items() if k != 'weights.pkl'}

  second = server.commit('me/run', {'data.json': b'[]'})
  server.requests.clear()
  again = hub.fetch_run('hf://me/run')
  assert again.address == f'hf://me/run@{second}'
  assert (again.folder / 'data.json').read_bytes() == b'[]'
  assert [p for m, p in server.requests if m == 'GET' and 'resolve' in p] == [
    f'/me/run/resolve/{second}/data.json'
  ]
  # The commit that a run started from can be named.
  assert hub.fetch_run(fetched.address) == fetched
  assert hub.fetch_run(f'hf://me/run@{first}') == fetched
  assert restore.find_checkpoint('hf://me/run') == again.address


def test_the_cache_is_used_without_a_network(server, monkeypatch):
  server.commit('me/run', FILES)
  fetched = hub.fetch_run('hf://me/run')
  fake_hub.go_offline(monkeypatch)
  assert hub.fetch_run('hf://me/run') == fetched
  assert hub.fetch_run(fetched.address) == fetched
  with pytest.raises(UserError, match='hf://me/other: .*cannot be reached'):
    hub.fetch_run('hf://me/other')


def test_offline_mode_is_named(server, monkeypatch):
  from huggingface_hub import constants
  from huggingface_hub.utils import close_session

  monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', True)
  close_session()
  with pytest.raises(UserError, match='cannot be reached.*HF_HUB_OFFLINE'):
    hub.fetch_run('hf://me/run')


@pytest.mark.parametrize(
  'address, words',
  [
    ('hf://me', 'expected hf://owner/name'),
    ('hf://me/run/config.json', 'expected hf://owner/name'),
    ('hf://me/run@', 'expected hf://owner/name'),
    ('hf://me/../run', 'expected hf://owner/name'),
    ('hf://me/a--b', 'HFValidationError.*Expected owner/name'),
    ('hf://me/nothing', 'no such repository, or one.*hf auth login'),
    ('hf://me/run@v9', 'no such revision'),
  ],
)
def test_wrong_addresses(server, address, words):
  server.commit('me/run', FILES)
  with pytest.raises(UserError, match=f'^{re.escape(address)}: .*{words}'):
    hub.fetch_run(address)


def test_a_private_run_needs_a_token(server, monkeypatch):
  server.create('me/secret', private=True)
  server.commit('me/secret', FILES)
  assert hub.fetch_run('hf://me/secret').folder.is_dir()
  monkeypatch.setenv('HF_TOKEN', '')
  server.create('me/other', private=True)
  with pytest.raises(UserError, match='me/other: no such .*hf auth login'):
    hub.fetch_run('hf://me/other')


def test_a_repository_of_another_library(server):
  server.create('me/other')
  server.commit('me/other', {'config.json': b'{}', 'model.bin': b'x'})
  with pytest.raises(
    UserError, match='hf://me/other: .*data.json, weights.safetensors'
  ):
    hub.fetch_run('hf://me/other')


def test_a_file_that_is_cut_short_is_not_kept(server):
  server.commit('me/run', FILES)
  server.served['weights.safetensors'] = bytes(500)
  with pytest.raises(UserError, match='hf://me/run: .*1000.*500.*run the com'):
    hub.fetch_run('hf://me/run')
  server.served.clear()
  folder = hub.fetch_run('hf://me/run').folder
  assert (folder / 'weights.safetensors').read_bytes() == bytes(1000)


def test_without_the_extra(monkeypatch):
  monkeypatch.setitem(sys.modules, 'huggingface_hub', None)
  with pytest.raises(UserError, match=r"hf://a/b: .*'unik_jax\[hub\]'"):
    hub.fetch_run('hf://a/b')


def test_commands_that_write_to_a_run_refuse_addresses():
  hub.refuse_address('--run', 'runs/mine')
  with pytest.raises(UserError, match='--run: .*--run=hf://a/b --to_folder'):
    hub.refuse_address('--run', 'hf://a/b')
