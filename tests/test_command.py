"""The command `unik-jax`: commands as words, configs by name."""

import pathlib
import subprocess
import sys

import pytest
from helpers.configs import FOLDER

from unik_jax import __main__ as command
from unik_jax import configs
from unik_jax.errors import UserError

PACKAGE = pathlib.Path(command.__file__).parent


def run_unik_jax(*words, monkeypatch, capsys):
  """Returns (exit code or message, standard output)."""
  monkeypatch.setattr(sys, 'argv', ['unik-jax', *words])
  code = 0
  try:
    command.main()
  except SystemExit as end:
    code = end.code
  return code, capsys.readouterr().out


def test_every_command_has_a_word():
  folders = {path.parent.name for path in PACKAGE.glob('*/__main__.py')}
  assert set(command.COMMANDS.values()) == folders | {*('main', 'configs')}


def test_help_lists_the_commands(monkeypatch, capsys):
  options = {'monkeypatch': monkeypatch, 'capsys': capsys}
  code, out = run_unik_jax('--help', **options)
  assert code == 0
  assert '  train      Trains or evaluates one experiment.' in out.splitlines()
  code, out = run_unik_jax(**options)
  assert code == 1 and 'prepare' in out


def test_a_wrong_command_names_near_ones(monkeypatch, capsys):
  options = {'monkeypatch': monkeypatch, 'capsys': capsys}
  code, _ = run_unik_jax('trian', **options)
  assert "got 'trian'. Did you mean train?" in code


def test_configs_are_listed_with_their_variants():
  """In an empty folder, with the interpreter of the tests."""
  done = subprocess.run(
    [sys.executable, '-m', 'unik_jax', 'configs'],
    capture_output=True,
    text=True,
    cwd=PACKAGE.parent,
  )
  assert done.returncode == 0, done.stderr
  lines = done.stdout.splitlines()
  n = lines.index(
    'synthetic: UNIK on synthetic skeletons, the embedded dataset: 20 actions'
    ' in 2-D.'
  )
  assert lines[n + 1] == '  variant: quick, full'
  assert '  stream: joint, bone, joint_motion, bone_motion' in lines
  names = [line.partition(':')[0] for line in lines if line[0] != ' ']
  assert names == sorted(path.stem for path in FOLDER.glob('*.py'))


def test_a_config_goes_by_name_or_path(tmp_path):
  path = f'{FOLDER / "posetics.py"}'
  assert configs.resolve_config('posetics') == path
  assert configs.resolve_config('posetics:3d,bone') == f'{path}:3d,bone'
  assert configs.resolve_config(f'{path}:bone') == f'{path}:bone'
  config = configs.load_config('posetics:bone')
  assert (config.data.name, config.data.stream) == ('posetics/2d', 'bone')
  mine = tmp_path / 'mine.py'
  mine.write_text('def get_config():\n  return 3\n')
  assert configs.load_config(str(mine)) == 3


def test_a_config_is_resolved_in_any_form_of_the_flag():
  path = f'{FOLDER / "sbu.py"}:fold_1'
  for before, after in (
    (['--config=sbu:fold_1'], [f'--config={path}']),
    (['-config=sbu:fold_1'], [f'-config={path}']),
    (['--config', 'sbu:fold_1', 'x'], ['--config', path, 'x']),
    (['--config.seed=1', '--', '--config=x'],) * 2,
  ):
    assert configs.resolve_flag(before) == after


@pytest.mark.parametrize(
  'name, near',
  [
    ('synthetc', 'Did you mean synthetic?'),
    ('configs/nowhere/ntu6.py:xsub', 'Did you mean ntu60 or ntu120?'),
    ('zzz', 'unik-jax configs'),
  ],
)
def test_an_unknown_config_names_near_ones(name, near):
  with pytest.raises(UserError) as error:
    configs.resolve_config(name)
  assert near in str(error.value) and '--config:' in str(error.value)


def test_a_file_that_is_no_config_is_refused(tmp_path):
  (tmp_path / 'notes.txt').write_text('')
  with pytest.raises(UserError, match='notes.txt: expected a Python file'):
    configs.load_config(str(tmp_path / 'notes.txt'))
