"""How fast NTU RGB+D is prepared: python benchmarks/prepare_ntu.py [FILES]

Made-up files in the genuine form (103 frames, 260 KB for one body; every sixth
has two), read from a warm cache, and for comparison in the published scripts'
way: line by line, a dictionary for each joint. Peak memory is that of the main
process or, if larger, of a worker. It does not grow with the files, once the
writer's buffers are full, after a thousand or so. 8 x FILES take 1 GB of disk.
"""

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
  """A clip of people who stand still and wave everything a little."""
  lines = [str(FRAMES)]
  homes = rng.normal(scale=0.4, size=(bodies, 25, 3)) + [0, 0, 3]
  for _ in range(FRAMES):
    lines.append(str(bodies))
    for body in range(bodies):
      lines += [f'{72057594037927936 + body} 0 1 1 1 1 0 -0.1 -0.02 2', '25']
      pose = homes[body] + rng.normal(scale=0.02, size=(25, 3))
      rest = rng.uniform(100, 900, (25, 4)), rng.uniform(-1, 1, (25, 4))
      rest[1][rng.choice(25, 7, replace=False)] = 0  # as at fingers and feet
      for joint in np.concatenate([pose, *rest], 1):
        lines.append(' '.join(f'{value:.7g}' for value in joint) + ' 2')
  return '\r\n'.join([*lines, ''])


def write_files(folder, count):
  """So many clips of NTU-60; ten different contents are enough."""
  rng = np.random.default_rng(0)
  one = [skeleton_text(1, rng).encode() for _ in range(8)]
  two = [skeleton_text(2, rng).encode() for _ in range(2)]
  for i in range(count):
    person, action = divmod(i, 60)
    setup, subject = divmod(person, 40)
    name = f'S{setup + 1:03}C001P{subject + 1:03}R001A{action + 1:03}.skeleton'
    content = two[i // 6 % 2] if i % 6 == 5 else one[i % 8]
    (folder / name).write_bytes(content)
  # A list of missing skeletons, of one that is not there either.
  (folder / 'missing.txt').write_text('S017C003P040R002A060')


def read_as_published(path):
  """Persons by slot: a list of dictionaries, of which an array is filled."""
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


def seconds(function, items):
  start = time.perf_counter()
  for item in items:
    function(item)
  return time.perf_counter() - start


def prepare(folder, workers):
  """In a process of its own; prints seconds and megabytes."""
  from unik_jax.data import registry

  registry.get_builder_class('ntu_rgbd')  # imports are not counted
  with tempfile.TemporaryDirectory() as out:
    start = time.perf_counter()
    registry.prepare_dataset(
      'ntu_rgbd/ntu60', out, folder, workers=int(workers)
    )
    taken = time.perf_counter() - start
  peak = max(
    resource.getrusage(who).ru_maxrss
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
  )
  print(taken, peak / 1024)


def prepared(folder, workers):
  done = subprocess.run(
    [sys.executable, __file__, 'prepare', folder, str(workers)],
    stdout=subprocess.PIPE,
    text=True,
    check=True,
  )
  return map(float, done.stdout.splitlines()[-1].split())


def main(count=400):
  with tempfile.TemporaryDirectory() as folder:
    write_files(pathlib.Path(folder), count)
    found = raw_files.find_files(folder, '.skeleton')
    for file in found[:6]:
      published = read_as_published(file.path).astype(np.float32)
      assert (ntu.read_skeletons(file, tracking='slot') == published).all()
    base = count / seconds(lambda file: read_as_published(file.path), found)

    def row(name, count, taken, peak=0):
      speed = count / taken
      print(f'{name:28} {count:6} {speed:8.0f} {speed / base:6.1f} {peak:8.0f}')

    print(f'{"":28}  files  files/s  ratio  peak MB')
    row('published way, reading alone', count, count / base)
    row('parse and clean, one core', count, seconds(ntu.read_skeletons, found))
    for total in (4 * count, 8 * count):
      write_files(pathlib.Path(folder), total)
      for workers in sorted({1, len(os.sched_getaffinity(0))}):
        row(f'prepare, {workers} worker(s)', total, *prepared(folder, workers))


if __name__ == '__main__':
  if sys.argv[1:2] == ['prepare']:
    prepare(*sys.argv[2:])
  else:
    main(*map(int, sys.argv[1:]))
