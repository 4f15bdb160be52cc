"""How commands end: one line for an expected error, none for Ctrl-C."""

import os
import subprocess
import sys

import pytest
from absl import flags, logging

from unik_jax import cli
from unik_jax.errors import UserError


def exit_code(error, *options, **keywords):
  """Returns the exit status of a command whose body raises the error."""
  with pytest.raises(SystemExit) as ended:
    with cli.command(*options, **keywords):
      raise error
  return ended.value.code


@pytest.mark.parametrize(
  'error', [UserError('bad.npy: broken'), OSError('bad.npy: broken')]
)
def test_an_expected_error_is_one_line(error):
  assert exit_code(error) == 'error: bad.npy: broken'


def test_other_errors_keep_their_traceback():
  with pytest.raises(RuntimeError), cli.command():
    raise RuntimeError('a bug')


def test_a_command_may_expect_other_errors():
  code = exit_code(RuntimeError('disk full'), errors=(RuntimeError,))
  assert code == 'error: disk full'


def test_ctrl_c():
  assert exit_code(KeyboardInterrupt()) == 130
  assert exit_code(KeyboardInterrupt(), 'Stopped.') == 'Stopped.'


def test_warnings_are_notes(caplog):
  with cli.command():
    logging.warning('%s: created', 'DIR')
    logging.error('a broken disk')
  note, error = map(logging.get_absl_handler().format, caplog.records)
  assert note == 'note: DIR: created'
  assert error.startswith('E') and error.endswith('] a broken disk')


def test_arguments_are_refused():
  cli.refuse_arguments(['program'])
  with pytest.raises(SystemExit, match="^error: unknown argument 'x'"):
    cli.refuse_arguments(['program', 'x'])


@pytest.mark.slow
@pytest.mark.parametrize('platform', ['cuda', 'tpu', 'nonsense'])
def test_a_platform_that_is_not_there(tmp_path, platform):
  done = subprocess.run(
    [
      *(sys.executable, '-m', 'unik_jax.main', f'--workdir={tmp_path}'),
      '--config=configs/synthetic.py',
    ],
    env=os.environ | {'JAX_PLATFORMS': platform},
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 1
  *_, line = done.stderr.splitlines()
  assert line.startswith(f'error: JAX_PLATFORMS={platform}: ')
  assert 'Traceback' not in done.stderr


@pytest.mark.parametrize(
  'words, message',
  [
    ([], '--run, --out: expected a value, got none'),
    (['--run=a'], '--out: expected a value, got none'),
    (['--run=a', '--out=b', '--top=x'], 'flag --top=x: invalid literal'),
    (['--runs=a'], "Unknown command line flag 'runs'. Did you mean: run"),
  ],
)
def test_wrong_flags_end_in_one_line(words, message, monkeypatch):
  own = flags.FlagValues()
  for name in ('run', 'out'):
    flags.DEFINE_string(name, None, 'A folder.', own)
  flags.DEFINE_integer('top', 3, 'A number.', flag_values=own)
  flags.mark_flags_as_required(['run', 'out'], own)
  monkeypatch.setattr(flags, 'FLAGS', own)
  with pytest.raises(SystemExit) as stopped:
    cli.parse_flags(['command', *words])
  assert stopped.value.code.startswith(f'error: {message}')
  assert '\n' not in stopped.value.code
  given = ['command', '--run=a', '--out=b', 'file']
  assert cli.parse_flags(given) == ['command', 'file']
