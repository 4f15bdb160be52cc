"""What a program compiled for a TPU says of itself: costs, memory, exchange.

The compiler writes its own estimate of the cycles into most instructions. The
estimates are deterministic, and rank programs; they are not measurements.
"""

import collections
import dataclasses
import math
import re
from collections.abc import Iterable
from typing import Any

# (bfloat16 FLOP/s, bytes/s of memory, bytes of memory) of a chip, from
# https://docs.cloud.google.com/tpu/docs/system-architecture-tpu-vm
CHIPS = {
  'v4': (275e12, 1228e9, 32e9),
  'v5e': (197e12, 819e9, 16e9),
  'v5p': (459e12, 2765e9, 95e9),
  'v6e': (918e12, 1638e9, 32e9),
}

_INSTRUCTION = re.compile(
  r'^\s*(?:ROOT )?%(?P<name>\S+) = (?P<shape>.*?) (?P<opcode>[a-z][\w-]*)\('
)
_COLLECTIVE = re.compile(
  r'(all-reduce|all-gather|all-to-all|reduce-scatter|collective-permute)'
  r'(?:-start)?$'
)
# Scopes that models set: a block, a class, or a part of a class.
_SCOPE = re.compile(r'block\d+|[A-Z]\w*[a-z]\w*|attention|mix_and_embed')
_BYTES = {'pred': 1, 's8': 1, 'u8': 1, 'bf16': 2, 'f16': 2, 's64': 8, 'f64': 8}


@dataclasses.dataclass(frozen=True)
class Instruction:
  """An instruction that the chip executes by itself.

  Attributes:
    name: its name in the program.
    kind: 'product' (a fusion around a product or convolution), 'fusion' (any
      other), or the instruction's own kind.
    shape: the result, with its layout.
    values: number of values of the result.
    cycles: the compiler's estimate.
    block: 'block0' and so on; '' outside the blocks.
    unit: classes and parts that it belongs to, such as 'SpatialUnit/attention'.
    backward: whether it belongs to a gradient.
  """

  name: str
  kind: str
  shape: str
  values: int
  cycles: int
  block: str
  unit: str
  backward: bool


def read_instructions(text: str) -> list[Instruction]:
  """Returns the instructions of a compiled program that have an estimate.

  Args:
    text: `Compiled.as_text()`.
  """
  with_product = set()
  computation = ''
  for line in text.splitlines():
    if line and not line[0].isspace() and '{' in line:
      computation = line.split()[0].lstrip('%')
    elif re.search(r' (?:convolution|dot)\(', line):
      with_product.add(computation)
  found = []
  for line in text.splitlines():
    cycles = re.search(r'"estimated_cycles":"(\d+)"', line)
    match = _INSTRUCTION.match(line)
    if not cycles or not match:
      continue
    kind = match['opcode']
    called = re.search(r'calls=%([\w.-]+)', line)
    if kind == 'convolution' or (called and called[1] in with_product):
      kind = 'product'
    name = re.search(r'op_name="((?:[^"\\]|\\.)*)"', line)
    scopes = _read_scopes(name[1]) if name else []
    blocks = [scope for scope in scopes if scope.startswith('block')]
    units = [s for s in scopes if not s.startswith('block') and s != 'Block']
    found.append(
      Instruction(
        name=match['name'],
        kind=kind,
        shape=match['shape'],
        values=sum(math.prod(axes) for _, axes in read_shapes(match['shape'])),
        cycles=int(cycles[1]),
        block=blocks[0] if blocks else '',
        unit='/'.join(units),
        backward=bool(name and 'transpose(' in name[1]),
      )
    )
  return found


def _read_scopes(op_name):
  return [s for s in re.split(r'[/()]', op_name) if _SCOPE.fullmatch(s)]


def read_shapes(text: str) -> list[tuple[str, list[int]]]:
  """Returns (dtype, axes) of each array in the text of a shape."""
  shapes = re.findall(r'\b([a-z]\w*\d+|pred)\[([\d,]*)\]', text)
  return [(t, [int(n) for n in axes.split(',') if n]) for t, axes in shapes]


def sum_cycles(
  instructions: Iterable[Instruction], attribute: str
) -> dict[str, int]:
  """Returns the cycles by an attribute, the largest first."""
  sums: collections.Counter = collections.Counter()
  for instruction in instructions:
    sums[getattr(instruction, attribute) or 'other'] += instruction.cycles
  return dict(sums.most_common())


def count_collectives(text: str) -> dict[str, list[int]]:
  """Returns [number, bytes of the results] by kind of collective."""
  found: dict[str, list[int]] = {}
  for line in text.splitlines():
    match = _INSTRUCTION.match(line)
    if match and (kind := _COLLECTIVE.match(match['opcode'])):
      number, size = found.get(kind[1], (0, 0))
      moved = sum(
        math.prod(axes) * _BYTES.get(dtype, 4)
        for dtype, axes in read_shapes(match['shape'])
      )
      found[kind[1]] = [number + 1, size + moved]
  return found


def describe(compiled: Any, chip: str, large: int) -> dict[str, Any]:
  """Returns what the compiler estimates for a program, of one chip.

  Args:
    compiled: a `jax.stages.Compiled`.
    chip: a key of `CHIPS`.
    large: values of the smallest activation; smaller copies are not listed.
  """
  text = compiled.as_text()
  instructions = read_instructions(text)
  cost, memory = compiled.cost_analysis(), compiled.memory_analysis()
  flops_per_s, bytes_per_s, capacity = CHIPS[chip]
  flops, moved = cost['flops'], cost['bytes accessed']
  temporary = memory.temp_size_in_bytes
  arguments = memory.argument_size_in_bytes
  largest = sorted(instructions, key=lambda i: -i.cycles)
  return {
    'cycles': sum(i.cycles for i in instructions),
    'by_kind': sum_cycles(instructions, 'kind'),
    'by_unit': sum_cycles(instructions, 'unit'),
    'by_block': sum_cycles(instructions, 'block'),
    'backward': sum(i.cycles for i in instructions if i.backward),
    'copies': sum(i.kind == 'copy' and i.values >= large for i in instructions),
    'largest': [dataclasses.asdict(i) for i in largest[:20]],
    'bytes': moved,
    'flops': flops,
    'roofline_ms': 1000 * max(flops / flops_per_s, moved / bytes_per_s),
    'temporary_bytes': temporary,
    'argument_bytes': arguments,
    'of_memory': (temporary + arguments) / capacity,
    'collectives': count_collectives(text),
  }
