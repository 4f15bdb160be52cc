"""FLOPs and bytes of the benchmarks, against counts by hand."""

import json
import pathlib
import re
import shutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from unik_jax.models.unik import UNIK
from unik_jax.run.scores import Scores

FOLDER = pathlib.Path(__file__).parents[1] / 'benchmarks'


@pytest.fixture
def figures(monkeypatch):
  monkeypatch.syspath_prepend(FOLDER)
  import figures

  return figures


@pytest.fixture
def kinds(monkeypatch):
  monkeypatch.syspath_prepend(FOLDER)
  import parts

  model = UNIK(
    7,
    17,
    2,
    2,
    widths=(8, 8, 8, 16),
    strides=(1, 1, 1, 2),
    rngs=nnx.Rngs(params=0),
  )
  x = jax.ShapeDtypeStruct((4, 2, 20, 17, 2), jnp.float32)
  first, _ = parts.split_input_and_head(model, x)
  return parts.list_block_kinds(model, first.shape())


def test_equal_blocks_are_listed_once(kinds):
  assert [kind.numbers for kind in kinds] == [[1], [2, 3], [4]]


def test_operations_are_counted(kinds):
  b, v, t, c, d = 8, 17, 20, 8, 16
  operations = {part.name: part for part in kinds[2].operations}
  flops = {name: part.flops('evaluation') for name, part in operations.items()}
  assert flops == {
    # Two embeddings of d / 4 channels and their product, for three heads.
    'attention': 2 * 3 * b * (2 * v * t * c * d // 4 + v * v * t * d // 4),
    'mix and embed': 2 * 3 * b * (v * v * t * c + v * t * c * d),
    # The spatial unit's shortcut sees all frames, the block's every second.
    'shortcuts, 1 x 1': 2 * b * v * (t + t // 2) * c * d,
    'temporal': 2 * b * v * (t // 2) * 9 * d * d,
    'batch norm': 0,
    'add and ReLU': 0,
  }
  assert operations['temporal'].flops('training') == 3 * flops['temporal']
  moved = 4 * (b * v * t * d + b * v * (t // 2) * d + 9 * d * d + d)
  assert operations['temporal'].bytes('evaluation') == moved
  block = kinds[2].block.flops('evaluation')
  assert block == sum(flops.values())


@pytest.mark.slow
def test_an_operation_runs_forward_and_backward(kinds):
  for part in kinds[2].operations:
    results = jax.tree.leaves(part.compiled('training')())
    assert results and all(np.isfinite(a).all() for a in results)


def test_episodes_of_enrolled_actions(monkeypatch):
  monkeypatch.syspath_prepend(FOLDER)
  import enroll

  # Of six pairs, the positives 3 and 1 are higher in 3 + 1, and equal in one.
  assert enroll.auroc(np.array([0, 1, 2, 3, 1]), 2) == pytest.approx(4.5 / 6)
  rng = np.random.default_rng(0)
  labels = np.repeat([f'class {n}' for n in range(8)], 20)
  centres = 10 * np.eye(8)[np.repeat(np.arange(8), 20)]
  options = {'ways': 5, 'queries': 10}
  for shots in enroll.SHOTS:
    apart = centres + rng.normal(size=(160, 8))
    accuracy, area = enroll.run_episode(
      apart, labels, rng, shots=shots, **options
    )
    assert accuracy > 0.95 and area > 0.95
    noise = rng.normal(size=(160, 8))
    results = [
      enroll.run_episode(noise, labels, rng, shots=shots, **options)
      for _ in range(50)
    ]
    np.testing.assert_allclose(np.mean(results, 0), [0.2, 0.5], atol=0.06)


SCRIPTS = [
  file
  for file in sorted(FOLDER.glob('*.py'))
  if "__name__ == '__main__'" in file.read_text()
]


@pytest.mark.slow
@pytest.mark.parametrize('file', SCRIPTS, ids=lambda file: file.stem)
def test_commands_print_help(file):
  done = subprocess.run(
    [sys.executable, file, '--help'],
    capture_output=True,
    text=True,
    check=True,
  )
  assert done.stdout.startswith(f'usage: {file.name} ')


def read_cells(page):
  """Returns the numbers of each row between the marks of a page, by table."""
  tables = {}
  for name, text in re.findall(r'<!-- figures: (.*?) -->(.*?)<!--', page, re.S):
    cells = [line.strip('|').split(' | ') for line in text.splitlines()]
    cells = [[cell.strip() for cell in row] for row in cells if len(row) > 1]
    tables[name] = {
      row: [[float(x) for x in re.findall(r'\d[\d.]*', c)] for c in rest]
      for row, *rest in cells[2:]
    }
  return tables


def test_the_tables_of_the_page_are_those_of_the_file(figures):
  page = (figures.DOCS / 'performance.md').read_text()
  tables = json.loads((figures.DOCS / 'figures.json').read_text())
  assert read_cells(page) == {
    name: {row: [*cells.values()] for row, cells in table['figures'].items()}
    for name, table in tables.items()
  }
  again = 'Run python benchmarks/figures.py'
  assert figures.fill_tables(page, tables) == page, again


def test_a_benchmark_replaces_its_figures(figures, tmp_path, monkeypatch):
  for name in 'performance.md', 'figures.json':
    shutil.copy(figures.DOCS / name, tmp_path)
  words = ['benchmarks/startup.py', '--rounds=2', '--record']
  monkeypatch.setattr(sys, 'argv', words)
  rows = {'`main --help`': {'time': [0.5012, 0.25, 1.0]}}
  figures.record('startup', 's', 'command', rows, tmp_path)
  tables = json.loads((tmp_path / 'figures.json').read_text())
  old = json.loads((figures.DOCS / 'figures.json').read_text())
  assert tables['forms'] == old['forms']
  new = tables['startup']
  assert new['figures'] == {'`main --help`': {'time': [0.5, 0.25, 1.0]}}
  assert 'jax' in new['hardware']
  assert new['command'] == 'python benchmarks/startup.py --rounds=2'
  assert new['commit'] and new['date']
  page = (tmp_path / 'performance.md').read_text()
  assert '| `main --help` | 0.50 s (0.25 to 1.0) |' in page
  assert f'`{new["command"]}`' in page


def test_floor_of_streams_counts_unseen_clips(monkeypatch, capsys):
  monkeypatch.syspath_prepend(FOLDER)
  import floor_streams

  right, wrong = [0.0, 1.0], [1.0, 0.0]
  scores = Scores(
    ids=np.arange(4),
    labels=np.ones(4, int),
    logits=np.zeros((4, 2)),
    classes=np.array(['sit', 'stand']),
    seen=np.array([True, False, False, False]),
  )
  logits = [[right, right, right, wrong], [right, wrong, right, wrong]]
  hits = floor_streams.report('fused', scores, np.array(logits))
  np.testing.assert_array_equal(hits, [0.5, 1, 0])
  out = capsys.readouterr().out
  assert '62.5% of 4 clips, 50.0% of 3 unseen (66.7, 33.3)' in out
