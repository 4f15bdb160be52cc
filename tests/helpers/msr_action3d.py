"""MSR-Action3D's files with random clips, and their preparation."""

import contextlib
import io
import itertools
import pathlib
import tarfile

import numpy as np
import scipy.io

from unik_jax.data import registry

SUFFIX = '_skeleton3D.txt'
UNUSED = 'a20_s10_e03'  # is among the files, but not in files_used.mat


def prepare_msr(tmp_path, manual, **options):
  """Prepares the dataset below tmp_path."""
  return registry.prepare_dataset(
    'msr_action3d', tmp_path / 'data', manual, **options
  )


def open_msr(tmp_path):
  """Opens the dataset below tmp_path; None if it is not prepared."""
  return registry.open_prepared('msr_action3d', tmp_path / 'data')


def skeleton_text(clip: np.ndarray) -> str:
  """Returns the text of a clip (T, 20, 4)."""
  rows = clip.reshape(-1, 4)
  return ''.join(' '.join(f'{v:.6f}' for v in row) + '\n' for row in rows)


def used_list(names: list[str]) -> bytes:
  """Returns files_used.mat; names end in CR LF as in the authors' file."""
  cells = np.empty((len(names), 1), object)
  cells[:, 0] = [name + '\r\n' for name in names]
  file = io.BytesIO()
  scipy.io.savemat(file, {'files_used': cells})
  return file.getvalue()


def write_msr_files(
  folder: pathlib.Path,
  *,
  actions: tuple[int, ...] = (1, 7, 20),
  subjects: tuple[int, ...] = (1, 2, 3, 8),
  replaced: dict[str, bytes | None] | None = None,
  archive: bool = True,
) -> dict[str, np.ndarray]:
  """Writes random clips of 1 to 6 frames, as MSR-Action3D's files.

  Args:
    folder: created by this function.
    actions: numbers from 1.
    subjects: numbers from 1.
    replaced: other contents by file name; None omits the file.
    archive: write msraction3d.tar.gz instead of the extracted files.

  Returns:
    The used clips, (T, 20, 4) float32 by name.
  """
  rng = np.random.default_rng(0)
  clips = {}
  for i, (a, s) in enumerate(itertools.product(actions, subjects)):
    clip = rng.normal(size=(1 + i % 6, 20, 4)).round(6).astype(np.float32)
    clips[f'a{a:02}_s{s:02}_e01'] = clip
  files = {
    name + SUFFIX: skeleton_text(clip).encode()
    for name, clip in [*clips.items(), (UNUSED, np.zeros((1, 20, 4)))]
  }
  files['files_used.mat'] = used_list(list(clips))
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
