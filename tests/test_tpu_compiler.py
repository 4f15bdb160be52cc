"""benchmarks/tpu.py: what the TPU's compiler says, without a TPU."""

import importlib.util
import json
import pathlib
import subprocess
import sys

import pytest

FILE = pathlib.Path(__file__).parents[1] / 'benchmarks' / 'tpu.py'
HAS_LIBTPU = importlib.util.find_spec('libtpu') is not None
needs_libtpu = pytest.mark.skipif(
  not HAS_LIBTPU,
  reason="needs libtpu: pip install -e '.[tpu_compile]', not where you train",
)


def run(*flags):
  return subprocess.run(
    [sys.executable, FILE, *flags], capture_output=True, text=True
  )


def estimate(*flags):
  """Returns the figures of one narrow program."""
  done = run('--blocks=1', '--batch=8', '--frames=16', '--json', *flags)
  assert done.returncode == 0, done.stderr
  return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.tpu
@needs_libtpu
def test_inference_for_one_chip():
  figures = estimate('--inference')
  assert figures['collectives'] == {}
  assert figures['copies'] <= 2
  assert 0 < figures['cycles'] < 1e6 and figures['backward'] == 0
  assert set(figures['by_block']) == {'block0', 'other'}
  units = set(figures['by_unit'])
  assert {'SpatialUnit/attention', 'TemporalUnit/TemporalConv'} <= units


@pytest.mark.tpu
@needs_libtpu
def test_training_on_four_chips_exchanges_gradients_and_sums():
  figures = estimate('--chips=0')
  assert set(figures['collectives']) == {'all-reduce'}
  number, size = figures['collectives']['all-reduce']
  # Input, S-LSU, its shortcut and T-LSU have a batch norm each, whose sums
  # are exchanged forwards and back (the input's twice forwards); the gradients
  # and metrics travel with some of them.
  assert number <= 8
  # bfloat16 gradients of the convolution and float32 of the classifier are the
  # most of it.
  least = 2 * 64 * 64 * 9 + 4 * 64 * 320
  assert least < size < 2 * least
  assert figures['backward'] > 0


@pytest.mark.skipif(HAS_LIBTPU, reason='libtpu is here')
def test_the_error_without_the_compiler():
  done = run()
  assert done.returncode == 2
  assert 'libtpu' in done.stderr and '.[tpu_compile]' in done.stderr


PROGRAM = """
HloModule jit_step

%fused_computation.1 (p: bf16[8,4]) -> bf16[8,4] {
  %convolution.2 = bf16[8,4]{1,0} convolution(%p, %p), dim_labels=bf_io->bf
}

%fused_computation.2 (p: bf16[8,4]) -> bf16[8,4] {
  ROOT %add.2 = bf16[8,4]{1,0} add(%p, %p)
}

ENTRY %main (x: bf16[8,4]) -> bf16[8,4] {
  %fusion.1 = bf16[8,4]{1,0:T(8,128)(2,1)} fusion(%x), \
kind=kOutput, calls=%fused_computation.1, metadata={op_name=\
"jit(step)/jvp(block1)/Block/SpatialUnit/attention/bhup/dot_general" \
stack_frame_id=1}, backend_config={"window_config":{"estimated_cycles":"100"}}
  %fusion.2 = (f32[8]{0}, f32[8,4]{1,0}) fusion(%x), kind=kLoop, \
calls=%fused_computation.2, metadata={op_name=\
"jit(step)/transpose(jvp(block1))/Block/add"}, \
backend_config={"window_config":{"estimated_cycles":"20"}}
  %copy.3 = bf16[8,4]{0,1} copy(%fusion.1), \
backend_config={"window_config":{"estimated_cycles":"3"}}
  %all-reduce.4 = (f32[8]{0}, bf16[8,4]{1,0}) all-reduce(%fusion.2, %copy.3), \
to_apply=%sum
  %all-reduce-start.5 = f32[8]{0} all-reduce-start(%fusion.2), to_apply=%sum
  %all-reduce-done.5 = f32[8]{0} all-reduce-done(%all-reduce-start.5)
}
"""


def test_a_program_is_read(monkeypatch):
  monkeypatch.syspath_prepend(FILE.parent)
  import tpu_program

  found = tpu_program.read_instructions(PROGRAM)
  assert [i.kind for i in found] == ['product', 'fusion', 'copy']
  assert [i.cycles for i in found] == [100, 20, 3]
  assert [i.values for i in found] == [32, 40, 32]
  assert [i.block for i in found] == ['block1', 'block1', '']
  assert [i.unit for i in found] == ['SpatialUnit/attention', '', '']
  assert [i.backward for i in found] == [False, True, False]
  sums = tpu_program.sum_cycles(found, 'block')
  assert list(sums.items()) == [('block1', 120), ('other', 3)]
  # 8 floats and 32 of two bytes; 8 floats.
  collectives = tpu_program.count_collectives(PROGRAM)
  assert collectives == {'all-reduce': [2, 32 + 64 + 32]}
