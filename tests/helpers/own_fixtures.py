"""What the tests of a user's own recordings share: files, and their reading."""

import csv
import io
import itertools
import json
import pathlib

import numpy as np
from absl import logging

from unik_jax.data import registry
from unik_jax.data.formats.user import recordings
from unik_jax.skeletons.layouts import get_layout


def read(path, layout='coco_17', **options):
  return recordings.read(
    recordings.Source(str(path)), layout=get_layout(layout), **options
  )


def keypoints(path, layout='coco_17', **options):
  return read(path, layout, **options).keypoints


def put(path, content):
  """Writes text, bytes, or anything else as JSON."""
  path.parent.mkdir(parents=True, exist_ok=True)
  if isinstance(content, bytes):
    path.write_bytes(content)
  else:
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text)
  return path


def make_clip(*shape, seed=0):
  return np.random.default_rng(seed).uniform(1, 400, shape).round(3)


def save(path, *arrays, **named):
  if path.suffix == '.npy':
    np.save(path, arrays[0])
  else:
    np.savez(path, *arrays, **named)
  return path


def table(rows, header=None):
  file = io.StringIO()
  csv.writer(file).writerows(([header] if header else []) + list(rows))
  return file.getvalue()


def columns(layout='coco_17', axes='xy', extra=()):
  names = {'c': 'confidence'}
  joints = get_layout(layout).joints
  return [f'{j}_{names.get(a, a)}' for j in joints for a in axes] + list(extra)


def person(pose, **fields):
  """A body as OpenPose writes it, (V, 3)."""
  body = {'pose_keypoints_2d': pose.ravel().tolist(), 'face_keypoints_2d': []}
  return {'person_id': [-1]} | body | fields


def put_frames(folder, frames, name='clip', numbers=None):
  for t, bodies in enumerate(frames):
    number = numbers[t] if numbers else t
    put(
      folder / f'{name}_{number:012}_keypoints.json',
      {'version': 1.3, 'people': bodies},
    )
  return folder


def body_at(x, y, joints=25, confidence=1.0, seed=0):
  """(V, 3): a body of a size of about 100 pixels around a point."""
  pose = np.random.default_rng(seed).uniform(-40, 40, (joints, 3))
  pose[:, :2] += (x, y)
  pose[:, 2] = confidence
  return pose.round(3)


def result(image, pose, **fields):
  body = {'image_id': image, 'category_id': 1, 'score': 2.5}
  return body | {'keypoints': pose.ravel().tolist()} | fields


def sources(*paths):
  return [recordings.Source(str(path)) for path in paths]


def write(path, seed=0, shape=(4, 17, 2)):
  """One .npy clip."""
  path.parent.mkdir(parents=True, exist_ok=True)
  return save(path, make_clip(*shape, seed=seed))


def write_tree(root, labels=('sit', 'wave'), clips=5, layout='coco_17'):
  """ROOT/LABEL/N.npy, all different."""
  for seed, (label, n) in enumerate(itertools.product(labels, range(clips))):
    write(root / label / f'{n}.npy', seed)
  if layout:
    put(root / 'layout.yaml', f'layout: {layout}\n')
  return root


def write_manifest(root, rows, header='file,label', layout='coco_17'):
  """A manifest.csv and its files, which are the rows' first column."""
  for seed, row in enumerate(rows):
    write(root / row.split(',')[0], seed)
  put(root / 'manifest.csv', '\n'.join([header, *rows]) + '\n')
  if layout:
    put(root / 'layout.yaml', f'layout: {layout}\n')
  return root


def prepare(tmp_path, name='mine', **options):
  dataset = f'skeleton_folder/{name}' if name else 'skeleton_folder'
  return registry.prepare_dataset(
    dataset, tmp_path / 'data', tmp_path / 'raw', **options
  )


def records(tmp_path, name='mine'):
  """{split: {id: record}} of what is prepared."""
  builder = registry.open_prepared(f'skeleton_folder/{name}', tmp_path / 'data')
  return {
    split: {
      record['id'].decode(): record for record in builder.as_data_source(split)
    }
    for split in builder.info.splits
  }


def report(builder):
  return json.loads(
    (pathlib.Path(builder.data_path) / 'report.json').read_text()
  )


def record_notices(monkeypatch):
  """A list of what is logged for the user to see."""
  texts = []
  monkeypatch.setattr(
    logging, 'warning', lambda text, *args: texts.append(text % args)
  )
  return texts
