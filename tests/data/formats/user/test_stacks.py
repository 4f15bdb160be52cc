"""Arrays of whole datasets, in the form that GCN repositories write."""

import os
import pickle

import numpy as np
import pytest

from unik_jax.data import registry
from unik_jax.data.formats.user import recordings, stacks
from unik_jax.errors import UserError
from unik_jax.predictor import inputs


def make_clips(rng, n=6, frames=9, joints=25, persons=2):
  """(N, C, T, V, M); the second person of half of the clips is absent."""
  clips = rng.normal(size=(n, 3, frames, joints, persons)).astype(np.float32)
  clips[::2, ..., 1] = 0
  for i, clip in enumerate(clips):
    clip[:, frames - i % 3 :] = 0  # zeros fill the rest of the array
  return clips


def write_stack(folder, split, clips, labels):
  np.save(folder / f'{split}data_joint.npy', clips)
  names = [f'S001C001P001R001A{label + 1:03}.skeleton' for label in labels]
  names = [f'{n}_{name}' for n, name in enumerate(names)]
  with open(folder / f'{split}label.pkl', 'wb') as file:
    pickle.dump((names, list(labels)), file)


def expected_clip(clips, n):
  return clips[n].transpose(3, 1, 2, 0)[:, : clips.shape[2] - n % 3]


def test_a_clip_of_an_array(tmp_path):
  clips = make_clips(np.random.default_rng(0))
  write_stack(tmp_path, '', clips, [0, 1, 2, 0, 1, 2])
  (stack,) = stacks.find_stacks(str(tmp_path / 'data_joint.npy'))
  assert stack.clip_names() == list('012345')
  for n, name in enumerate(stack.clip_names()):
    source = recordings.ClipSource(stack.path, name)
    clip = recordings.parse_clip(source)
    np.testing.assert_array_equal(clip.keypoints, expected_clip(clips, n))
    assert clip.is_open and not clip.confidence
  sources = inputs.find_clips([str(tmp_path)])
  assert list(map(str, sources)) == [
    f'{tmp_path}/data_joint.npy/{n}' for n in range(6)
  ]


def test_a_dataset_of_arrays(tmp_path):
  rng = np.random.default_rng(0)
  clips = {split: make_clips(rng) for split in ('train', 'val', 'test')}
  raw = tmp_path / 'raw'
  raw.mkdir()
  for split, part in clips.items():
    write_stack(raw, f'{split}_', part, [0, 1, 10, 0, 1, 10])
    np.save(raw / f'{split}_data_bone.npy', part)  # is not read
  (raw / 'layout.yaml').write_text('layout: ntu_25\nconfidence: false\n')
  builder = registry.prepare_dataset(
    'skeleton_folder/mine', tmp_path / 'data', raw, workers=1
  )
  assert builder.info.features['label'].names == ['0', '1', '10']
  for split, part in clips.items():
    records = builder.as_data_source(split=split)
    by_name = {record['id']: record for record in records}
    assert len(by_name) == 6
    for n in range(6):
      (key,) = [k for k in by_name if f'/{n}_' in k.decode()]
      keypoints = by_name[key]['keypoints']
      expected = expected_clip(part, n)
      np.testing.assert_array_equal(keypoints[: len(expected)], expected)
      assert by_name[key]['label'] == n % 3


@pytest.mark.parametrize('save', [np.savez, np.savez_compressed])
def test_npz_of_ntu(save, tmp_path):
  rng = np.random.default_rng(0)
  x = {
    part: rng.normal(size=(n, 7, 150))
    for part, n in zip(('train', 'test'), (4, 3), strict=True)
  }
  x['train'][0, 5:] = 0
  y = {part: np.eye(60)[np.arange(len(x[part])) * 7] for part in x}
  arrays = {f'x_{p}': x[p] for p in x} | {f'y_{p}': y[p] for p in y}
  save(tmp_path / 'NTU60_CS.npz', **arrays)
  found = stacks.find_stacks(str(tmp_path / 'NTU60_CS.npz'))
  assert [(s.member, s.clips, s.split) for s in found] == [
    ('x_train', 4, 'train'),
    ('x_test', 3, 'test'),
  ]
  assert stacks.read_labels(found[0])[1] == [0, 7, 14, 21]
  source = recordings.ClipSource(found[0].path, 'x_train/0')
  clip = recordings.parse_clip(source)
  expected = x['train'][0, :5].reshape(5, 2, 25, 3).transpose(1, 0, 2, 3)
  np.testing.assert_array_equal(clip.keypoints, expected)
  assert (clip.layout, clip.units, clip.is_open) == ('ntu_25', 'metres', False)


@pytest.mark.parametrize(
  'labels, words',
  [
    (None, 'data_joint.npy: expected its labels in .*label.pkl'),
    ((['a'] * 5, [0] * 5), 'expected a label for each of 6 clips, got 5'),
    ({'a': 1}, 'label.pkl: expected a pickle of'),
    ((['a'] * 6, ['x'] * 6), 'label.pkl: expected a pickle of'),
  ],
)
def test_bad_labels(labels, words, tmp_path):
  np.save(tmp_path / 'data_joint.npy', make_clips(np.random.default_rng(0)))
  if labels is not None:
    (tmp_path / 'label.pkl').write_bytes(pickle.dumps(labels))
  with pytest.raises(UserError, match=words):
    registry.prepare_dataset('skeleton_folder/a', tmp_path / 'data', tmp_path)


def test_a_pickle_of_labels_is_not_run(tmp_path):
  class Harm:
    def __reduce__(self):
      return os.mkdir, (str(tmp_path / 'harmed'),)

  np.save(tmp_path / 'data_joint.npy', make_clips(np.random.default_rng(0)))
  (tmp_path / 'label.pkl').write_bytes(pickle.dumps((Harm(), [0])))
  with pytest.raises(UserError, match='label.pkl: refused'):
    registry.prepare_dataset('skeleton_folder/a', tmp_path / 'data', tmp_path)
  assert not (tmp_path / 'harmed').exists()
  objects = np.empty((2, 3, 4, 5, 1), object)
  np.save(tmp_path / 'data.npy', objects, allow_pickle=True)
  assert stacks.find_stacks(str(tmp_path / 'data.npy')) == []


def test_damaged_stacks(tmp_path):
  clips = make_clips(np.random.default_rng(0))
  write_stack(tmp_path, '', clips, range(6))
  path = tmp_path / 'data_joint.npy'
  empty = clips.copy()
  empty[1] = 0
  np.save(tmp_path / 'empty_data.npy', empty)
  source = recordings.ClipSource(str(tmp_path / 'empty_data.npy'), '1')
  with pytest.raises(UserError, match='empty_data.npy/1: nobody is seen'):
    recordings.parse_clip(source)
  np.savez(tmp_path / 'NTU60_CS.npz', x_train=np.ones((2, 5, 75)))
  source = recordings.ClipSource(str(tmp_path / 'NTU60_CS.npz'), 'x_train/0')
  with pytest.raises(UserError, match=r'expected \(frames, 150\)'):
    recordings.parse_clip(source)
  path.write_bytes(path.read_bytes()[:5000])
  assert stacks.find_stacks(str(path)) == []
