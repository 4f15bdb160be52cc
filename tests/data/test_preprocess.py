"""Preprocessing equals the published scripts', from the raw files on.

The files and the scripts' output are those of `helpers.golden_files`. Every
file and step is tested.
"""

import numpy as np
import pytest
from helpers import golden_files
from helpers.golden_files import FOLDER
from scipy.spatial.transform import Rotation

from unik_jax.data.energy import sort_by_energy
from unik_jax.data.formats import lcrnet, ntu_text, ntu_tracks
from unik_jax.data.normalize import get_preset
from unik_jax.data.normalize_official import normalize_screen
from unik_jax.data.padding import repeat_tracks
from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import get_layout

RAW = {'ntu': FOLDER / 'ntu_raw', 'smarthome': FOLDER / 'lcrnet_raw'}
LAYOUT = get_layout('ntu_25')
EXPECTED = {}
if golden_files.EXPECTED.exists():
  with np.load(golden_files.EXPECTED) as archive:
    EXPECTED = dict(archive)


def files(*steps):
  """Parametrises a test by the STEP/FILE names of some steps."""
  keys = [key for key in EXPECTED if key.split('/')[0] in steps]
  reason = f'no {" or ".join(steps)} in {FOLDER}/expected.npz'
  skipped = pytest.param('', marks=pytest.mark.skip(reason))
  return pytest.mark.parametrize('key', keys or [skipped])


def read_as_scripts(key):
  """Reads a STEP/FILE as the scripts do: (M, T, V, C)."""
  step, name = key.split('/')
  source = step.split('_')[0]
  path = RAW[source] / name
  if not path.exists():
    pytest.skip(f'{path} is missing')
  if source == 'ntu':
    return ntu_tracks.track_by_slot(
      ntu_text.parse_bodies(path.read_bytes(), str(path))
    )
  poses = lcrnet.parse_poses(path.read_bytes(), str(path))
  return normalize_screen(sort_by_energy(lcrnet.to_unik_17(poses)))


def check_output(result, key, atol):
  expected = EXPECTED[key].transpose(3, 1, 2, 0)
  assert result.dtype == expected.dtype and result.shape == expected.shape
  np.testing.assert_allclose(result, expected, rtol=0, atol=atol)
  np.testing.assert_array_equal(result == 0, expected == 0)


# Output of the scripts


@files('ntu_read', 'smarthome_read')
def test_reading(key):
  check_output(read_as_scripts(key), key, 0 if key.startswith('ntu') else 2e-7)


@files('ntu_unik', 'ntu_agcn')
def test_ntu(key):
  preset = get_preset(key.split('/')[0].removeprefix('ntu_'))
  padded = repeat_tracks(read_as_scripts(key), 300)
  # Bit for bit the same on the machine that wrote the files.
  check_output(preset(padded, LAYOUT, (0, 0)), key, 1e-6)


@files('smarthome_padded_first400')
def test_smarthome(key):
  check_output(repeat_tracks(read_as_scripts(key), 4000)[:, :400], key, 2e-7)


@pytest.mark.parametrize('source', RAW)
def test_no_file_goes_untested(source):
  if not RAW[source].is_dir():
    pytest.skip(f'no folder {RAW[source]}')
  tested = {key.split('/')[1] for key in EXPECTED if key.startswith(source)}
  names = {path.name for path in RAW[source].glob('[!.]*')}
  assert names and names <= tested


# Random clips, against an independent implementation


def make_clip(seed=0, frames=6, joints=25):
  """Returns (2, T, V, 3): joints are missing, the second person is late."""
  rng = np.random.default_rng(seed)
  clip = rng.normal(0.5, 1, (2, frames, joints, 3))
  clip[:, 1:][rng.random((2, frames - 1, joints)) < 0.1] = 0
  clip[0, 3, 1] = clip[1, :2] = 0
  return clip.astype(np.float32)


def smallest_rotation(start, end):
  """Returns (3, 3), as the product of two reflections."""

  def reflection(normal):
    normal = normal / np.linalg.norm(normal)
    return np.eye(3) - 2 * np.outer(normal, normal)

  start = start / np.linalg.norm(start)
  return reflection(start + end) @ reflection(start)


def published(clip, up, across, centers):
  """Centres and rotates joint by joint, in float64."""
  out = np.zeros(clip.shape)
  for m, t, v in np.ndindex(clip.shape[:3]):
    if clip[m, t, v].any():
      out[m, t, v] = np.float64(clip[m, t, v]) - centers[t]
  for (start, end), axis in ((up, [0, 0, 1]), (across, [1, 0, 0])):
    rotation = smallest_rotation(
      out[0, 0, end] - out[0, 0, start], np.float64(axis)
    )
    for m, t, v in np.ndindex(clip.shape[:3]):
      out[m, t, v] = rotation @ out[m, t, v]
  return out


def normalize(name, clip, layout=LAYOUT):
  before = clip.copy()
  out = get_preset(name)(clip, layout, (0, 0))
  np.testing.assert_array_equal(clip, before)
  assert out.shape == clip.shape and out.dtype == clip.dtype
  return out


@pytest.mark.parametrize('seed', range(6))
def test_agcn_centers_each_frame(seed):
  clip = make_clip(seed)
  out = normalize('agcn', clip)
  expected = published(clip, (0, 1), (4, 8), clip[0, :, 1])
  np.testing.assert_allclose(out, expected, atol=3e-6)
  np.testing.assert_array_equal(out[0, :, 1], 0)
  np.testing.assert_array_equal(out[clip.sum(-1) == 0], 0)
  across = out[0, 0, 8] - out[0, 0, 4]
  np.testing.assert_allclose(across[1:], 0, atol=3e-6)
  assert across[0] > 0


@pytest.mark.parametrize('layout', ['ntu_25', 'unik_17'])
def test_unik_centers_the_first_frame(layout):
  layout = get_layout(layout)
  clip = make_clip(joints=layout.num_joints)
  out = normalize('unik', clip, layout)
  expected = published(clip, (2, 4), (6, 5), clip[0, :1, 3].repeat(6, 0))
  np.testing.assert_allclose(out, expected, atol=3e-6)
  across = out[0, 0, 5] - out[0, 0, 6]
  np.testing.assert_allclose(across[1:], 0, atol=3e-6)
  assert across[0] > 0


def test_agcn_loses_movement_through_space_and_unik_keeps_it():
  clip = make_clip()[:1, :1].repeat(9, 1)
  moving = clip + np.arange(9, dtype=np.float32)[:, None, None]
  out = normalize('agcn', moving)
  np.testing.assert_allclose(out, out[:, :1].repeat(9, 1), atol=1e-5)
  steps = np.linalg.norm(np.diff(normalize('unik', moving), axis=1), axis=-1)
  np.testing.assert_allclose(steps, 3**0.5, atol=1e-5)


def test_agcn_depends_on_the_camera_unless_spine_and_shoulders_are_square():
  rotation = Rotation.from_rotvec([0.7, -2.1, 1.3]).as_matrix()

  def difference(clip):
    moved = np.where(
      clip.any(-1, keepdims=True), clip @ rotation.T + [3, -1, 4], 0
    )
    return abs(normalize('agcn', moved) - normalize('agcn', clip)).max()

  clip = np.float64(make_clip())
  clip[0, 3, 1] = clip[0, 2, 1]  # every frame has the centre
  assert difference(clip) > 0.1
  spine = clip[0, 0, 1] - clip[0, 0, 0]
  clip[0, 0, 8] = clip[0, 0, 4] + np.cross(spine, [1, 2, 3])
  assert difference(clip) < 1e-6


def test_a_spine_that_points_down_is_not_rotated():
  clip = make_clip()
  clip[0, 0, :2] = [[0, 0, 5], [0, 0, 4]]
  clip[0, 0, 4], clip[0, 0, 8] = [1, 0, 4], [2, 0, 4]
  out = normalize('agcn', clip)
  np.testing.assert_allclose(out[0, 0], clip[0, 0] - [0, 0, 4], atol=1e-6)


@pytest.mark.parametrize('name', ['agcn', 'unik'])
def test_without_the_first_person_nothing_changes(name):
  clip = make_clip()
  clip[0] = 0
  np.testing.assert_array_equal(normalize(name, clip), clip)


def test_wrong_channels_and_layouts_are_refused():
  for name in ('agcn', 'unik'):
    for channels in (2, 5):
      with pytest.raises(UserError, match=f'{name}.* {channels} channels'):
        normalize(name, np.ones((1, 2, 25, channels), np.float32))
  with pytest.raises(UserError, match="'unik_17': .*got 'spine_mid'"):
    normalize('agcn', make_clip(joints=17), get_layout('unik_17'))
  with pytest.raises(UserError, match='unik.*lcrnet_13.* 6 joints'):
    normalize('unik', make_clip(joints=6), get_layout('lcrnet_13'))
