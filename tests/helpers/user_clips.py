"""Files of a user's own clips for tests, and functions that read them."""

import csv
import io
import itertools
import json

import numpy as np
from absl import logging

from unik_jax.data import registry
from unik_jax.data.formats.user import recordings
from unik_jax.skeletons.layouts import get_layout


def clip_sources(*paths):
  """Returns a `ClipSource` for each path."""
  return [recordings.ClipSource(str(path)) for path in paths]


def parse_clip(path):
  """Returns the contents of a clip's file."""
  return recordings.parse_clip(recordings.ClipSource(str(path)))


def read_recording(path, layout='coco_17', **options):
  """Returns the recording in a file."""
  return recordings.read_recording(
    recordings.ClipSource(str(path)), layout=get_layout(layout), **options
  )


def read_keypoints(path, layout='coco_17', **options):
  """Returns the keypoints (M, T, V, C) in a file."""
  return read_recording(path, layout, **options).keypoints


def write_file(path, content):
  """Writes text, bytes, or any other value as JSON; returns the path."""
  path.parent.mkdir(parents=True, exist_ok=True)
  if isinstance(content, bytes):
    path.write_bytes(content)
  else:
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text)
  return path


# Arrays


def make_clip(*shape, seed=0):
  """Returns random coordinates in pixels, none of them 0."""
  return np.random.default_rng(seed).uniform(1, 400, shape).round(3)


def make_walker(frames=20, joints=17, channels=2, *, seed=0, at=0.0, speed=0.0):
  """Returns (T, V, C): a person at a place, trembling and moving along."""
  rng = np.random.default_rng(seed)
  pose = at + rng.uniform(0.1, 0.9, (joints, channels))
  clip = pose + rng.normal(0, 0.02, (frames, joints, channels))
  return clip + speed * np.arange(frames)[:, None, None]


def write_array(path, *arrays, **named):
  """Writes an .npy or .npz file; returns the path."""
  if path.suffix == '.npy':
    np.save(path, arrays[0])
  else:
    np.savez(path, *arrays, **named)
  return path


def write_clip(path, seed=0, shape=(4, 17, 2)):
  """Writes a random clip as .npy; returns the path."""
  path.parent.mkdir(parents=True, exist_ok=True)
  return write_array(path, make_clip(*shape, seed=seed))


# Tables


def csv_text(rows, header=None):
  """Returns rows as CSV."""
  file = io.StringIO()
  csv.writer(file).writerows(([header] if header else []) + list(rows))
  return file.getvalue()


def csv_columns(layout='coco_17', axes='xy', extra=()):
  """Returns the header of a layout's joints; c stands for confidence."""
  names = {'c': 'confidence'}
  joints = get_layout(layout).joints
  return [f'{j}_{names.get(a, a)}' for j in joints for a in axes] + list(extra)


# Pose estimators' output


def body_at(x, y, joints=25, confidence=1.0, seed=0):
  """Returns a body (V, 3), about 100 pixels large, around a point."""
  pose = np.random.default_rng(seed).uniform(-40, 40, (joints, 3))
  pose[:, :2] += (x, y)
  pose[:, 2] = confidence
  return pose.round(3)


def openpose_body(pose, **fields):
  """Returns a body (V, 3) as OpenPose writes it."""
  body = {'pose_keypoints_2d': pose.ravel().tolist(), 'face_keypoints_2d': []}
  return {'person_id': [-1]} | body | fields


def write_openpose(folder, frames, name='clip', numbers=None):
  """Writes a file per frame, each a list of bodies; returns the folder."""
  for t, bodies in enumerate(frames):
    number = numbers[t] if numbers else t
    write_file(
      folder / f'{name}_{number:012}_keypoints.json',
      {'version': 1.3, 'people': bodies},
    )
  return folder


def alphapose_body(image, pose, **fields):
  """Returns a body (V, 3) as AlphaPose writes it."""
  body = {'image_id': image, 'category_id': 1, 'score': 2.5}
  return body | {'keypoints': pose.ravel().tolist()} | fields


# Datasets


def write_tree(root, labels=('sit', 'wave'), clips=5, layout='coco_17'):
  """Writes ROOT/LABEL/N.npy, all different; returns the root."""
  for seed, (label, n) in enumerate(itertools.product(labels, range(clips))):
    write_clip(root / label / f'{n}.npy', seed)
  if layout:
    write_file(root / 'layout.yaml', f'layout: {layout}\n')
  return root


def write_manifest(root, rows, header='file,label', layout='coco_17'):
  """Writes a manifest.csv, and the files in its first column."""
  for seed, row in enumerate(rows):
    write_clip(root / row.split(',')[0], seed)
  write_file(root / 'manifest.csv', '\n'.join([header, *rows]) + '\n')
  if layout:
    write_file(root / 'layout.yaml', f'layout: {layout}\n')
  return root


def prepare(tmp_path, name='mine', **options):
  """Prepares tmp_path/raw as skeleton_folder/NAME in tmp_path/data."""
  dataset = f'skeleton_folder/{name}' if name else 'skeleton_folder'
  return registry.prepare_dataset(
    dataset, tmp_path / 'data', tmp_path / 'raw', **options
  )


def read_splits(tmp_path, name='mine'):
  """Returns {split: {id: record}} of a prepared dataset."""
  builder = registry.open_prepared(f'skeleton_folder/{name}', tmp_path / 'data')
  return {
    split: {
      record['id'].decode(): record for record in builder.as_data_source(split)
    }
    for split in builder.info.splits
  }


def capture_notices(monkeypatch):
  """Returns a list that receives every warning logged for the user."""
  texts = []
  monkeypatch.setattr(
    logging, 'warning', lambda text, *args: texts.append(text % args)
  )
  return texts
