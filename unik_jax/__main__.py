"""The command `unik-jax`: one word for each command of the package.

  unik-jax COMMAND [ARGUMENTS ...]

`unik-jax COMMAND --help` explains a command. `python -m unik_jax` is the same,
and so is `python -m unik_jax.COMMAND`, with `main` for `train`.
"""

import ast
import difflib
import pathlib
import runpy
import sys

# The module of each command, in the order in which a user meets them.
COMMANDS = {
  'configs': 'configs',
  'prepare': 'prepare',
  'train': 'main',
  'predict': 'predict',
  'enroll': 'enroll',
  'report': 'report',
  'visualize': 'visualize',
  'fuse': 'fuse',
  'export': 'export',
  'tables': 'tables',
  'curate': 'curate',
}


def main() -> None:
  """Runs the command that the first argument names."""
  words = sys.argv[1:]
  if not words or words[0] in ('-h', '--help', '--helpshort', 'help'):
    print(__doc__, *_list_commands(), sep='\n')
    sys.exit(0 if words else 1)
  word = words[0]
  if word == '--version':
    from unik_jax import __version__

    print(f'unik_jax {__version__}')
    return
  if word not in COMMANDS:
    near = difflib.get_close_matches(word, COMMANDS)
    hint = f' Did you mean {" or ".join(near)}?' if near else ''
    sys.exit(
      f'error: expected a command ({", ".join(COMMANDS)}), got {word!r}.{hint}'
    )
  sys.argv = [f'unik-jax {word}', *words[1:]]
  # As `python -m` does: the module is __main__, in worker processes too.
  runpy.run_module(
    f'unik_jax.{COMMANDS[word]}', run_name='__main__', alter_sys=True
  )


def _list_commands():
  """Yields each command with the first line of its docstring."""
  folder = pathlib.Path(__file__).parent
  for word, module in COMMANDS.items():
    path = folder / f'{module}.py'
    if not path.exists():
      path = folder / module / '__main__.py'
    text = ast.get_docstring(ast.parse(path.read_text('utf-8'))) or ''
    yield f'  {word:10} {text.partition(chr(10))[0]}'


if __name__ == '__main__':
  main()
