"""Own data in each format of docs/own_data.md: two classes of a few clips."""

import gzip
import json
import pathlib
import pickle
import shutil

import h5py
import numpy as np
from helpers import ntu, user_clips
from helpers.pyskl import make_annotation

CASES = pathlib.Path(__file__).parents[1] / 'data/formats/user/cases'
LABELS = ('sit', 'wave')
CLIPS, FRAMES = 3, 6  # clips of a class, frames of a clip


def write_formats(root: pathlib.Path) -> dict[str, pathlib.Path]:
  """Writes a folder for each format; returns them by the format's name.

  The names are those of the table in docs/own_data.md.
  """
  folders = {}
  for number, (name, write) in enumerate(_WRITERS.items()):
    folders[name] = root / f'format_{number}'
    folders[name].mkdir(parents=True)
    write(folders[name])
  return folders


def _write_clips(write, joints=17, layout=''):
  """Returns a writer of a folder, from one of a clip (T, V, 3) in pixels."""

  def write_folder(folder):
    if layout:
      (folder / 'layout.yaml').write_text(f'layout: {layout}\n')
    for n in range(CLIPS * len(LABELS)):
      clip = user_clips.make_walker(FRAMES, joints, 3, seed=n) * [300, 300, 0.9]
      path = folder / LABELS[n % len(LABELS)] / str(n)
      path.parent.mkdir(exist_ok=True)
      write(path, clip)

  return write_folder


def _write_json(make):
  return lambda path, clip: user_clips.write_file(
    path.with_suffix('.json'), make(clip)
  )


def _make_bodies(clip):
  return [
    user_clips.alphapose_body(f'{t}.jpg', pose, idx=1)
    for t, pose in enumerate(clip)
  ]


def _make_coco(clip):
  annotations = [
    {'id': t, 'image_id': t, 'keypoints': pose.ravel().tolist()}
    for t, pose in enumerate(clip)
  ]
  images = [{'id': t, 'file_name': f'{t}.jpg'} for t in range(len(clip))]
  return {'images': images, 'annotations': annotations}


def _make_mmpose(clip):
  frames = [
    {
      'frame_id': t,
      'instances': [
        {
          'keypoints': pose[:, :2].tolist(),
          'keypoint_scores': pose[:, 2].tolist(),
        }
      ],
    }
    for t, pose in enumerate(clip)
  ]
  return {'meta_info': {'dataset_name': 'coco'}, 'instance_info': frames}


def _make_landmarks(pose):
  """Returns landmarks, as fractions of an image of 300 pixels."""
  values = np.insert(pose / [300, 300, 1], 2, 0.1, axis=1).tolist()
  keys = ('x', 'y', 'z', 'visibility')
  return [dict(zip(keys, point, strict=True)) for point in values]


def _make_holistic(pose):
  return {
    'pose_landmarks': _make_landmarks(pose[:33]),
    'left_hand_landmarks': _make_landmarks(pose[33:54]),
    'right_hand_landmarks': None,
  }


def _write_ultralytics(path, clip):
  """Writes the file that Ultralytics wrote, from another frame on."""
  del clip
  frames = json.loads((CASES / 'yolo.json').read_text())
  first = int(path.name)
  frames = frames[first:] + frames[:first]
  user_clips.write_file(path.with_suffix('.json'), frames)


def _write_ultralytics_labels(path, clip):
  """Copies the files that Ultralytics wrote, from another frame on."""
  del clip
  path.mkdir()
  for t in range(6):
    number = (t + int(path.name)) % 6 + 1
    shutil.copy(CASES / f'yolo_labels/walk_{number}.txt', path / f'w_{t}.txt')


def _write_ntu(path, clip):
  del clip
  text = ntu.skeleton_text(ntu.make_frames(seed=int(path.name)))
  path.with_suffix('.skeleton').write_text(text)


def _write_deeplabcut(folder):
  for label, number in zip(LABELS, ('one', 'two'), strict=True):
    (folder / label).mkdir()
    shutil.copy(CASES / f'dlc_{number}.csv', folder / label)
    content = (CASES / f'dlc_{number}.h5.gz').read_bytes()
    (folder / label / f'{number}.h5').write_bytes(gzip.decompress(content))


def _write_sleap(path, clip):
  del clip
  content = gzip.decompress((CASES / 'mice.analysis.h5.gz').read_bytes())
  number = int(path.name)
  path = path.with_suffix('.h5')
  path.write_bytes(content)
  with h5py.File(path, 'a') as file:
    file['tracks'][...] += number


def _write_gcn_arrays(folder):
  """As 2s-AGCN's scripts write them: (N, C, T, V, M)."""
  (folder / 'layout.yaml').write_text('layout: ntu_25\nconfidence: false\n')
  rng = np.random.default_rng(0)
  for split in ('train', 'val'):
    clips = rng.normal(size=(4, 3, FRAMES, 25, 2)).astype(np.float32)
    np.save(folder / f'{split}_data_joint.npy', clips)
    labels = ([f'{split}_{n}' for n in range(4)], [0, 1, 0, 1])
    (folder / f'{split}_label.pkl').write_bytes(pickle.dumps(labels))


def _write_ctr_gcn(folder):
  rng = np.random.default_rng(0)
  arrays = {}
  for split in ('train', 'test'):
    arrays[f'x_{split}'] = rng.normal(size=(4, FRAMES, 150))
    arrays[f'y_{split}'] = np.eye(60)[[0, 1, 0, 1]]
  np.savez(folder / 'NTU60_CS.npz', **arrays)


def _write_pyskl(folder):
  shape = (1, FRAMES, 17, 2)
  made = [make_annotation(f'c{n}', n % 2, shape, seed=n) for n in range(4)]
  split = {'train': ['c0', 'c1'], 'test': ['c2', 'c3']}
  content = pickle.dumps({'split': split, 'annotations': made})
  (folder / 'mine.pkl').write_bytes(content)


_WRITERS = {
  'numpy': _write_clips(
    lambda path, clip: np.save(path.with_suffix('.npy'), clip[..., :2]),
    layout='coco_17',
  ),
  'table with a header': _write_clips(
    lambda path, clip: user_clips.write_file(
      path.with_suffix('.csv'),
      user_clips.csv_text(
        clip.reshape(FRAMES, -1), user_clips.csv_columns(axes='xyc')
      ),
    )
  ),
  'table without one': _write_clips(
    lambda path, clip: user_clips.write_file(
      path.with_suffix('.csv'),
      user_clips.csv_text(clip[..., :2].reshape(FRAMES, -1)),
    ),
    layout='coco_17',
  ),
  'OpenPose': _write_clips(
    lambda path, clip: user_clips.write_openpose(
      path, [[user_clips.openpose_body(pose)] for pose in clip]
    ),
    joints=25,
  ),
  'AlphaPose, COCO results': _write_clips(_write_json(_make_bodies)),
  "PoseFlow (AlphaPose's tracker)": _write_clips(
    _write_json(lambda clip: {b['image_id']: [b] for b in _make_bodies(clip)})
  ),
  'tracked persons (MPED-RNN, STG-NF)': _write_clips(
    _write_json(
      lambda clip: {'1': {str(t): b for t, b in enumerate(_make_bodies(clip))}}
    )
  ),
  'COCO keypoints': _write_clips(_write_json(_make_coco)),
  'MMPose': _write_clips(_write_json(_make_mmpose)),
  'MediaPipe': _write_clips(
    _write_json(lambda clip: list(map(_make_landmarks, clip))), joints=33
  ),
  'MediaPipe holistic': _write_clips(
    _write_json(lambda clip: list(map(_make_holistic, clip))), joints=75
  ),
  'Ultralytics (YOLO)': _write_clips(_write_ultralytics),
  'Ultralytics labels': _write_clips(_write_ultralytics_labels),
  'NTU RGB+D': _write_clips(_write_ntu),
  'DeepLabCut': _write_deeplabcut,
  'SLEAP': _write_clips(_write_sleap),
  'ST-GCN, 2s-AGCN, UNIK': _write_gcn_arrays,
  'CTR-GCN': _write_ctr_gcn,
  'pyskl, MMAction2': _write_pyskl,
}
