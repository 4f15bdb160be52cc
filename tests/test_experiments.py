"""One variant of each dataset's config, trained for two steps.

The clips are generated in each dataset's original file format. The networks
have two narrow blocks.
"""

import json
import pickle

import numpy as np
import pytest
from helpers.configs import load_config
from helpers.lcrnet import make_lcrnet_clip
from helpers.msr_action3d import write_msr_files
from helpers.ntu import ANN, BEN, make_frames, skeleton_text
from helpers.penn import write_poses
from helpers.pyskl import make_annotation

from unik_jax import training
from unik_jax.data.formats import smarthome

pytestmark = pytest.mark.slow


def write_posetics(folder):
  for part, letter, count in (('train', 'a', 4), ('val', 'b', 3)):
    (folder / f'posetics_{part}').mkdir(parents=True)
    labels = {}
    for i in range(count):
      video = f'{letter * 10}{i}'
      path = folder / f'posetics_{part}' / f'{video}_000001_000011.json'
      path.write_text(json.dumps(make_lcrnet_clip((1, 2, 2, 1), seed=i)))
      labels[video] = {'label_index': 99 * i, 'has_skeleton': True}
    path = folder / f'posetics_{part}_label.json'
    path.write_text(json.dumps(labels))


def write_smarthome(folder):
  folder.mkdir()
  # Six of the rare classes, which the cross-view protocols repeat.
  for camera in (1, 2):
    for i, action in enumerate(smarthome.CLASSES_19[::4]):
      path = folder / f'{action}_p02_r00_v01_c{camera:02}_pose3d.json'
      path.write_text(json.dumps(make_lcrnet_clip((2, 1, 2), seed=i)))


def write_penn(folder):
  clips = {
    f'{i:04}': (i, 1 if i < 5 else -1, make_lcrnet_clip((1, 2, 1), seed=i))
    for i in range(1, 8)
  }
  write_poses(folder, clips)


def write_ntu(folder):
  folder.mkdir()
  for i in range(12):
    # Subjects 1 and 2 train, 3 tests; cameras 1 to 3; two clips of NTU-120.
    setup = 20 + i % 2 if i > 9 else 1
    action = 61 + i if i > 9 else 1 + i
    name = f'S{setup:03}C{1 + i % 3:03}P{1 + i % 3:03}R001A{action:03}'
    frames = make_frames([(ANN,), (ANN, BEN), (BEN, ANN)], seed=i)
    (folder / f'{name}.skeleton').write_text(skeleton_text(frames))
  for which in ('', '120'):
    missing = f'NTU_RGBD{which}_samples_with_missing_skeletons.txt'
    (folder / missing).write_text('S032C003P106R002A060\nS032C003P106R002A120')


def write_own(folder):
  rng = np.random.default_rng(0)
  for label in ('jump', 'wave'):
    (folder / label).mkdir(parents=True)
    for i in range(5):
      np.save(folder / label / f'{i}.npy', rng.normal(size=(9, 20, 3)))
  (folder / 'layout.yaml').write_text('layout: msr_20\n')


def write_pyskl(folder):
  folder.mkdir()
  names = [f'clip{i}' for i in range(7)]
  annotations = [
    make_annotation(name, i % 3, (1 + i % 2, 5, 17, 2), seed=i)
    for i, name in enumerate(names)
  ]
  splits = {'xsub_train': names[:4], 'xsub_val': names[4:]}
  data = {'split': splits, 'annotations': annotations}
  (folder / 'set.pkl').write_bytes(pickle.dumps(data))


EXPERIMENTS = {
  'msr_action3d:modern': write_msr_files,
  'posetics:25_joints,bone_motion': write_posetics,
  'smarthome:cv1,joint_motion': write_smarthome,
  'penn': write_penn,
  'ntu60:17_joints,xview,bone': write_ntu,
  'ntu120:modern': write_ntu,
  'pyskl:set,xsub': write_pyskl,
  'own:mine': write_own,
}


@pytest.mark.parametrize('case', EXPERIMENTS)
def test_two_steps(case, tmp_path):
  EXPERIMENTS[case](tmp_path / 'raw')
  config = load_config(case)
  config.update(epochs=1, batch_size=2, eval_batch_size=2, mesh=(1, 8))
  config.floor = False  # its compilation takes longer than the steps
  config.model.update(widths=(4, 4), strides=(1, 2))
  config.optim.warmup_epochs = 0
  config.data.update(
    data_dir=str(tmp_path / 'data'),
    manual_dir=str(tmp_path / 'raw'),
    train_split=f'{config.data.train_split}[:4]',
    repeats=config.data.repeats and (1,) * len(config.data.repeats),
  )
  result = training.run(config, tmp_path / 'run')
  assert result['step'] == 2
  assert result['test']['clips'] > 0
  assert np.isfinite(result['test']['loss'])
