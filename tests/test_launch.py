"""launch/: the commands it runs, its errors, and a TPU that is preempted."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
GOLDEN = pathlib.Path(__file__).parent / 'golden' / 'launch'
SETTINGS = {
  'TPU_NAME': 'unik',
  'TPU_ZONE': 'us-east5-b',
  'TPU_TYPE': 'v6e-16',
  'TPU_BUCKET': 'mine',
  'TPU_POLL_SECONDS': '0',
}
TRAINING = (
  '--config=configs/posetics.py',
  '--workdir=bucket/runs/posetics',
  '--config.mesh=(4, -1)',
)


def launch(script, *arguments, path='', **settings):
  """Runs a script with `SETTINGS`, changed by `settings`; None removes one."""
  changed = {k: v for k, v in (SETTINGS | settings).items() if v is not None}
  path = f'{path}:{os.environ["PATH"]}' if path else os.environ['PATH']
  done = subprocess.run(
    ['bash', ROOT / 'launch' / f'{script}.sh', *arguments],
    env={'PATH': path, 'HOME': os.environ.get('HOME', '/'), **changed},
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    stdin=subprocess.DEVNULL,
    text=True,
    timeout=60,
  )
  return done.returncode, done.stdout


DRY_RUNS = {
  'create_v6e': ((), {}),
  'create_v4': ((), {'TPU_TYPE': 'v4-32', 'TPU_PROJECT': 'ours'}),
  'create_v5e_spot': ((), {'TPU_TYPE': 'v5litepod-256', 'TPU_SPOT': '1'}),
  'create_v5p': ((), {'TPU_TYPE': 'v5p-128'}),
  'setup': ((), {}),
  'run': (TRAINING, {}),
  'logs': (('3',), {}),
  'fetch': (('bucket/runs/posetics', 'here'), {}),
  'delete': (('--yes',), {}),
  'train': (TRAINING, {}),
}


@pytest.mark.parametrize('case', DRY_RUNS)
def test_dry_runs(case):
  arguments, settings = DRY_RUNS[case]
  script = case.partition('_')[0]
  code, printed = launch(script, *arguments, DRY_RUN='1', **settings)
  assert code == 0
  assert printed == (GOLDEN / f'{case}.txt').read_text()


@pytest.mark.parametrize(
  'script, arguments, settings, words',
  [
    ('create', (), {'TPU_NAME': None}, 'export TPU_NAME=unik'),
    ('create', (), {'TPU_ZONE': None}, 'export TPU_ZONE=us-east5-b'),
    ('create', (), {'TPU_TYPE': None}, 'export TPU_TYPE=v6e-16'),
    ('create', (), {'TPU_TYPE': 'v5e-8'}, 'calls it v5litepod-8'),
    ('create', (), {'TPU_TYPE': 'tpu7x-8'}, 'docs/tpu.md'),
    ('setup', (), {'TPU_BUCKET': None}, 'export TPU_BUCKET=my-bucket'),
    ('setup', (), {'TPU_BUCKET': 'gs://mine'}, 'without gs://'),
    ('run', TRAINING[1:], {}, '--config=configs/NAME.py is missing'),
    ('run', ('--config=x', '--workdir=runs/x'), {}, '--workdir=bucket/...'),
    ('train', ('--config=x', '--workdir=runs/x'), {}, '--workdir=bucket/...'),
    ('fetch', (), {}, 'name a folder of the bucket'),
    ('delete', (), {}, ''),
  ],
)
def test_errors_come_before_any_command(
  script, arguments, settings, words, tmp_path
):
  gcloud = fake_gcloud(tmp_path, 'echo "$@" >> calls')
  code, printed = launch(script, *arguments, path=gcloud, **settings)
  assert code == 1
  assert words in printed
  assert not (tmp_path / 'calls').exists()


def fake_gcloud(folder, body):
  """Writes a `gcloud` that runs `body` in the folder; returns the folder."""
  script = folder / 'gcloud'
  script.write_text(f'#!/usr/bin/env bash\ncd {folder}\n{body}\n')
  script.chmod(0o755)
  return str(folder)


def test_a_tpu_that_is_preempted(tmp_path):
  """Lost once in the queue and once in training, then trained."""
  (tmp_path / 'states').write_text(
    # Never granted; granted, then preempted; granted to the end.
    'WAITING_FOR_RESOURCES FAILED FAILED '
    'PROVISIONING ACTIVE ACTIVE SUSPENDED ACTIVE'
  )
  body = """
echo "$3 $4" >> calls
case "$*" in
  *describe*) read -r now rest < states; echo "$now"; echo "$rest" > states ;;
  *'cat unik_jax/train.rc'*) [[ -e trained ]] && echo 0 || exit 1 ;;
  *start.sh*) if [[ -e started ]]; then touch trained; fi; touch started ;;
esac
"""
  code, printed = launch('train', *TRAINING, path=fake_gcloud(tmp_path, body))
  assert code == 0, printed
  assert 'lost, attempt 1' in printed and 'lost, attempt 2' in printed
  calls = (tmp_path / 'calls').read_text().split('\n')
  calls = [call for call in calls if 'describe' not in call]
  attempt = ['queued-resources create', 'tpu-vm scp', 'tpu-vm ssh']
  started = [*attempt, 'tpu-vm ssh', 'tpu-vm ssh']  # run.sh, then train.rc
  lost = 'queued-resources delete'
  assert calls[:2] == ['queued-resources create', lost]
  assert calls[2:7] == started
  assert calls.count(lost) == 3 and calls[-2] == lost
  assert calls.count('queued-resources create') == 3


def test_a_tpu_that_is_refused_is_not_requested_again(tmp_path):
  body = 'echo "$3 $4" >> calls; echo "ERROR: no quota" >&2; exit 1'
  code, printed = launch('train', *TRAINING, path=fake_gcloud(tmp_path, body))
  assert code == 1
  assert 'no quota' in printed and 'unik was not created' in printed
  calls = (tmp_path / 'calls').read_text()
  assert calls == 'queued-resources create\nqueued-resources describe\n'


def test_an_error_in_training_keeps_the_tpu(tmp_path):
  body = """
echo "$3 $4" >> calls
case "$*" in
  *describe*) echo ACTIVE ;;
  *'cat unik_jax/train.rc'*) echo 1 ;;
  *tail*) echo 'error: no such config' ;;
esac
"""
  code, printed = launch('train', *TRAINING, path=fake_gcloud(tmp_path, body))
  assert code == 1
  assert 'error: no such config' in printed
  assert 'status 1; unik is still there' in printed
  assert 'delete' not in (tmp_path / 'calls').read_text()


def test_delete_needs_a_yes(tmp_path):
  gcloud = fake_gcloud(tmp_path, 'echo "$@" >> calls')
  code, _ = launch('delete', path=gcloud)
  assert code == 1
  assert not (tmp_path / 'calls').exists()


def test_a_dry_run_of_delete_asks_nothing(tmp_path):
  gcloud = fake_gcloud(tmp_path, 'echo "$@" >> calls')
  code, printed = launch('delete', path=gcloud, DRY_RUN='1')
  assert code == 0
  assert 'queued-resources delete' in printed
  assert not (tmp_path / 'calls').exists()


def test_shellcheck():
  folders = f'{pathlib.Path(sys.executable).parent}:{os.environ["PATH"]}'
  checker = shutil.which('shellcheck', path=folders)
  assert checker, "pip install -e '.[test]'"
  scripts = [
    *sorted((ROOT / 'launch').glob('*.sh')),
    ROOT / 'benchmarks' / 'gpu.sh',
    ROOT / '.ci' / 'run',
  ]
  done = subprocess.run(
    [checker, '-x', *scripts], cwd=ROOT, capture_output=True, text=True
  )
  assert done.returncode == 0, done.stdout
