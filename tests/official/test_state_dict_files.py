"""Reading and writing the files of official state dicts."""

import sys
import types

import jax
import numpy as np
import pytest
from helpers.random_values import random_values

from unik_jax.errors import UserError
from unik_jax.models.network import Network
from unik_jax.official.convert import from_official, to_official
from unik_jax.official.tensor_files import read_tensors, write_tensors


@pytest.fixture(scope='module')
def net():
  return Network(
    'unik',
    num_classes=5,
    num_joints=6,
    num_persons=1,
    in_channels=2,
    num_heads=2,
    tau=3,
    widths=(4, 4, 8),
    strides=(1, 1, 2),
  )


@pytest.fixture(scope='module')
def state(net):
  return random_values(net.shapes, dtype=np.float32)


@pytest.mark.parametrize('ending', ['npz', 'safetensors', 'pt', 'pth'])
def test_file_round_trip(net, state, tmp_path, ending):
  if ending.startswith('pt'):
    pytest.importorskip('torch', reason='reading .pt needs PyTorch')
  file = tmp_path / f'weights.{ending}'
  official = to_official(net.abstract, *state)
  write_tensors(file, official)
  (tmp_path / 'text').write_text('')
  assert file.stat().st_mode == (tmp_path / 'text').stat().st_mode
  tensors = read_tensors(file)
  assert {k: v.dtype for k, v in tensors.items()} == {
    k: v.dtype for k, v in official.items()
  }
  converted = from_official(net.abstract, *state, tensors, str(file))
  jax.tree.map(np.testing.assert_array_equal, converted, state)


def test_module_prefix_and_missing_counters(net, state):
  official = to_official(net.abstract, *state)
  wrapped = {
    f'module.{k}': v
    for k, v in official.items()
    if not k.endswith('num_batches_tracked')
  }
  converted = from_official(net.abstract, *state, wrapped, 'weights.pt')
  jax.tree.map(np.testing.assert_array_equal, converted, state)


def test_each_wrong_tensor_is_named(net, state):
  tensors = to_official(net.abstract, *state)
  del tensors['l1.s_unit.DepM']
  tensors['fc.weight'] = tensors['fc.weight'].T
  tensors['l4.t_unit.conv.weight'] = np.zeros(3)
  with pytest.raises(UserError) as error:
    from_official(net.abstract, *state, tensors, 'weights.pt')
  text = str(error.value)
  assert 'weights.pt' in text
  assert 'missing: l1.s_unit.DepM' in text
  assert 'extra: l4.t_unit.conv.weight' in text
  assert 'misshapen: fc.weight: expected (5, 8), got (8, 5)' in text


@pytest.mark.parametrize('ending', ['npz', 'safetensors'])
@pytest.mark.parametrize('content', [b'', b'not tensors', b'PK\x03\x04cut'])
def test_broken_files(tmp_path, ending, content):
  file = tmp_path / f'weights.{ending}'
  file.write_bytes(content)
  with pytest.raises(UserError, match=file.name):
    read_tensors(file)


def test_pickles_in_npz_are_refused(tmp_path):
  file = tmp_path / 'weights.npz'
  np.savez(file, weight=np.array([{'not': 'numbers'}], object))
  with pytest.raises(UserError, match='cannot be read'):
    read_tensors(file)


def test_torch_files_that_run_code_are_refused(tmp_path):
  torch = pytest.importorskip('torch', reason='reading .pt needs PyTorch')

  class Payload:
    def __reduce__(self):
      return (tmp_path.joinpath('owned').write_text, ('x',))

  file = tmp_path / 'weights.pt'
  torch.save({'weight': Payload()}, file)
  with pytest.raises(UserError, match='safely'):
    read_tensors(file)
  assert not (tmp_path / 'owned').exists()


def test_state_dict_within_a_checkpoint(tmp_path, monkeypatch):
  """As mmcv writes them, for pyskl; needs no PyTorch."""

  class Tensor:
    def numpy(self):
      return np.arange(3)

  for content in (
    {'meta': {'epoch': 16}, 'state_dict': {'fc.weight': Tensor()}},
    {'fc.weight': Tensor()},
  ):
    torch = types.SimpleNamespace(load=lambda *_, c=content, **__: c)
    monkeypatch.setitem(sys.modules, 'torch', torch)
    file = tmp_path / 'j.pth'
    file.touch()
    tensors = read_tensors(file)
    assert list(tensors) == ['fc.weight']
    np.testing.assert_array_equal(tensors['fc.weight'], [0, 1, 2])


def test_missing_file_and_unknown_ending(tmp_path):
  with pytest.raises(UserError, match='no such file'):
    read_tensors(tmp_path / 'weights.npz')
  for call in (
    lambda: read_tensors(tmp_path / 'weights.bin'),
    lambda: write_tensors(tmp_path / 'weights.bin', {}),
  ):
    with pytest.raises(UserError, match='safetensors'):
      call()
