"""Damaged files of every format that is read.

  PYTHONPATH=tests python -m helpers.mutations [--seconds=600] [--seed=0]

Changes bytes, numbers and JSON values of intact files at random. A reader must
give a clean result or a `UserError`; anything else is listed at the end, with
the seed of the first file that showed it.
"""

import argparse
import gzip
import io
import json
import pathlib
import pickle
import random
import re
import tempfile
import time
import warnings

import numpy as np
import scipy.io
from helpers.ntu import make_frames, skeleton_text

from unik_jax.config import default_config
from unik_jax.curate.labels import read_label_map
from unik_jax.data.clips import check_clip
from unik_jax.data.formats import (
  kinetics,
  lcrnet,
  msr_action3d,
  ntu,
  penn,
  pyskl,
)
from unik_jax.data.formats.user import manifest, recordings, settings, stacks
from unik_jax.data.raw_files import RawFile
from unik_jax.errors import UserError
from unik_jax.official.tensor_files import read_tensors
from unik_jax.predictor.frames import FrameReader
from unik_jax.run.metrics_file import read_validation
from unik_jax.run.scores import read_scores
from unik_jax.skeletons.layouts import get_layout

TESTS = pathlib.Path(__file__).parents[1]
NUMBERS = ('-1', '0', '1e30', '1e999', '-1e5', '9' * 40, 'NaN', '1e-320', '3.5')
VALUES = (None, True, -1, 1e300, 'x', '\x1b[31m' * 2000, [], {}, [[]], [None])
NUMBER = re.compile(rb'-?\d+\.?\d*(e[+-]?\d+)?')


def _npz(**arrays):
  file = io.BytesIO()
  np.savez(file, **arrays)
  return file.getvalue()


def _npy(array):
  file = io.BytesIO()
  np.save(file, array)
  return file.getvalue()


def _mat():
  rng = np.random.default_rng(0)
  file = io.BytesIO()
  fields = {
    'action': 'squat',
    'x': rng.uniform(1, 480, (4, 13)),
    'y': rng.uniform(1, 270, (4, 13)),
    'visibility': rng.random((4, 13)) > 0.3,
    'train': 1,
    'dimensions': np.array([[272, 481, 4]], np.uint16),
    'nframes': 4,
  }
  scipy.io.savemat(file, fields)
  return file.getvalue()


def _read_clip(path):
  return recordings.read_recording(
    recordings.ClipSource(str(path)), layout=get_layout('coco_17')
  ).keypoints


def _read_points(path):
  """Reads a clip whose layout its file gives."""
  source = recordings.ClipSource(str(path))
  parsed = recordings.parse_clip(source)
  layout = get_layout(parsed.layout)
  return recordings.read_recording(source, layout=layout).keypoints


def _read_stack(path):
  clips = [
    recordings.ClipSource(str(path), name)
    for stack in stacks.find_stacks(str(path))
    for name in stack.clip_names()
  ]
  layout = get_layout('coco_17')
  return [recordings.read_recording(clip, layout=layout) for clip in clips]


def _read_stream(path):
  reader = FrameReader(default_config().data, get_layout('coco_17'))
  return [reader.read(line, 'line') for line in path.read_bytes().splitlines()]


def make_samples():
  """Returns {format: (file name, content, reader of a path)}."""
  rng = np.random.default_rng(0)
  clip = rng.uniform(1, 400, (1, 6, 17, 2))
  body = {'pose': [0.5] * 36, 'score': [0.9] * 18}
  entries = [{'frame_index': t, 'skeleton': [body]} for t in (1, 2)]
  values = {'data': entries, 'label': 'clapping', 'label_index': 57}
  annotation = {
    'frame_dir': 'a',
    'label': 0,
    'total_frames': 4,
    'img_shape': (480, 640),
    'keypoint': rng.uniform(1, 400, (1, 4, 17, 2)).astype(np.float16),
    'keypoint_score': np.ones((1, 4, 17), np.float16),
  }
  packed = {'split': {'train': ['a']}, 'annotations': [annotation]}
  line = {'persons': [{'id': 3, 'keypoints': clip[0, 0].tolist()}]}
  scores = {
    'logits': rng.normal(size=(3, 4)).astype(np.float32),
    'labels': np.arange(3),
    'ids': np.array(['a', 'b', 'c']),
    'class_names': np.array(list('wxyz')),
  }
  table = ','.join(['frame', *(f'{a}{v}' for v in range(17) for a in 'xy')])
  rows = [','.join(map(str, [t, *clip[0, t].ravel()])) for t in range(6)]
  samples = {
    'npy': ('a.npy', _npy(clip), _read_clip),
    'npz': ('a.npz', _npz(keypoints=clip, image_size=[640, 480]), _read_clip),
    'csv': ('a.csv', '\n'.join([table, *rows]).encode(), _read_clip),
    'layout.yaml': (
      'layout.yaml',
      b'layout: coco_17\nimage_size: [640, 480]\npersons: 2\n',
      lambda path: settings.read_settings(path.parent),
    ),
    'clips.csv': (
      'clips.csv',
      b'file,label,split,subject\na.npy,wave,train,1\nb.npy,sit,test,2\n',
      lambda path: manifest.read_clip_list(path.parent),
    ),
    'label map': (
      'labels.yaml',
      b'merge:\n  run: [jogging, running]\nkeep: [squat]\n',
      read_label_map,
    ),
    'kinetics': (
      'a.json',
      json.dumps(values).encode(),
      lambda path: kinetics.parse_bodies(path.read_bytes(), 'a.json'),
    ),
    'msr_action3d': (
      'a01_s01_e01_skeleton3D.txt',
      '\n'.join(
        ' '.join(f'{x:.3f}' for x in (*joint, 1))
        for joint in rng.normal(size=(60, 3))
      ).encode(),
      lambda path: check_clip(
        msr_action3d.parse_skeleton(path.read_bytes(), 'a.txt')[None],
        get_layout('msr_20'),
        'a.txt',
      ),
    ),
    'penn': (
      '0001.mat',
      _mat(),
      lambda path: penn.read_annotations(RawFile(str(path))),
    ),
    'pyskl': ('a.pkl', pickle.dumps(packed), pyskl.load_annotations),
    'ntu': (
      'S001C001P001R001A001.skeleton',
      skeleton_text(make_frames()).encode(),
      lambda path: ntu.read_skeletons(RawFile(str(path))),
    ),
    'scores': ('test.npz', _npz(**scores), read_scores),
    'weights.npz': ('w.npz', _npz(a=np.ones((2, 3))), read_tensors),
    'metrics.jsonl': (
      'metrics.jsonl',
      b'{"step": 8, "val/top1": 0.5}\n{"step": 16, "loss": 1.5}\n',
      lambda path: read_validation(path.parent, 'top1'),
    ),
    'stream': ('lines.jsonl', json.dumps(line).encode(), _read_stream),
  }
  folder = TESTS / 'golden' / 'preprocess' / 'lcrnet_raw'
  content = sorted(folder.glob('*.json'))[0].read_bytes()
  samples['lcrnet'] = (
    'a.json',
    json.dumps(
      {**json.loads(content), 'frames': json.loads(content)['frames'][:3]}
    ).encode(),
    lambda path: lcrnet.parse_poses(path.read_bytes(), 'a.json'),
  )
  bodies = [{'keypoints': [7.5] * 51, 'scores': 2.5, 'idx': 1}]
  frames = json.dumps({'0.jpg': bodies, '1.jpg': []}).encode()
  samples['poseflow'] = ('a.json', frames, _read_clip)
  frames = json.dumps({'1': {'0': bodies[0], '2': bodies[0]}}).encode()
  samples['by_person'] = ('a.json', frames, _read_clip)
  parts = {'pose': 33, 'left_hand': 21, 'right_hand': 21}
  points = {f'{k}_landmarks': [[0.5, 0.25, 0]] * n for k, n in parts.items()}
  frames = json.dumps([points, points | {'left_hand_landmarks': None}])
  samples['holistic'] = ('a.json', frames.encode(), _read_clip)
  stack = rng.uniform(1, 400, (3, 3, 6, 17, 1))
  samples['stack'] = ('data.npy', _npy(stack), _read_stack)
  cases = TESTS / 'data/formats/user/cases'
  for file in sorted(cases.glob('*.json')):
    samples[file.name] = ('a.json', file.read_bytes(), _read_clip)
  labels = (cases / 'yolo_labels' / 'walk_1.txt').read_bytes()
  samples['yolo_labels'] = (
    'a_1.txt',
    labels,
    lambda path: _read_clip(path.parent),
  )
  table = (cases / 'dlc_two.csv').read_bytes()
  samples['dlc_two.csv'] = ('a.csv', table, _read_points)
  for file in sorted(cases.glob('*.h5.gz')):
    content = gzip.decompress(file.read_bytes())
    samples[file.name] = ('a.h5', content, _read_points)
  return samples


def _mutate_bytes(content, rng):
  start = rng.randrange(len(content) + 1)
  end = min(len(content), start + rng.choice((1, 1, 4, 64, len(content))))
  middle = rng.choice(
    (
      b'',
      bytes(rng.randrange(256) for _ in range(end - start)),
      content[start:end] * 2,
      bytes([rng.randrange(256)]),
    )
  )
  return content[:start] + middle + content[end:]


def _mutate_number(content, rng):
  found = list(NUMBER.finditer(content))
  if not found:
    return content
  match = rng.choice(found)
  new = rng.choice(NUMBERS).encode()
  return content[: match.start()] + new + content[match.end() :]


def _mutate_json(content, rng):
  """Replaces or drops one value, at any depth."""
  try:
    data = json.loads(content)
  except (ValueError, RecursionError):
    return content
  places, queue = [], [data]
  while queue:
    value = queue.pop()
    keys = value if isinstance(value, dict) else range(len(value))
    for key in keys:
      places.append((value, key))
      if isinstance(value[key], list | dict):
        queue.append(value[key])
  if places:
    holder, key = rng.choice(places)
    if rng.random() < 0.3:
      del holder[key]
    else:
      holder[key] = rng.choice(VALUES)
  return json.dumps(data).encode()


def mutate(content: bytes, rng: random.Random) -> bytes:
  """Returns a file's content with one to three changes."""
  for _ in range(rng.randint(1, 3)):
    change = rng.choice((_mutate_bytes, _mutate_number, _mutate_json))
    content = change(content, rng)
  return content


def check(name, sample, folder, rng):
  """Reads one damaged file.

  Raises:
    AssertionError: the reader failed in another way than by a short UserError,
      or gave a value that is not finite.
  """
  file_name, content, read = sample
  path = folder / file_name
  path.write_bytes(mutate(content, rng))
  try:
    result = read(path)
  except UserError as error:
    text = str(error)
    assert len(text) < 5000, f'{name}: a message of {len(text)} characters'
    assert all(c.isprintable() or c == '\n' for c in text), f'{name}: {text!r}'
  except Exception as error:
    raise AssertionError(f'{name}: {type(error).__name__}: {error}') from error
  else:
    if isinstance(result, np.ndarray) and name not in ('lcrnet', 'kinetics'):
      assert np.isfinite(result).all(), f'{name}: not finite'


def main():
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  parser.add_argument('--seconds', type=float, default=600)
  parser.add_argument('--seed', type=int, default=0)
  options = parser.parse_args()
  warnings.simplefilter('error')
  samples, number = make_samples(), options.seed
  end = time.monotonic() + options.seconds
  faults = {}
  with tempfile.TemporaryDirectory() as folder:
    while time.monotonic() < end:
      for name, sample in samples.items():
        try:
          check(name, sample, pathlib.Path(folder), random.Random(number))
        except AssertionError as error:
          faults.setdefault(str(error)[:200], (name, number))
      number += 1
  print(f'{(number - options.seed) * len(samples)} damaged files read')
  for text, (name, seed) in faults.items():
    print(f'{name}, seed {seed}: {text}')
  raise SystemExit(bool(faults))


if __name__ == '__main__':
  main()
