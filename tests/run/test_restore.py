"""Opening a run: what is missing or broken is named, with what to do."""

import re
import shutil

import pytest
from helpers import made_run

from unik_jax.errors import UserError
from unik_jax.run import restore


@pytest.fixture(scope='module')
def run(tmp_path_factory):
  names = [f'class {k}' for k in range(20)]
  folder = tmp_path_factory.mktemp('runs') / 'run'
  return made_run.write(folder, made_run.settings(), names)


def test_a_run_is_opened_by_its_folder_or_a_checkpoint(run):
  for path in (run, run / 'checkpoints', run / 'checkpoints' / '1'):
    found = restore.load_run(path)
    assert found.folder == run and len(found.classes) == 20


@pytest.mark.parametrize(
  'lost, text, words',
  [
    ('config.json', None, 'no such file; name the --workdir'),
    ('config.json', '{"seed": ', 'not JSON .*; name the --workdir'),
    ('data.json', None, 'no such file; run the command that made RUN once'),
    ('data.json', '[]', 'not a table of settings; run the command that made'),
    ('data.json', '{}', "no 'layout' in it; run the command that made RUN"),
    ('checkpoints', None, 'no checkpoints there; train this run first'),
  ],
)
def test_what_is_missing_or_broken_is_named(run, tmp_path, lost, text, words):
  folder = shutil.copytree(run, tmp_path / 'copy')
  path = folder / lost
  shutil.rmtree(path) if path.is_dir() else path.unlink()
  if text:
    path.write_text(text)
  words = words.replace('RUN', re.escape(str(folder)))
  with pytest.raises(UserError, match=f'{lost}: {words}') as error:
    restore.load_run(folder)
  assert '--config' not in str(error.value)
