"""Made datasets in the form of the real ones, for tests of several files."""

import contextlib
import io
import itertools
import pathlib
import tarfile

import numpy as np
import scipy.io

SUFFIX = '_skeleton3D.txt'
UNUSED = 'a20_s10_e03'  # lies among the files, and files_used.mat leaves it out

# NTU RGB+D: three bodyIDs.
ANN, BEN, CAT = 72057594037927760, 72057594037927761, 72057594037927762


def msr_text(clip: np.ndarray) -> str:
  """(T, 20, 4) as MSR-Action3D writes it."""
  rows = clip.reshape(-1, 4)
  return ''.join(' '.join(f'{v:.6f}' for v in row) + '\n' for row in rows)


def files_used(names: list[str]) -> bytes:
  """The .mat list, each name ending in CR LF as in the authors' file."""
  cells = np.empty((len(names), 1), object)
  cells[:, 0] = [name + '\r\n' for name in names]
  file = io.BytesIO()
  scipy.io.savemat(file, {'files_used': cells})
  return file.getvalue()


def write_msr_fixture(
  folder: pathlib.Path,
  *,
  actions: tuple[int, ...] = (1, 7, 20),
  subjects: tuple[int, ...] = (1, 2, 3, 8),
  replaced: dict[str, bytes | None] | None = None,
  archive: bool = True,
) -> dict[str, np.ndarray]:
  """Small random clips, of 1 to 6 frames, as MSR-Action3D's files.

  Args:
    folder: made, and filled.
    actions: from 1.
    subjects: from 1.
    replaced: other contents by file name; None leaves that file out.
    archive: pack them into msraction3d.tar.gz, or leave them extracted.

  Returns:
    The clips in use, (T, 20, 4) float32 by name.
  """
  rng = np.random.default_rng(0)
  clips = {}
  for i, (a, s) in enumerate(itertools.product(actions, subjects)):
    clip = rng.normal(size=(1 + i % 6, 20, 4)).round(6).astype(np.float32)
    clips[f'a{a:02}_s{s:02}_e01'] = clip
  files = {
    name + SUFFIX: msr_text(clip).encode()
    for name, clip in [*clips.items(), (UNUSED, np.zeros((1, 20, 4)))]
  }
  files['files_used.mat'] = files_used(list(clips))
  folder.mkdir(parents=True)
  with contextlib.ExitStack() as stack:
    if archive:
      file = folder / 'msraction3d.tar.gz'
      tar = stack.enter_context(tarfile.open(file, 'w:gz'))
    for name, content in (files | (replaced or {})).items():
      if content is None:
        continue
      path = pathlib.PurePath('msraction3d', name)
      if name.endswith(SUFFIX):
        path = path.parent / 'real_world_coordinates' / name
      if archive:
        member = tarfile.TarInfo(str(path))
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
      else:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
  return clips


def make_lcrnet_body(rng, **changes):
  """One body of a frame, as in the file."""
  return {
    'pose2d': rng.uniform(1, 480, 26).round(3).tolist(),
    'pose3d': rng.normal(size=39).round(4).tolist(),
  } | changes


def make_lcrnet(bodies=(1, 2, 0, 2), seed=0):
  """A file's content as an object, with so many bodies in its frames."""
  rng = np.random.default_rng(seed)
  frames = [[make_lcrnet_body(rng) for _ in range(n)] for n in bodies]
  return {'K': 1, 'njts': 13, 'frames': frames}


def make_kinect_pose(rng, at=(0.0, 0.0, 3.0)):
  """(25, 3) metres, with the seven digits that the files have."""
  return (np.asarray(at) + rng.normal(scale=0.3, size=(25, 3))).round(7)


def skeleton_text(frames, newline='\n'):
  """What the tracker writes of frames, each a list of (bodyID, (25, 3))."""
  lines = [str(len(frames))]
  for bodies in frames:
    lines.append(str(len(bodies)))
    for body_id, pose in bodies:
      lines += [f'{body_id} 0 1 1 1 1 0 -0.100419 -0.102671 2', '25']
      lines += [
        ' '.join(str(v) for v in joint)
        + ' 225.6643 207.2052 1002.657 528.821 0.1 -0.2 0.3 0.9 2'
        for joint in pose
      ]
  return newline.join([*lines, ''])


def make_frames(ids=((ANN,), (ANN, BEN), (), (BEN, ANN)), seed=0):
  """Frames of bodies of these IDs, Ann on the left, Ben and Cat further on."""
  rng = np.random.default_rng(seed)
  return [
    [(body, make_kinect_pose(rng, at=(body - ANN, 0, 3))) for body in bodies]
    for bodies in ids
  ]
