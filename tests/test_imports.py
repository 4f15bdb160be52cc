"""Who may use whom: holds the imports of unik_jax to docs/architecture.md.

The imports are read from the source, those inside functions too.
"""

import ast
import functools
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1] / 'unik_jax'

# Each part of the package, and the parts that it may import besides itself.
# Anyone may import unik_jax.errors, and unik_jax itself for its version.
BASE = {'skeletons', 'runtime', 'config'}
COMMANDS = (
  'curate',
  'enroll',
  'export',
  'fuse',
  'predict',
  'prepare',
  'report',
  'tables',
  'visualize',
)
ROOT_MODULES = {'cli', 'metrics', 'optim', 'recipes', 'step', 'transfer'}
TRAINING = BASE | {'data', 'models', 'official', 'run'}
LAYERS = {
  'errors': set(),
  'html': set(),
  'runtime': set(),
  'skeletons': set(),
  'models': {'skeletons'},
  'official': {'models', 'runtime', 'skeletons'},
  'cli': set(),
  'config': {'models'},  # models.options: plain data
  'metrics': set(),
  'optim': set(),
  'recipes': {'config'},
  'step': {'metrics', 'models', 'optim'},
  'data': BASE,
  '__main__': set(),  # runs the others by name
  'configs': {'cli'},
  'datasets': set(),
  'run': BASE,
  'floor': BASE | {'data', 'metrics', 'models', 'run'},
  'transfer': TRAINING,
  'predictor': TRAINING | {'evaluate'},
  'evaluate': TRAINING | ROOT_MODULES | {'floor'},
  'loops': TRAINING | ROOT_MODULES | {'evaluate', 'floor'},
  'training': TRAINING | ROOT_MODULES | {'evaluate', 'floor', 'loops'},
  'main': {'cli', 'configs', 'runtime', 'training', 'evaluate'},
  **dict.fromkeys(
    COMMANDS,
    TRAINING
    | ROOT_MODULES
    | {'configs', 'evaluate', 'floor', 'html', 'predictor', 'training'},
  ),
}
# Modules with a wider rule than their package.
EXCEPTIONS = {
  # Rebuilds a run's network and optimizer state.
  'unik_jax.run.restore': BASE | {'models', 'optim', 'step'},
  # Finds the builders, which import it.
  'unik_jax.data.registry': BASE | {'datasets'},
  # One of the floor's classifiers instead of a training.
  'unik_jax.floor.as_run': TRAINING | ROOT_MODULES | {'evaluate'},
  # The Python API, which imports what it needs when it is first used.
  'unik_jax': TRAINING | {'configs', 'predictor', 'training'},
}


@functools.cache
def modules():
  """Maps the name of each module to its syntax tree."""
  trees = {}
  for path in ROOT.rglob('*.py'):
    parts = path.relative_to(ROOT.parent).with_suffix('').parts
    name = '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)
    trees[name] = ast.parse(path.read_text(), path)
  return trees


def imports(node):
  """Yields (unik_jax module, whether it is imported at module level)."""
  for child in ast.iter_child_nodes(node):
    if isinstance(child, ast.Import):
      yield from ((alias.name, True) for alias in child.names)
    elif isinstance(child, ast.ImportFrom):
      assert not child.level, 'relative import; write unik_jax.NAME'
      names = [f'{child.module}.{alias.name}' for alias in child.names]
      known = [name if name in modules() else child.module for name in names]
      yield from ((name, True) for name in known)
    else:
      inner = isinstance(child, ast.FunctionDef) or is_type_checking(child)
      for name, at_top in imports(child):
        yield name, at_top and not inner


def is_type_checking(node):
  return isinstance(node, ast.If) and 'TYPE_CHECKING' in ast.unparse(node.test)


def unik_jax_imports(name):
  """The set of (imported unik_jax module, whether at module level)."""
  return {
    (imported, at_top)
    for imported, at_top in imports(modules()[name])
    if imported.partition('.')[0] == 'unik_jax'
  }


def part(name):
  """The package or root module that a module belongs to."""
  return (name.split('.') + [''])[1]


def violations():
  for name in modules():
    allowed = EXCEPTIONS.get(name, LAYERS.get(part(name)))
    assert allowed is not None, f'{name}: add {part(name)!r} to LAYERS'
    for imported, _ in unik_jax_imports(name):
      if part(imported) not in allowed | {part(name), 'errors', ''}:
        yield name, imported


@pytest.mark.slow
def test_each_module_imports_only_what_its_layer_may():
  violating = set(violations())
  assert not violating, '\n' + '\n'.join(
    f'{name} imports {imported}; {part(name)} may use only'
    f' {", ".join(sorted(EXCEPTIONS.get(name, LAYERS[part(name)])))}'
    for name, imported in sorted(violating)
  )


def test_packages_import_nothing():
  for path in ROOT.rglob('__init__.py'):
    name = '.'.join(path.relative_to(ROOT.parent).parent.parts)
    if name != 'unik_jax':
      body = modules()[name].body
      assert len(body) == 1 and ast.get_docstring(modules()[name]), (
        f'{name}: expected one docstring and nothing else in __init__.py'
      )


def test_no_cycles_at_module_level():
  """An import inside a function may close a cycle; one at the top may not."""
  edges = {
    name: {imported for imported, at_top in unik_jax_imports(name) if at_top}
    for name in modules()
  }
  done = set()

  def visit(name, path):
    assert name not in path, ' -> '.join([*path, name])
    if name not in done:
      for imported in edges[name]:
        visit(imported, [*path, name])
      done.add(name)

  for name in modules():
    visit(name, [])


@pytest.mark.parametrize('name', ['main', 'configs', *COMMANDS])
def test_help_imports_nothing_heavy(name):
  """`--help` waits for imports at module level, so these are followed."""
  start = f'unik_jax.{name}'
  start += '.__main__' if f'{start}.__main__' in modules() else ''
  allowed = {'absl', 'ml_collections', 'unik_jax'} | sys.stdlib_module_names
  waiting, seen = [start], set()
  while waiting:
    module = waiting.pop()
    seen.add(module)
    for imported, at_top in imports(modules()[module]):
      if at_top:
        assert imported.partition('.')[0] in allowed, f'{module}: {imported}'
        if imported in modules() and imported not in seen:
          waiting.append(imported)
