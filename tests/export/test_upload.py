"""Runs uploaded to, and used from, a stand-in for the Hugging Face Hub."""

import json
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from helpers import fake_hub, synthetic_run

import unik_jax
from unik_jax import training
from unik_jax.errors import UserError
from unik_jax.export import upload
from unik_jax.export.exported_run import export_run
from unik_jax.run import paths, restore
from unik_jax.visualize import analysis

pytest.importorskip('huggingface_hub', reason='needs the extra `hub`')
pytestmark = pytest.mark.slow


@pytest.fixture
def server(monkeypatch, tmp_path):
  with fake_hub.serve(monkeypatch, tmp_path / 'cache') as served:
    yield served


@pytest.fixture
def exported(trained, tmp_path):
  run = restore.load_run(trained)
  return export_run(run, tmp_path / 'small', address='hf://me/run')


def command(name, *arguments):
  return subprocess.run(
    [sys.executable, '-m', f'unik_jax.{name}', *map(str, arguments)],
    cwd=pathlib.Path(__file__).parents[2],
    capture_output=True,
    text=True,
  )


def test_a_run_goes_to_the_hub_and_comes_back(server, exported, trained):
  address = upload.upload_run(exported, 'me/run', private=False)
  assert re.fullmatch('hf://me/run@[0-9a-f]{40}', address)
  model, own = unik_jax.load('hf://me/run'), unik_jax.load(trained)
  assert model.run.folder.name == address.partition('@')[2]
  for name in paths.EXPORTED:
    content = (model.run.folder / name).read_bytes()
    assert content == (exported / name).read_bytes()
  clips = np.random.default_rng(0).normal(size=(3, 2, 40, 17, 2))
  clips = list(clips.astype(np.float32))
  for found, expected in zip(
    model.predict(clips), own.predict(clips), strict=True
  ):
    np.testing.assert_array_equal(found.logits, expected.logits)
    assert found.label == expected.label


def test_the_hub_reads_the_header_of_the_card(exported):
  from huggingface_hub import ModelCard

  data = ModelCard((exported / paths.EXPORTED_CARD).read_text()).data
  summary = json.loads((exported / paths.SUMMARY).read_text())
  names = {r.metric_name: r.metric_value for r in data.eval_results}
  assert names['Mean class accuracy'] == pytest.approx(
    summary['test']['mean_class'], abs=5e-5
  )
  assert 'unik' in data.tags and data.license is None


def test_a_second_upload_is_a_second_commit(server, exported):
  first = upload.upload_run(exported, 'me/run', private=False)
  (exported / paths.EXPORTED_CARD).write_text('---\ntags: [new]\n---\nNew.')
  second = upload.upload_run(exported, 'me/run', private=False)
  assert first != second
  for address, starts in ((first, '---\nlibrary'), (second, '---\ntags')):
    card = restore.load_run(address).folder / paths.EXPORTED_CARD
    assert card.read_text().startswith(starts)


def test_an_upload_deletes_what_only_the_run_before_it_has(server, exported):
  server.create('me/run')
  server.commit('me/run', {'notes.txt': b'kept'})
  upload.upload_run(exported, 'me/run', private=False)
  (exported / paths.FAMILIARITY).unlink()  # as in a run of an older version
  address = upload.upload_run(exported, 'me/run', private=False)
  files = server.repos['me/run']['commits'][address.partition('@')[2]]
  assert {*files} == {'notes.txt', *paths.EXPORTED} - {paths.FAMILIARITY}


def test_private_repositories(server, exported):
  upload.upload_run(exported, 'me/secret', private=True)
  assert server.repos['me/secret']['private']
  upload.upload_run(exported, 'me/secret', private=True)
  server.create('me/open')
  with pytest.raises(UserError, match='me/open: .*private.*public'):
    upload.upload_run(exported, 'me/open', private=True)
  assert not server.repos['me/open']['commits']


def test_uploads_that_the_hub_refuses(server, exported, monkeypatch):
  monkeypatch.setenv('HF_TOKEN', '')
  with pytest.raises(UserError, match='me/run: .*401.*hf auth login'):
    upload.upload_run(exported, 'me/run', private=False)
  assert not server.repos
  monkeypatch.setenv('HF_TOKEN', fake_hub.TOKEN)
  card = exported / paths.EXPORTED_CARD
  card.write_text('---\nlicense: unknown-1\n---\n')
  with pytest.raises(UserError, match='me/run: .*README.md.*"license" must be'):
    upload.upload_run(exported, 'me/run', private=False)
  assert not server.repos['me/run']['commits']
  fake_hub.go_offline(monkeypatch)
  with pytest.raises(UserError, match='me/run: failed .*ConnectError'):
    upload.upload_run(exported, 'me/run', private=False)


def test_repositories_are_checked_before_any_work(monkeypatch):
  upload.check_repository('me/run')
  for name in ('run', 'hf://me/run', 'me/run/more', 'me/'):
    with pytest.raises(UserError, match=f'--to_hub: .*{name}'):
      upload.check_repository(name)
  monkeypatch.setitem(sys.modules, 'huggingface_hub', None)
  with pytest.raises(UserError, match=r"'unik_jax\[hub\]'"):
    upload.check_repository('me/run')


def test_a_resumed_run_needs_no_network(
  server, exported, trained, synthetic_dir, tmp_path, monkeypatch
):
  address = upload.upload_run(exported, 'me/run', private=False)
  config = synthetic_run.make_training_config(synthetic_dir)
  config.update(epochs=1, init_from='hf://me/run', init_head='load')
  config.optim.update(lr=0.0, weight_decay=0.0)
  first = training.run(config, tmp_path / 'next')['test']
  assert restore.read_started_from(tmp_path / 'next') == address
  run, own = restore.load_run(tmp_path / 'next'), restore.load_run(trained)
  np.testing.assert_array_equal(
    run.params['blocks'][0]['spatial']['dependency'],
    own.params['blocks'][0]['spatial']['dependency'],
  )
  matrices, origin = analysis.restore_first_dependencies(run)
  assert origin == 'weights of hf://me/run'
  for expected, found in zip(
    analysis.get_dependencies(own), matrices, strict=True
  ):
    np.testing.assert_array_equal(found, expected)

  shutil.rmtree(tmp_path / 'cache')
  server.requests.clear()
  assert training.run(config, tmp_path / 'next')['test'] == first
  config.eval_only = True
  assert training.run(config, tmp_path / 'next')['test'] == first
  assert not server.requests
  # A new one does.
  fake_hub.go_offline(monkeypatch)
  config.eval_only = False
  with pytest.raises(UserError, match='hf://me/run: .*cannot be reached'):
    training.run(config, tmp_path / 'other')


def test_the_commands(server, trained, tmp_path):
  export = ('export', f'--run={trained}', '--to_hub=me/run', '--license=mit')
  done = command(*export)
  assert done.returncode == 0, done.stderr
  lines = done.stdout.splitlines()
  assert lines[0] == 'hf://me/run:' and lines[-1].startswith('uploaded: hf://')
  assert [line.split()[0] for line in lines[1:-1]] == list(paths.EXPORTED)
  files = server.repos['me/run']['commits'][lines[-1].partition('@')[2]]
  for line in lines[1:-1]:
    name, size, _ = line.split()
    assert float(size.replace(',', '')) == pytest.approx(
      len(files[name]) / 1e3, abs=0.051
    )
  assert b'\nlicense: mit\n' in files[paths.EXPORTED_CARD]

  clip = tmp_path / 'clip.npy'
  np.save(clip, np.random.default_rng(0).normal(size=(40, 17, 2)))
  done = command('predict', '--run=hf://me/run', clip, '--json')
  assert done.returncode == 0, done.stderr
  (expected,) = unik_jax.load(trained).predict(clip)
  found = json.loads(done.stdout)
  assert found['label'] == expected.label
  assert found['probability'] == pytest.approx(expected.probability, abs=1e-4)

  done = command('enroll', '--run=hf://me/run', '--list')
  assert done.returncode == 1 and '--to_folder=FOLDER' in done.stderr
  assert 'Traceback' not in done.stderr
