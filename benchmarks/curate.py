"""How good and how fast curation is: python benchmarks/curate.py [WHAT] ...

  evidence [SEEDS] [CLIPS]   the errors of made-up experts and of what is made
                             of them, mean and deviation over seeds
  variants [SEEDS] [CLIPS]   likewise with more errors, fewer, or of one kind
  speed [CLIPS] [openpose]   the time for clips of 300 frames with three
                             experts, of the paper's (AlphaPose, LCR-Net and
                             OpenPose, with a file for each frame) or with
                             arrays for OpenPose's files, on all cores

Files are made up, in the genuine form, of twenty different contents, with two
persons in every tenth clip, and read from a warm cache. Peak memory is that of
the main process and of the largest worker. A thousand clips take 1 GB of disk,
with OpenPose's files 2 GB.
"""

import json
import os
import pathlib
import resource
import sys
import tempfile
import time

import numpy as np

from unik_jax.curate import build, evidence, planning, simulation
from unik_jax.skeletons import joint_maps
from unik_jax.skeletons.layouts import get_layout

FRAMES = 300
CONTENTS = 20
UNIK, COCO = get_layout('unik_17'), get_layout('coco_17')
LCRNET, OPENPOSE = get_layout('lcrnet_13'), get_layout('openpose_18')


def converted(poses, layout):
  """Of poses (T, 17, 3), as far as that layout's joints can be made of them."""
  clip = joint_maps.convert_clip(
    poses[None], UNIK, layout, confidence=True, partial=True
  )
  return clip[0].round(3)


def alphapose(bodies):
  return [
    {
      'image_id': f'{t}.jpg',
      'category_id': 1,
      'keypoints': pose.ravel().tolist(),
      'score': 2.5,
    }
    for t in range(FRAMES)
    for pose in (converted(b, COCO)[t] for b in bodies)
    if pose.any()
  ]


def lcrnet(bodies):
  poses = [converted(body, LCRNET) for body in bodies]
  return {
    'frames': [
      [{'pose2d': p[t, :, :2].T.ravel().tolist()} for p in poses if p[t].any()]
      for t in range(FRAMES)
    ]
  }


def openpose(bodies):
  poses = [converted(body, OPENPOSE) for body in bodies]
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


def content(number):
  """What three experts see of one person, or, in each tenth, of two."""
  rng = np.random.default_rng((number, 300))
  persons = [
    simulation.motion(rng, frames=FRAMES) + shift
    for shift in ((0, 0), (260, 10))[: 1 + (number % 10 == 9)]
  ]
  seen = [simulation.experts(truth, rng) for truth in persons]
  return [[each[n] for each in seen] for n in range(3)]


def write_files(root, count, frames):
  """So many videos of ten classes, in folders of three experts."""
  contents = []
  for number in range(CONTENTS):
    one, two, three = content(number)
    many = (
      [json.dumps(frame) for frame in openpose(two)]
      if frames
      else np.float32([converted(body, OPENPOSE) for body in two])
    )
    contents.append((json.dumps(alphapose([*one])), many, lcrnet(three)))
  for n in range(count):
    name = f'class {n % 10}/video{n:06}'
    whole, many, third = contents[n % CONTENTS]
    for expert in ('alphapose', 'openpose', 'lcrnet'):
      (root / expert / name).parent.mkdir(parents=True, exist_ok=True)
    (root / 'alphapose' / f'{name}.json').write_text(whole)
    (root / 'lcrnet' / f'{name}.json').write_text(json.dumps(third))
    if not frames:
      np.savez(root / 'openpose' / f'{name}.npz', many)
      continue
    folder = root / 'openpose' / name
    folder.mkdir()
    for t, text in enumerate(many):
      (folder / f'video{n:06}_{t:012}_keypoints.json').write_text(text)
  if not frames:
    stated = 'layout: openpose_18\nconfidence: true\n'
    (root / 'openpose/layout.yaml').write_text(stated)


def speed(count=1000, frames=''):
  with tempfile.TemporaryDirectory() as folder:
    root = pathlib.Path(folder)
    write_files(root, count, frames == 'openpose')
    folders = [root / name for name in ('alphapose', 'openpose', 'lcrnet')]
    start = time.perf_counter()
    plan = planning.plan(folders, root / 'out')
    listed = time.perf_counter() - start
    found = build.make(plan)
    took = time.perf_counter() - start
    again = time.perf_counter()
    build.make(planning.plan(folders, root / 'out'))
    again = time.perf_counter() - again
  memory = [
    resource.getrusage(who).ru_maxrss / 1024
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
  ]
  print(
    f'{found["clips"]["kept"]} clips of {FRAMES} frames, persons'
    f' {found["persons"]}, {os.cpu_count()} cores: {took:.1f} s'
    f' ({took / count * 1000:.0f} ms a clip; listing {listed:.1f} s), the same'
    f' again {again:.1f} s; memory {memory[0]:.0f} MB, a worker'
    f' {memory[1]:.0f} MB'
  )


def show_evidence(seeds=5, clips=100):
  start = time.perf_counter()
  runs = [evidence.measure(seed, clips) for seed in range(seeds)]
  print(f'{seeds} seeds of {clips} clips; errors in torso lengths')
  print(
    f'{"":18} {"error":>15} {"of joints all give":>19} {"PCK@0.2":>13} given'
  )
  for name in runs[0]:
    mean, spread = (
      {k: f([run[name][k] for run in runs]) for k in runs[0][name]}
      for f in (np.mean, lambda x: np.std(x, ddof=1))
    )
    print(
      f'{name:18} {mean["error"]:.4f} ± {spread["error"]:.4f}'
      f'     {mean["common"]:.4f} ± {spread["common"]:.4f}'
      f'   {100 * mean["pck"]:.2f} ± {100 * spread["pck"]:.2f}'
      f' {100 * mean["given"]:.2f}'
    )
  print(f'{time.perf_counter() - start:.0f} s')


def show_variants(seeds=5, clips=30):
  names = ('best expert', evidence.MEDIAN, evidence.SST_A, evidence.ROBUST)
  print(f'{seeds} seeds of {clips} clips; errors in torso lengths')
  print(f'{"":22}' + ''.join(f'{name:>18}' for name in names))
  for variant, experts in evidence.variants().items():
    runs = [evidence.measure(seed, clips, experts) for seed in range(seeds)]
    for run in runs:
      errors = [run[f'expert {n + 1}']['error'] for n in range(len(experts))]
      run['best expert'] = {'error': min(errors)}
    cells = [[run[name]['error'] for run in runs] for name in names]
    print(
      f'{variant:22}'
      + ''.join(f'{np.mean(c):>9.4f} ± {np.std(c, ddof=1):.4f}' for c in cells)
    )


def main(arguments):
  what, *rest = arguments or ['speed']
  numbers = [int(x) if x.isdecimal() else x for x in rest]
  what = {
    'evidence': show_evidence,
    'variants': show_variants,
    'speed': speed,
  }[what]
  what(*numbers)


if __name__ == '__main__':
  main(sys.argv[1:])
