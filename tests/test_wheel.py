"""The wheel alone is enough: it trains and predicts in an empty folder."""

import importlib.metadata
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import zipfile

import pytest
from helpers.format_files import LABELS, write_formats
from helpers.synthetic_run import MINIATURE

ROOT = pathlib.Path(__file__).parents[1]
SOURCES = ('unik_jax', 'configs', 'datasets', 'setup.py', 'setup.cfg')
SOURCES += ('pyproject.toml', 'README.md', 'LICENSE')

# Reads [[folder, layout, folder that trains its model], ...], prepares all
# folders, trains the models, predicts a file of each folder, and prints a line
# of JSON: the module's path and, for each folder, its splits and predictions.
SCRIPT = """
import json, pathlib, sys
import unik_jax

jobs, models, done = json.load(sys.stdin), {}, []
for folder, _, trained in jobs:
  name = 'skeleton_folder/' + folder
  built = unik_jax.prepare_dataset(name, 'data', 'formats/' + folder, workers=1)
  if trained == folder:
    unik_jax.train(
      'own:' + folder, 'runs/' + folder, epochs=1, batch_size=2,
      eval_batch_size=2, model={'widths': (4,), 'strides': (1,)},
      data={'data_dir': 'data', 'frames': 8}, optim={'warmup_epochs': 0},
    )
    models[folder] = unik_jax.load('runs/' + folder)
  done.append([{s: i.num_examples for s, i in built.info.splits.items()}])
for (folder, layout, trained), result in zip(jobs, done):
  file = min(pathlib.Path('formats', folder).glob('[!l]*'))
  file = min(file.iterdir()) if file.is_dir() else file
  predictions = models[trained].predict(file, layout=layout)
  result.append([p.label for p in predictions])
print(json.dumps([unik_jax.__file__, done]))
"""
# Format of the files to predict: format that its model is trained on. Those not
# listed are predicted by the model of numpy's.
TRAINED_ON = {
  'NTU RGB+D': 'NTU RGB+D',
  'ST-GCN, 2s-AGCN, UNIK': 'NTU RGB+D',
  'CTR-GCN': 'NTU RGB+D',
  'DeepLabCut': 'DeepLabCut',
  'SLEAP': 'SLEAP',
}
# Layouts other than the model's, whose joints are mapped by name.
LAYOUTS = {
  'OpenPose': 'openpose_25',
  'MediaPipe': 'mediapipe_33',
  'MediaPipe holistic': 'mediapipe_75',
}
# Clips in one file, if it has several.
CLIPS = {'ST-GCN, 2s-AGCN, UNIK': 4, 'CTR-GCN': 8, 'pyskl, MMAction2': 4}

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def installed(tmp_path_factory):
  """The contents of the wheel, as pip unpacks them into site-packages."""
  folder = tmp_path_factory.mktemp('wheel')
  source = folder / 'source'  # a build writes beside its sources
  ignored = shutil.ignore_patterns('__pycache__')
  for name in SOURCES:
    if (ROOT / name).is_dir():
      shutil.copytree(ROOT / name, source / name, ignore=ignored)
    else:
      shutil.copy(ROOT / name, source)
  subprocess.run(
    [sys.executable, '-m', 'pip', 'wheel', '--quiet', '--no-deps']
    + ['--disable-pip-version-check', f'--wheel-dir={folder}', str(source)],
    check=True,
  )
  (wheel,) = folder.glob('*.whl')
  zipfile.ZipFile(wheel).extractall(folder / 'site-packages')
  return folder / 'site-packages'


def run_installed(installed, cwd, *words, code=0):
  """Runs the installed console script; returns what it prints."""
  script = (
    'from importlib.metadata import entry_points;'
    " entry_points(group='console_scripts')['unik-jax'].load()()"
  )
  done = run_python(installed, cwd, script, *words)
  assert done.returncode == code, done.stdout + done.stderr
  return done.stdout + done.stderr


def run_python(installed, cwd, script, *words, env=None, stdin=None):
  """Runs a script that imports the installed package."""
  return subprocess.run(
    [sys.executable, '-c', script, *words],
    cwd=cwd,
    env=os.environ | {'PYTHONPATH': str(installed)} | (env or {}),
    input=stdin,
    capture_output=True,
    text=True,
    timeout=300,
  )


def test_the_wheel_has_all_files_of_the_package(installed):
  for folder in ('unik_jax', 'configs', 'datasets'):
    target = 'unik_jax' if folder == 'unik_jax' else f'unik_jax/{folder}'
    missing = [
      path
      for path in (ROOT / folder).rglob('*')
      if path.is_file() and '__pycache__' not in path.parts
      if not (installed / target / path.relative_to(ROOT / folder)).is_file()
    ]
    assert missing == []
  (info,) = installed.glob('*.dist-info')
  assert {path.name for path in installed.iterdir()} == {'unik_jax', info.name}
  (script,) = importlib.metadata.Distribution.at(info).entry_points
  assert script.name == 'unik-jax'


def test_the_main_job_runs_in_an_empty_folder(installed, tmp_path):
  """In miniature: 16 clips, one epoch, a network of two narrow blocks."""
  out = run_installed(
    installed,
    tmp_path,
    'train',
    '--config=synthetic',
    '--workdir=runs/one',
    f'--config.data.data_dir={tmp_path / "data"}',
    *MINIATURE,
  )
  assert 'final test, step 1:' in out


def test_the_wheel_finds_its_configs_and_builders(installed, tmp_path):
  out = run_installed(installed, tmp_path, 'configs', 'posetics')
  assert 'stream: joint, bone' in out
  arguments = ['--config=synthetc', '--workdir=x']
  out = run_installed(installed, tmp_path, 'train', *arguments, code=1)
  assert 'Did you mean synthetic?' in out and 'Traceback' not in out
  out = run_installed(installed, tmp_path, 'prepare', code=1)
  assert 'skeleton_folder' in out


def test_own_data_in_each_format(installed, tmp_path):
  """Of the table in docs/own_data.md: prepared, and predicted by a model."""
  folders = write_formats(tmp_path / 'formats')
  page = (ROOT / 'docs/own_data.md').read_text()
  table = page.partition('## Formats')[2].partition('\n\n- ')[0]
  assert re.findall(r'^\| ([^|]+) \|', table, re.M)[1:] == list(folders)
  jobs = [
    [
      folder.name,
      LAYOUTS.get(name),
      folders[TRAINED_ON.get(name, 'numpy')].name,
    ]
    for name, folder in folders.items()
  ]
  done = run_python(
    installed,
    tmp_path,
    SCRIPT,
    stdin=json.dumps(jobs),
    env={'XLA_FLAGS': '--xla_backend_optimization_level=0'},  # one device
  )
  assert done.returncode == 0, done.stdout + done.stderr
  module, found = json.loads(done.stdout.splitlines()[-1])
  assert module == str(installed / 'unik_jax/__init__.py')
  for name, (splits, labels) in zip(folders, found, strict=True):
    assert set(splits) == {'train', 'test'} and all(splits.values()), name
    assert len(labels) == CLIPS.get(name, 1), name
    assert set(labels) <= set(LABELS), name

  run = f'--run=runs/{folders["numpy"].name}'
  file = folders['AlphaPose, COCO results'] / LABELS[0] / '0.json'
  out = run_installed(installed, tmp_path, 'predict', run, str(file))
  assert re.search(rf'0\.json.*({"|".join(LABELS)})', out)
  out = run_installed(installed, tmp_path, 'export', run, '--out=exported')
  assert 'logits of 2 classes' in out
  assert (tmp_path / 'exported/model.stablehlo').stat().st_size
