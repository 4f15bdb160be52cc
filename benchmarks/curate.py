"""Accuracy and speed of curation: python benchmarks/curate.py [WHAT] ...

  evidence [SEEDS] [CLIPS]   errors of simulated estimators and of their
                             aggregates: mean and deviation over seeds
  variants [SEEDS] [CLIPS]   same with more errors, fewer, or one kind only
  speed [CLIPS] [openpose]   time for clips of 300 frames with three estimators,
                             on all cores: AlphaPose, LCR-Net, and arrays, or
                             OpenPose with a file for each frame

The default is `speed 1000`. Its files are simulated, in the estimators' own
formats, with twenty different contents, and two persons in every tenth clip.
They are read from a warm cache. Peak memory is that of the main process and of
the largest worker. A thousand clips take 1 GB of disk, 2 GB with OpenPose.
"""

import argparse
import json
import os
import pathlib
import resource
import tempfile
import time

import numpy as np

from unik_jax.curate import build, comparison, planning, simulation
from unik_jax.skeletons import joint_maps
from unik_jax.skeletons.layouts import get_layout

FRAMES = 300
CONTENTS = 20
ESTIMATORS = ('alphapose', 'openpose', 'lcrnet')
UNIK, COCO = get_layout('unik_17'), get_layout('coco_17')
LCRNET, OPENPOSE = get_layout('lcrnet_13'), get_layout('openpose_18')


def convert_poses(poses, layout):
  """Returns poses (T, 17, 3) in a layout; joints that UNIK lacks are zeros."""
  clip = joint_maps.convert_clip(
    poses[None], UNIK, layout, confidence=True, partial=True
  )
  return clip[0].round(3)


def to_alphapose(bodies):
  poses = [convert_poses(body, COCO) for body in bodies]
  return [
    {
      'image_id': f'{t}.jpg',
      'category_id': 1,
      'keypoints': p[t].ravel().tolist(),
      'score': 2.5,
    }
    for t in range(FRAMES)
    for p in poses
    if p[t].any()
  ]


def to_lcrnet(bodies):
  poses = [convert_poses(body, LCRNET) for body in bodies]
  return {
    'frames': [
      [{'pose2d': p[t, :, :2].T.ravel().tolist()} for p in poses if p[t].any()]
      for t in range(FRAMES)
    ]
  }


def to_openpose(bodies):
  poses = [convert_poses(body, OPENPOSE) for body in bodies]
  return [
    {
      'version': 1.3,
      'people': [
        {'person_id': [-1], 'pose_keypoints_2d': p[t].ravel().tolist()}
        for p in poses
        if p[t].any()
      ],
    }
    for t in range(FRAMES)
  ]


def simulate_video(number):
  """Returns, for each of three estimators, the poses of one or two persons."""
  rng = np.random.default_rng((number, 300))
  persons = [
    simulation.generate_motion(rng, frames=FRAMES) + shift
    for shift in ((0, 0), (260, 10))[: 1 + (number % 10 == 9)]
  ]
  poses = [simulation.simulate_estimators(truth, rng) for truth in persons]
  return [[each[n] for each in poses] for n in range(3)]


def simulate_content(number, with_frames):
  """Returns a video's content for AlphaPose, OpenPose and LCR-Net."""
  alphapose, openpose, lcrnet = simulate_video(number)
  if with_frames:
    frames = [json.dumps(frame) for frame in to_openpose(openpose)]
  else:
    frames = np.float32([convert_poses(body, OPENPOSE) for body in openpose])
  return json.dumps(to_alphapose(alphapose)), frames, to_lcrnet(lcrnet)


def write_files(root, count, with_frames):
  """Writes videos of ten classes, to the folders of three estimators.

  Args:
    root: parent of the estimators' folders.
    count: number of videos.
    with_frames: whether to write OpenPose's files, else arrays.
  """
  contents = [simulate_content(n, with_frames) for n in range(CONTENTS)]
  for n in range(count):
    name = f'class {n % 10}/video{n:06}'
    alphapose, openpose, lcrnet = contents[n % CONTENTS]
    for estimator in ESTIMATORS:
      (root / estimator / name).parent.mkdir(parents=True, exist_ok=True)
    (root / 'alphapose' / f'{name}.json').write_text(alphapose)
    (root / 'lcrnet' / f'{name}.json').write_text(json.dumps(lcrnet))
    if not with_frames:
      np.savez(root / 'openpose' / f'{name}.npz', openpose)
      continue
    folder = root / 'openpose' / name
    folder.mkdir()
    for t, text in enumerate(openpose):
      (folder / f'video{n:06}_{t:012}_keypoints.json').write_text(text)
  if not with_frames:
    layout = 'layout: openpose_18\nconfidence: true\n'
    (root / 'openpose/layout.yaml').write_text(layout)


def measure_speed(count=1000, frames=''):
  with tempfile.TemporaryDirectory() as folder:
    root = pathlib.Path(folder)
    write_files(root, count, frames == 'openpose')
    folders = [root / estimator for estimator in ESTIMATORS]
    start = time.perf_counter()
    plan = planning.make_plan(folders, root / 'out')
    listing = time.perf_counter() - start
    figures = build.build_dataset(plan)
    total = time.perf_counter() - start
    start = time.perf_counter()
    build.build_dataset(planning.make_plan(folders, root / 'out'))
    resuming = time.perf_counter() - start
  main_memory, worker_memory = (
    resource.getrusage(process).ru_maxrss / 1024
    for process in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
  )
  print(
    f'{figures["clips"]["kept"]} clips of {FRAMES} frames, persons'
    f' {figures["persons"]}, {os.cpu_count()} cores: {total:.1f} s'
    f' ({total / count * 1000:.0f} ms a clip; listing {listing:.1f} s), the'
    f' same again {resuming:.1f} s; memory {main_memory:.0f} MB, a worker'
    f' {worker_memory:.0f} MB'
  )


def print_evidence(seeds=5, clips=100):
  start = time.perf_counter()
  runs = [comparison.compare_aggregates(seed, clips) for seed in range(seeds)]
  print(f'{seeds} seeds of {clips} clips; errors in torso lengths')
  print(
    f'{"":18} {"error":>15} {"of joints all give":>19} {"PCK@0.2":>13} given'
  )
  for name in runs[0]:
    mean, deviation = (
      {k: f([run[name][k] for run in runs]) for k in runs[0][name]}
      for f in (np.mean, lambda x: np.std(x, ddof=1))
    )
    print(
      f'{name:18} {mean["error"]:.4f} ± {deviation["error"]:.4f}'
      f'     {mean["common"]:.4f} ± {deviation["common"]:.4f}'
      f'   {100 * mean["pck"]:.2f} ± {100 * deviation["pck"]:.2f}'
      f' {100 * mean["given"]:.2f}'
    )
  print(f'{time.perf_counter() - start:.0f} s')


def print_variants(seeds=5, clips=30):
  names = (
    'best estimator',
    comparison.MEDIAN,
    comparison.SST_A,
    comparison.ROBUST,
  )
  print(f'{seeds} seeds of {clips} clips; errors in torso lengths')
  print(f'{"":22}' + ''.join(f'{name:>18}' for name in names))
  for variant, models in comparison.error_variants().items():
    runs = [
      comparison.compare_aggregates(seed, clips, models)
      for seed in range(seeds)
    ]
    for run in runs:
      errors = [run[f'estimator {n + 1}']['error'] for n in range(len(models))]
      run['best estimator'] = {'error': min(errors)}
    cells = [[run[name]['error'] for run in runs] for name in names]
    print(
      f'{variant:22}'
      + ''.join(f'{np.mean(c):>9.4f} ± {np.std(c, ddof=1):.4f}' for c in cells)
    )


def main():
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  commands = {
    'evidence': print_evidence,
    'variants': print_variants,
    'speed': measure_speed,
  }
  parser.add_argument('what', nargs='?', choices=commands, default='speed')
  parser.add_argument('rest', nargs='*', help='as above')
  options = parser.parse_args()
  numbers = [int(x) if x.isdecimal() else x for x in options.rest]
  commands[options.what](*numbers)


if __name__ == '__main__':
  main()
