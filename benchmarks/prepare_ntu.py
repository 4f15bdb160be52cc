"""Speed of preparing NTU RGB+D: python benchmarks/prepare_ntu.py [FILES]

The files are random, in the dataset's format (103 frames, 260 KB for one body;
every sixth file has two bodies), and read from a warm cache. For comparison
they are read as the published scripts do: line by line, with a dictionary for
each joint. Peak memory is that of the main process or of the largest worker.
It stops growing after about a thousand files, when the writer's buffers are
full. 8 x FILES (default 400) take 1 GB of disk.
"""

import argparse
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np

from unik_jax.data import raw_files
from unik_jax.data.formats import ntu

FRAMES = 103
BODY = (
  'bodyID clipedEdges handLeftConfidence handLeftState handRightConfidence'
  ' handRightState isResticted leanX leanY trackingState'
).split()
JOINT = (
  'x y z depthX depthY colorX colorY orientationW orientationX orientationY'
  ' orientationZ trackingState'
).split()


def skeleton_text(bodies, rng):
  """Returns a clip of bodies that stand still, with noise on every joint."""
  lines = [str(FRAMES)]
  mean_poses = rng.normal(scale=0.4, size=(bodies, 25, 3)) + [0, 0, 3]
  for _ in range(FRAMES):
    lines.append(str(bodies))
    for body in range(bodies):
      lines += [f'{72057594037927936 + body} 0 1 1 1 1 0 -0.1 -0.02 2', '25']
      pose = mean_poses[body] + rng.normal(scale=0.02, size=(25, 3))
      pixels = rng.uniform(100, 900, (25, 4))
      orientations = rng.uniform(-1, 1, (25, 4))
      # The Kinect gives no orientation for the ends of limbs.
      orientations[rng.choice(25, 7, replace=False)] = 0
      for joint in np.concatenate([pose, pixels, orientations], 1):
        lines.append(' '.join(f'{value:.7g}' for value in joint) + ' 2')
  return '\r\n'.join([*lines, ''])


def write_files(folder, count):
  """Writes `count` clips of NTU-60, with ten different contents."""
  rng = np.random.default_rng(0)
  one_body = [skeleton_text(1, rng).encode() for _ in range(8)]
  two_bodies = [skeleton_text(2, rng).encode() for _ in range(2)]
  for i in range(count):
    person, action = divmod(i, 60)
    setup, subject = divmod(person, 40)
    name = f'S{setup + 1:03}C001P{subject + 1:03}R001A{action + 1:03}.skeleton'
    content = two_bodies[i // 6 % 2] if i % 6 == 5 else one_body[i % 8]
    (folder / name).write_bytes(content)
  # The authors' list of missing skeletons, naming a clip not written here.
  (folder / 'missing.txt').write_text('S017C003P040R002A060')


def read_as_published(path):
  """Reads persons by slot as the published scripts do, with dictionaries."""
  frames = []
  with open(path) as file:
    for _ in range(int(file.readline())):
      bodies = []
      for _ in range(int(file.readline())):
        body = dict(zip(BODY, map(float, file.readline().split()), strict=True))
        body['joints'] = []
        for _ in range(int(file.readline())):
          values = map(float, file.readline().split())
          body['joints'].append(dict(zip(JOINT, values, strict=True)))
        bodies.append(body)
      frames.append(bodies)
  clip = np.zeros((4, len(frames), 25, 3))
  for t, bodies in enumerate(frames):
    for m, body in enumerate(bodies[:4]):
      for v, joint in enumerate(body['joints']):
        clip[m, t, v] = [joint['x'], joint['y'], joint['z']]
  energy = []
  for person in clip:
    seen = person[person.sum((1, 2)) != 0]
    energy.append(sum(seen[..., c].std() for c in range(3)) if len(seen) else 0)
  return clip[np.argsort(energy)[::-1][:2]]


def time_items(function, items):
  """Returns the seconds that the function takes for all items."""
  start = time.perf_counter()
  for item in items:
    function(item)
  return time.perf_counter() - start


def prepare(folder, workers):
  """Prints the seconds and peak megabytes; run in a fresh process."""
  from unik_jax.data import registry

  registry.get_builder_class('ntu_rgbd')  # imports before the clock starts
  with tempfile.TemporaryDirectory() as out:
    start = time.perf_counter()
    registry.prepare_dataset(
      'ntu_rgbd/ntu60', out, folder, workers=int(workers)
    )
    seconds = time.perf_counter() - start
  peak = max(
    resource.getrusage(processes).ru_maxrss
    for processes in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
  )
  print(seconds, peak / 1024)


def prepare_in_process(folder, workers):
  """Runs `prepare` in a fresh process; returns seconds and megabytes."""
  done = subprocess.run(
    [sys.executable, __file__, 'prepare', folder, str(workers)],
    stdout=subprocess.PIPE,
    text=True,
    check=True,
  )
  return map(float, done.stdout.splitlines()[-1].split())


def main():
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('files', nargs='?', type=int, default=400)
  count = parser.parse_args().files
  with tempfile.TemporaryDirectory() as folder:
    write_files(pathlib.Path(folder), count)
    files = raw_files.find_files(folder, '.skeleton')
    for file in files[:6]:
      published = read_as_published(file.path).astype(np.float32)
      assert (ntu.read_skeletons(file, tracking='slot') == published).all()
    base = count / time_items(lambda file: read_as_published(file.path), files)

    def print_row(name, count, seconds, peak=0):
      speed = count / seconds
      print(f'{name:28} {count:6} {speed:8.0f} {speed / base:6.1f} {peak:8.0f}')

    print(f'{"":28}  files  files/s  ratio  peak MB')
    print_row('published way, reading only', count, count / base)
    seconds = time_items(ntu.read_skeletons, files)
    print_row('parse and clean, one core', count, seconds)
    for total in (4 * count, 8 * count):
      write_files(pathlib.Path(folder), total)
      for workers in sorted({1, len(os.sched_getaffinity(0))}):
        measured = prepare_in_process(folder, workers)
        print_row(f'prepare, {workers} worker(s)', total, *measured)


if __name__ == '__main__':
  if sys.argv[1:2] == ['prepare']:
    prepare(*sys.argv[2:])
  else:
    main()
