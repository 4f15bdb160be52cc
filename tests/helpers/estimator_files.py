"""Writes the files of tests/data/formats/user/cases that estimators wrote.

  python tests/helpers/estimator_files.py

needs ultralytics, sleap-io, pandas and tables, which are no extras: the tests
read the files. The poses are random. `NAME_truth.npy` has what a file holds:
(animals or persons, frames, joints, x y confidence), zeros or NaN where absent.
"""

import gzip
import json
import pathlib
import shutil

import numpy as np

CASES = pathlib.Path(__file__).parents[1] / 'data/formats/user/cases'
PARTS = ['snout', 'left_ear', 'right_ear', 'tail base']


def write_yolo():
  """By ultralytics.engine.results.Results: to_json and save_txt."""
  import torch
  from ultralytics.engine.results import Results

  rng = np.random.default_rng(2)
  frames, height, width = 6, 480, 640
  truth = np.zeros((2, frames, 17, 3))
  base = rng.uniform([[[80, 60]], [[360, 60]]], [[[240, 400]], [[560, 400]]])
  base = base + rng.uniform(-60, 60, (2, 17, 2))
  shutil.rmtree(CASES / 'yolo_labels', ignore_errors=True)
  written = []
  for t in range(frames):
    for m in range(2):
      if (m, t) != (1, 2):  # the second person is absent in frame 2
        truth[m, t, :, :2] = base[m] + rng.normal(0, 3, (17, 2))
        truth[m, t, :, 2] = rng.uniform(0.5, 1, 17).round(4)
    if t == 1:
      truth[0, t, 9] = 0  # a joint that is not seen
    present = [m for m in (0, 1)[:: (-1) ** t] if truth[m, t].any()]
    bodies = truth[present, t]
    boxes = [
      [*b[:, :2].min(0), *b[:, :2].max(0), m + 1, 0.9, 0]
      for m, b in zip(present, bodies, strict=True)
    ]
    result = Results(
      np.zeros((height, width, 3), np.uint8),
      path='walk.mp4',
      names={0: 'person'},
      boxes=torch.tensor(np.array(boxes), dtype=torch.float32),
      keypoints=torch.tensor(bodies, dtype=torch.float32),
    )
    written.append(json.loads(result.to_json(decimals=3)))
    path = CASES / 'yolo_labels' / f'walk_{t + 1}.txt'
    result.save_txt(path, save_conf=True)
  (CASES / 'yolo.json').write_text(json.dumps(written))
  np.save(CASES / 'yolo_truth.npy', truth.astype(np.float32))


def write_sleap():
  """By sleap_io.save_analysis_h5."""
  import sleap_io as sio

  rng = np.random.default_rng(0)
  frames = 12
  skeleton = sio.Skeleton(
    nodes=['nose', 'left ear', 'right ear', 'tail base'],
    edges=[
      ('nose', 'left ear'),
      ('nose', 'right ear'),
      ('nose', 'tail base'),
    ],
  )
  tracks = [sio.Track('mouse_a'), sio.Track('mouse_b')]
  video = sio.Video(filename='mice.mp4', open_backend=False)
  truth = np.full((2, frames, 4, 3), np.nan)
  # Two mice that stay apart: tracks that jump would be joined.
  base = rng.uniform(50, 150, (2, 4, 2)) + np.array([[[0, 0]], [[300, 200]]])
  labeled = []
  for t in range(frames):
    instances = []
    for m, track in enumerate(tracks):
      if m == 1 and t in (0, 5):
        continue
      points = (base[m] + rng.normal(0, 2, (4, 2))).round(2)
      scores = rng.uniform(0.3, 1, 4).round(3)
      if (m, t) == (0, 3):
        points[2], scores[2] = np.nan, 0
      truth[m, t] = np.column_stack([points, scores])
      instances.append(
        sio.PredictedInstance.from_numpy(
          points_data=points,
          point_scores=scores,
          score=float(scores.mean()),
          skeleton=skeleton,
          track=track,
          tracking_score=0.9,
        )
      )
    labeled.append(
      sio.LabeledFrame(video=video, frame_idx=t, instances=instances)
    )
  labels = sio.Labels(
    labeled, videos=[video], skeletons=[skeleton], tracks=tracks
  )
  path = CASES / 'mice.analysis.h5'
  sio.save_analysis_h5(labels, str(path))
  _compress(path)
  np.save(CASES / 'mice_truth.npy', truth)


def write_deeplabcut():
  """By pandas with the arguments of DeepLabCut's analyze_videos."""
  import pandas as pd

  rng = np.random.default_rng(1)
  frames, scorer = 10, 'DLC_resnet50_miceDec1shuffle1_50000'

  def draw():
    points = rng.uniform(20, 600, (frames, 4, 2))
    return np.concatenate([points, rng.uniform(0.2, 1, (frames, 4, 1))], -1)

  def write(name, animals, truth):
    levels = [[scorer], animals, PARTS, ['x', 'y', 'likelihood']]
    names = ['scorer', 'individuals', 'bodyparts', 'coords']
    if not animals:
      del levels[1], names[1]
    columns = pd.MultiIndex.from_product(levels, names=names)
    rows = truth.transpose(1, 0, 2, 3).reshape(frames, -1)
    table = pd.DataFrame(rows, columns=columns, index=range(frames))
    path = CASES / f'{name}.h5'
    table.to_hdf(path, key='df_with_missing', format='table', mode='w')
    _compress(path)
    table.to_csv(CASES / f'{name}.csv')
    np.save(CASES / f'{name}_truth.npy', truth)
    return table

  write('dlc_one', [], draw()[None])
  truth = np.stack([draw(), draw()])
  truth[1, :3], truth[0, 5, 1] = np.nan, np.nan
  table = write('dlc_two', ['mouse1', 'mouse2'], truth)
  path = CASES / 'dlc_fixed.h5'  # as DeepLabCut writes labels
  table.to_hdf(path, key='df_with_missing', mode='w')
  _compress(path)


def _compress(path):
  path.with_name(f'{path.name}.gz').write_bytes(
    gzip.compress(path.read_bytes(), mtime=0)
  )
  path.unlink()


if __name__ == '__main__':
  write_yolo()
  write_sleap()
  write_deeplabcut()
