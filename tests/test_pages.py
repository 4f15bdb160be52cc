"""Commands and code of the README and docs/, taken from the pages."""

import importlib
import json
import re
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest
import tensorflow_datasets as tfds
from helpers import page_code, untrained_run

from unik_jax.data import registry
from unik_jax.export import stablehlo
from unik_jax.models.network import Network
from unik_jax.official.convert import to_official
from unik_jax.official.tensor_files import write_tensors
from unik_jax.run import paths, restore
from unik_jax.run.scores import Scores, write_scores

# (page, number of the snippet): what it needs that no test has.
CANNOT_RUN = {
  ('data.md', 0): 'the files of NTU RGB+D',
  ('own_data.md', 1): 'the archive of MSR Action3D',
}
REQUIRED = {
  'main': {'--config': 'configs/synthetic.py', '--workdir': 'DIR'},
  'tables': {'--dataset': 'msr_action3d'},
}
COMMANDS = [
  (page.name, *command)
  for page in page_code.PAGES
  for command in page_code.list_commands(page)
]


@pytest.mark.parametrize('command', sorted({name for _, name, _ in COMMANDS}))
def test_flags_are_known(command):
  lines = [
    arguments
    for _, name, arguments in COMMANDS
    if name == command and '--help' not in arguments
  ]
  is_folder = (page_code.ROOT / 'unik_jax' / command).is_dir()
  module = f'unik_jax.{command}' + '.__main__' * is_folder
  done = subprocess.run(
    [sys.executable, page_code.__file__, module],
    input=json.dumps([_complete(command, line) for line in lines]),
    capture_output=True,
    text=True,
    check=True,
    cwd=page_code.ROOT,
  )
  assert json.loads(done.stdout) == {}


def _complete(command, arguments):
  """Returns arguments with the required flags that the text leaves out."""
  required = REQUIRED.get(command, {})
  return arguments + [
    f'{flag}={value}'
    for flag, value in required.items()
    if not any(argument.startswith(f'{flag}=') for argument in arguments)
  ]


@pytest.mark.parametrize('page', page_code.PAGES, ids=lambda page: page.name)
def test_names_in_the_text_exist(page):
  names = [
    name
    for span in page_code.list_inline(page)
    for name in re.findall(r'(?<!-m )\bunik_jax(?:\.[a-z_]\w*)+', span)
  ]
  assert [name for name in names if not _exists(name)] == []


def _exists(name):
  parts = name.split('.')
  value = importlib.import_module(parts[0])
  for n, part in enumerate(parts[1:], 2):
    if not hasattr(value, part):
      try:
        importlib.import_module('.'.join(parts[:n]))
      except ModuleNotFoundError:
        return False
    value = getattr(value, part)
  return True


def test_a_name_that_does_not_exist_is_found():
  assert _exists('unik_jax.models.network.Network')
  assert not _exists('unik_jax.models.network.Netwerk')
  assert not _exists('unik_jax.modles')


@pytest.fixture(scope='module')
def world(tmp_path_factory, synthetic_dir):
  """A folder with the runs and files that the pages name."""
  folder = tmp_path_factory.mktemp('pages')
  rng = np.random.default_rng(0)
  run = folder / 'runs' / 'synthetic'
  untrained_run.write_run(run, untrained_run.make_config(synthetic_dir))
  loaded = restore.load_run(run)
  (folder / 'runs' / 'mine').symlink_to(run)
  scores = Scores(
    ids=np.array([str(n) for n in range(20)]),
    labels=np.arange(20, dtype=np.int32),
    logits=rng.normal(size=(20, 20)).astype(np.float32),
    classes=np.array(loaded.classes),
  )
  write_scores(paths.scores_path(run, 'test'), scores)
  stablehlo.save_artifact(loaded, folder / 'FOLDER', platforms=('cpu',))

  poses = rng.uniform(100, 200, size=(3, 30, 17, 3))
  poses[..., 2] = 0.9
  np.save(folder / 'poses.npy', poses)
  np.save(folder / 'truth.npy', poses[0, ..., :2])
  for label in ('wave', 'sit_down'):
    for n in range(5):
      file = folder / 'moves' / label / f'{n:04}.npy'
      file.parent.mkdir(parents=True, exist_ok=True)
      np.save(file, rng.uniform(100, 200, size=(30, 17, 2)))
  (folder / 'moves' / 'layout.yaml').write_text('layout: coco_17\n')
  shutil.copytree(folder / 'moves' / 'wave', folder / 'clips')
  registry.prepare_dataset(
    'skeleton_folder/moves', folder / 'prepared', folder / 'moves'
  )
  net = Network(
    'unik', num_classes=320, num_joints=17, num_persons=2, in_channels=2
  )
  weights = to_official(net.abstract, *net.init(jax.random.key(0)))
  write_tensors(folder / 'weights.safetensors', weights)
  return folder


@pytest.mark.slow
@pytest.mark.parametrize(
  'page',
  [page for page in page_code.PAGES if page_code.list_snippets(page)],
  ids=lambda page: page.name,
)
def test_snippets_run(page, world, monkeypatch):
  monkeypatch.chdir(world)
  tfds.core.add_data_dir(world / 'prepared')
  shape = (3, 1, 16, 17, 2)
  names = {'keypoints': np.zeros(shape, np.float32), '__name__': page.name}
  failed = {}
  for n, code in enumerate(page_code.list_snippets(page)):
    if (page.name, n) in CANNOT_RUN:
      continue
    code = code.replace('weights.pt', 'weights.safetensors')  # no PyTorch
    try:
      exec(compile(code, f'{page.name}, snippet {n}', 'exec'), names)
    except Exception as error:
      failed[n] = f'{type(error).__name__}: {error}'
  assert failed == {}


def test_the_exceptions_are_snippets():
  snippets = {
    (page.name, n)
    for page in page_code.PAGES
    for n, _ in enumerate(page_code.list_snippets(page))
  }
  assert CANNOT_RUN.keys() <= snippets
