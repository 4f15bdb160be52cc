"""Code of the README and the pages of docs/.

  ... | python tests/helpers/page_code.py MODULE

parses command lines, a JSON list on standard input, by the flags of MODULE and
prints {command line: error} of those that it refuses.
"""

import importlib
import json
import os
import pathlib
import re
import shlex
import sys

from unik_jax.__main__ import COMMANDS

ROOT = pathlib.Path(__file__).parents[2]
PAGES = (ROOT / 'README.md', *sorted((ROOT / 'docs').glob('*.md')))

_FENCED = re.compile(r'^```(\w*)\n(.*?)^```', re.DOTALL | re.MULTILINE)
_COMMAND = re.compile(
  r'(?:python -m unik_jax\.|unik-jax )([a-z]\w*)(?: ([^|&#]*))?'
)
# What pages write for a name of the reader's.
_PLACEHOLDERS = (
  (re.compile(r'\[--config\.KEY=VALUE \.\.\.\]|\[:VARIANT\]'), ''),
  (re.compile(r'configs/NAME\.py|\bCONFIG\b'), 'configs/synthetic.py'),
  (re.compile(r'(?<=--config=)NAME\b'), 'synthetic'),
  (re.compile(r'\bSEED\b'), '1'),
  (re.compile(r'\$stream\b'), 'bone'),
)


def list_snippets(page):
  """Returns the Python code blocks of a page, in order."""
  return [
    code for kind, code in _FENCED.findall(page.read_text()) if kind == 'python'
  ]


def list_inline(page):
  """Returns the text of a page's code spans, each in one line."""
  text = _FENCED.sub('', page.read_text())
  return [' '.join(span.split()) for span in re.findall(r'`([^`]+)`', text)]


def list_commands(page):
  """Returns (command, [argument, ...]) of each command line."""
  text = page.read_text().replace('\\\n', ' ')
  blocks = '\n'.join(code for _, code in _FENCED.findall(text))
  commands = []
  for line in (*blocks.splitlines(), *list_inline(page)):
    for command, arguments in _COMMAND.findall(line):
      for pattern, value in _PLACEHOLDERS:
        arguments = pattern.sub(value, arguments)
      module = COMMANDS.get(command, command)
      commands.append((module, shlex.split(arguments)))
  return commands


def _parse(module, arguments):
  """Returns a command's complaint about its arguments, '' for none."""
  sys.argv = [module.__name__, *arguments]
  from absl import flags

  try:
    getattr(module, '_parse', flags.FLAGS)(sys.argv)
  except flags.Error as error:
    return str(error)
  except SystemExit as error:
    return str(error.code)
  return ''


def _parse_in_child(module, arguments):
  """Does the same in a child process: flags can be parsed once only."""
  out, into = os.pipe()
  if not os.fork():
    os.write(into, _parse(module, arguments).encode()[:4000])
    os._exit(0)
  os.close(into)
  with open(out) as file:
    return file.read()


if __name__ == '__main__':
  _module = importlib.import_module(sys.argv[1])
  _refused = {}
  for _arguments in json.load(sys.stdin):
    if _error := _parse_in_child(_module, _arguments):
      _refused[' '.join(_arguments)] = _error
  print(json.dumps(_refused))
