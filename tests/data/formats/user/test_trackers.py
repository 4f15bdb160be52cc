"""Animals: files of DeepLabCut and SLEAP, written by their own writers.

tests/helpers/estimator_files.py wrote the files and the truth.
"""

import gzip
import os
import pathlib
import pickle

import h5py
import numpy as np
import pytest

import unik_jax
from unik_jax.data import registry
from unik_jax.data.formats.user import hdf5, named_points, recordings
from unik_jax.errors import UserError
from unik_jax.predictor import inputs
from unik_jax.skeletons.layouts import get_layout

CASES = pathlib.Path(__file__).parent / 'cases'


def unpack(name, folder):
  path = folder / name
  path.write_bytes(gzip.decompress((CASES / f'{name}.gz').read_bytes()))
  return path


def truth_of(name):
  return np.load(CASES / f'{name}_truth.npy')


@pytest.mark.parametrize(
  'name, truth',
  [
    ('dlc_one.h5', 'dlc_one'),
    ('dlc_one.csv', 'dlc_one'),
    ('dlc_two.h5', 'dlc_two'),
    ('dlc_two.csv', 'dlc_two'),
    ('dlc_fixed.h5', 'dlc_two'),
  ],
)
def test_deeplabcut(name, truth, tmp_path):
  path = unpack(name, tmp_path) if name.endswith('h5') else CASES / name
  clip = unik_jax.read_clip(path)
  np.testing.assert_allclose(clip.keypoints, truth_of(truth), rtol=1e-12)
  assert clip.confidence and clip.units == 'pixels'
  layout = get_layout(clip.layout)
  assert layout.joints == ('snout', 'left_ear', 'right_ear', 'tail_base')
  assert layout.left_right == ((1, 2),) and layout.center == 'snout'


def test_sleap(tmp_path):
  clip = unik_jax.read_clip(unpack('mice.analysis.h5', tmp_path))
  truth = truth_of('mice')
  seen = np.isfinite(truth[..., 0])
  if clip.keypoints[0, 0, 0, 0] != truth[0, 0, 0, 0]:  # the more certain first
    truth, seen = truth[::-1], seen[::-1]
  np.testing.assert_allclose(clip.keypoints[seen], truth[seen])
  assert not np.nan_to_num(clip.keypoints[~seen]).any()
  layout = get_layout(clip.layout)
  assert layout.joints == ('nose', 'left_ear', 'right_ear', 'tail_base')
  assert set(layout.bones) == {
    (joint, 'nose') for joint in ('left_ear', 'right_ear', 'tail_base')
  }
  source = recordings.ClipSource(str(tmp_path / 'mice.analysis.h5'))
  record = recordings.read_recording(source, layout=layout)
  assert record.keypoints.shape == (2, 12, 4, 3)
  one = recordings.parse_clip(source, persons=1)
  assert one.keypoints.shape == (1, 12, 4, 3)


def test_axes_of_sleap_in_another_order(tmp_path):
  """As sleap-io writes with preset='standard', and SLEAP without scores."""
  points = np.random.default_rng(0).uniform(1, 9, (5, 1, 3, 2))
  with h5py.File(tmp_path / 'a.h5', 'w') as file:
    file['tracks'] = points
    file['tracks'].attrs['dims'] = '["frame", "track", "node", "xy"]'
    file['node_names'] = np.array([b'a', b'b', b'c'])
  clip = unik_jax.read_clip(tmp_path / 'a.h5')
  np.testing.assert_allclose(clip.keypoints, points.transpose(1, 0, 2, 3))
  assert not clip.confidence
  with h5py.File(tmp_path / 'a.h5', 'a') as file:
    file['tracks'].attrs['dims'] = '["frame", "track"]'
  with pytest.raises(UserError, match='a.h5, tracks: expected axes'):
    unik_jax.read_clip(tmp_path / 'a.h5')


def test_a_pickle_in_a_table_is_not_run(tmp_path):
  class Harm:
    def __reduce__(self):
      return os.mkdir, (str(tmp_path / 'harmed'),)

  path = unpack('dlc_one.h5', tmp_path)
  with h5py.File(path, 'a') as file:
    text = np.bytes_(pickle.dumps([(1, [Harm()])], protocol=0))
    file['df_with_missing'].attrs['non_index_axes'] = text
  with pytest.raises(UserError, match='non_index_axes: refused'):
    unik_jax.read_clip(path)
  assert not (tmp_path / 'harmed').exists()


def test_links_to_other_files_are_not_followed(tmp_path):
  unpack('mice.analysis.h5', tmp_path)
  with h5py.File(tmp_path / 'a.h5', 'w') as file:
    for name in ('tracks', 'node_names'):
      file[name] = h5py.ExternalLink('mice.analysis.h5', name)
  with pytest.raises(UserError, match='a link to another place'):
    unik_jax.read_clip(tmp_path / 'a.h5')


def test_damaged_and_foreign_files(tmp_path):
  content = gzip.decompress((CASES / 'dlc_one.h5.gz').read_bytes())
  for n, wrong in enumerate((b'', b'text', content[:3000], content[:40000])):
    path = tmp_path / f'{n}.h5'
    path.write_bytes(wrong)
    with pytest.raises(UserError, match=f'{n}.h5: '):
      unik_jax.read_clip(path)
  with h5py.File(tmp_path / 'other.h5', 'w') as file:
    file['weights'] = np.zeros(3)
  with pytest.raises(UserError, match='expected SLEAP.*weights'):
    unik_jax.read_clip(tmp_path / 'other.h5')


def test_a_missing_package_is_named(tmp_path, monkeypatch):
  monkeypatch.setitem(__import__('sys').modules, 'h5py', None)
  with pytest.raises(UserError, match=r'pip install .*\[hdf5\]'):
    hdf5.read_hdf5(str(tmp_path / 'a.h5'), 'a.h5')


@pytest.mark.parametrize(
  'change, words',
  [
    (lambda t: t.replace('bodyparts,', 'parts,'), "a row 'bodyparts'"),
    (lambda t: t.replace(',y,', ',z,'), 'columns of x and y'),
    (lambda t: t.replace('\n4,', '\n4,a,', 1), 'line 8: expected 13 values'),
    (lambda t: t[: t.index('\n3,')] + '\n3' + ',a' * 12, "x: .*got 'a'"),
    (lambda t: t[: t.index('\n0,')] + '\n0' + ',' * 12, 'nobody is seen'),
  ],
)
def test_bad_tables(change, words, tmp_path):
  path = tmp_path / 'a.csv'
  path.write_text(change((CASES / 'dlc_one.csv').read_text()))
  with pytest.raises(UserError, match=f'a.csv.*{words}'):
    unik_jax.read_clip(path)


def test_labels_have_no_likelihood(tmp_path):
  """A table of labels, whose first columns are the image."""
  (tmp_path / 'a.csv').write_text(
    'scorer,,,Ann,Ann,Ann,Ann\nbodyparts,,,nose,nose,tail,tail\n'
    'coords,,,x,y,x,y\nlabeled-data,m1,img1.png,1,2,3,4\n'
    'labeled-data,m1,img2.png,5,6,,\n'
  )
  clip = unik_jax.read_clip(tmp_path / 'a.csv')
  np.testing.assert_array_equal(clip.keypoints[0, 0], [[1, 2], [3, 4]])
  assert np.isnan(clip.keypoints[0, 1, 1]).all() and not clip.confidence


def test_points_that_only_some_animals_have(tmp_path):
  """As DeepLabCut's `single` points, which belong to no individual.

  They may be more than an individual's.
  """
  names = [(animal, part) for animal in ('m1', 'm2') for part in 'ab']
  names += [('single', part) for part in 'cdefg']
  rows = [
    ['scorer'] + ['S'] * 18,
    ['individuals', *(a for a, _ in names for _ in 'xy')],
    ['bodyparts', *(part for _, part in names for _ in 'xy')],
    ['coords', *'xy' * 9],
    ['0', *map(str, range(1, 19))],
  ]
  (tmp_path / 'a.csv').write_text('\n'.join(map(','.join, rows)) + '\n')
  clip = unik_jax.read_clip(tmp_path / 'a.csv')
  expected = np.arange(1, 9).reshape(2, 1, 2, 2)
  np.testing.assert_array_equal(clip.keypoints, expected)
  assert "'single'" in clip.notes[0]


# Layouts from names


def test_layout_of_names():
  layout = named_points.register_points(
    ['body', 'left_wing', 'tail fin', 'right_paw', 'tip'],
    [(2, 0), (2, 4)],
    'a.h5',
  )
  assert layout.joints == (
    *('body', 'left-wing', 'tail_fin', 'right-paw', 'tip'),
  )
  assert dict(layout.bones) == {
    'body': 'tail_fin',
    'tip': 'tail_fin',
    'left-wing': 'tail_fin',
    'right-paw': 'tail_fin',
  }
  again = named_points.register_points(
    ['body', 'left_wing', 'tail fin', 'right_paw', 'tip'],
    [(2, 0), (2, 4)],
    'b.h5',
  )
  assert again == layout
  other = named_points.register_points(['a', 'b', 'c', 'd', 'e'], [], 'c.h5')
  assert other.name != layout.name


@pytest.mark.parametrize(
  'names, edges, words',
  [([], [], 'none'), (['a', 'a'], [], "'a', 'a'"), (['a'], [(0, 1)], '0, 1')],
)
def test_bad_names(names, edges, words):
  with pytest.raises(UserError, match=f'a.h5: .*{words}'):
    named_points.register_points(names, edges, 'a.h5')


def test_a_dataset_of_animals(tmp_path):
  """Class folders of tables and HDF5 with the same points; others refused."""
  rng = np.random.default_rng(0)
  text = (CASES / 'dlc_one.csv').read_text()
  head, rows = text[: text.index('\n0,') + 1], 12
  for label in ('groom', 'run'):
    folder = tmp_path / 'mice' / label
    folder.mkdir(parents=True)
    for n in range(3):
      values = rng.uniform(20, 90, (rows, 12)) / ([1, 1, 90] * 4)
      lines = [
        ','.join(map(str, [t, *row])) for t, row in enumerate(values.tolist())
      ]
      (folder / f'{n}.csv').write_text(head + '\n'.join(lines) + '\n')
  builder = registry.prepare_dataset(
    'skeleton_folder/mice', tmp_path / 'data', tmp_path / 'mice', workers=1
  )
  assert sum(s.num_examples for s in builder.info.splits.values()) == 6
  layout = builder.info.metadata['joint_layout']
  assert layout['joints'] == 'snout left_ear right_ear tail_base'
  (tmp_path / 'mice/run/other.csv').write_text(text.replace('snout', 'nose'))
  with pytest.raises(
    UserError, match='run/other.csv: expected the points snout'
  ):
    registry.prepare_dataset(
      'skeleton_folder/b', tmp_path / 'data', tmp_path / 'mice', workers=1
    )


def test_a_model_of_other_points_is_not_used(tmp_path):
  """The same number of points, but other ones; edges do not matter."""
  path = unpack('mice.analysis.h5', tmp_path)
  names, edges = ['nose', 'left ear', 'right ear', 'tail base'], [(1, 0)]
  same = named_points.register_points(names, edges, 'a')
  source = recordings.ClipSource(str(path))
  parsed = inputs.read_clip(source, same, persons=2)
  assert parsed.layout != same.name
  other = named_points.register_points(['snout', *names[1:]], edges, 'a')
  with pytest.raises(UserError, match='the points snout.*got the points nose'):
    inputs.read_clip(source, other, persons=2)
  with pytest.raises(UserError, match="'coco_17'.*got the points nose"):
    inputs.read_clip(source, get_layout('coco_17'), persons=2)
