"""Datasets as users of TFDS reach them, each in a process of its own."""

import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from unik_jax.data import registry, synthetic

NAME = 'synthetic_skeletons'


def run_python(code, *arguments):
  """Runs code in a new process; returns what it prints, and fails with it."""
  done = subprocess.run(
    [sys.executable, '-c', textwrap.dedent(code), *map(str, arguments)],
    capture_output=True,
    text=True,
    check=False,
  )
  assert done.returncode == 0, done.stderr
  return done.stdout


@pytest.mark.slow
def test_one_import_registers_all_builders(tmp_path):
  printed = run_python(
    """
    import sys
    import tensorflow_datasets as tfds
    import unik_jax.datasets
    for name, builder_class in unik_jax.datasets.BUILDERS.items():
      assert tfds.builder_cls(name) is builder_class
    builder = tfds.builder('ntu_rgbd', data_dir=sys.argv[1])
    print(builder.info.homepage)
    try:
      builder.download_and_prepare()
    except Exception as error:
      print(error)
    """,
    tmp_path,
  )
  assert 'rose1.ntu.edu.sg' in printed
  assert 'nturgbd_skeletons_s001_to_s017.zip' in printed


@pytest.mark.slow
def test_tfds_build_leaves_a_dataset_that_can_be_read(tmp_path):
  for module in ('tensorflow', 'apache_beam', 'mlcroissant'):
    pytest.importorskip(module, reason='needs the extra `tensorflow`')
  subprocess.run(
    [
      *(sys.executable, '-m', 'tensorflow_datasets.scripts.cli.main', 'build'),
      *('--config=msr_20_3d', f'--data_dir={tmp_path}'),
    ],
    cwd=f'datasets/{NAME}',
    check=True,
    capture_output=True,
  )
  builder = registry.open_prepared(f'{NAME}/msr_20_3d', tmp_path)
  prepared = registry.prepare_dataset(f'{NAME}/msr_20_3d', tmp_path / 'again')
  for ours, theirs in zip(
    prepared.as_data_source('test'),
    builder.as_data_source('test'),
    strict=True,
  ):
    np.testing.assert_array_equal(ours['keypoints'], theirs['keypoints'])
    assert (ours['id'], ours['label']) == (theirs['id'], theirs['label'])


@pytest.mark.slow
def test_prepared_data_opens_without_config_or_library(synthetic_dir):
  printed = run_python(
    """
    import sys
    import tensorflow_datasets as tfds
    clips = tfds.data_source(sys.argv[1], split='test', data_dir=sys.argv[2])
    assert not [name for name in sys.modules if name.startswith('unik_jax')]
    print(len(clips), *clips[0]['keypoints'].shape[2:])
    """,
    NAME,
    synthetic_dir,
  )
  assert printed.split() == ['480', '17', '2']


def test_the_default_config_is_one_that_is_prepared(tmp_path, monkeypatch):
  small = {
    'train': synthetic.Split(range(1), (0,)),
    'test': synthetic.Split(range(1, 2), (4,)),
  }
  monkeypatch.setattr(synthetic, 'SPLITS', small)
  note = tmp_path / NAME / '.config' / 'metadata.json'
  for config, default in (
    ('msr_20_3d', 'msr_20_3d'),
    ('ntu_25_3d', 'ntu_25_3d'),
    ('unik_17_2d', 'unik_17_2d'),
    ('msr_20_3d', 'unik_17_2d'),
  ):
    registry.prepare_dataset(f'{NAME}/{config}', tmp_path, overwrite=True)
    assert json.loads(note.read_text()) == {'default_config_name': default}


@pytest.mark.slow
def test_tfrecord_needs_tensorflow(tmp_path):
  printed = run_python(
    """
    import sys
    import tensorflow_datasets as tfds
    import unik_jax.datasets
    builder = tfds.builder(
      sys.argv[1] + '/msr_20_3d', data_dir=sys.argv[2], file_format='tfrecord'
    )
    sys.modules['tensorflow'] = None
    try:
      builder.download_and_prepare()
    except Exception as error:
      print(error)
    """,
    NAME,
    tmp_path,
  )
  assert 'pip install tensorflow' in printed


@pytest.mark.slow
def test_tensorflow_loads_a_tfrecord_dataset(tmp_path):
  pytest.importorskip('tensorflow', reason='needs the extra `tensorflow`')
  printed = run_python(
    """
    import sys
    import numpy as np
    import tensorflow_datasets as tfds
    import unik_jax.datasets
    from unik_jax.data import registry
    name, folder = sys.argv[1] + '/msr_20_3d', sys.argv[2]
    loaded = tfds.load(
      name,
      split='test',
      data_dir=folder + '/tfrecord',
      builder_kwargs={'file_format': 'tfrecord'},
    )
    ours = registry.prepare_dataset(name, folder + '/ours')
    clips = ours.as_data_source('test')
    for clip, other in zip(clips, tfds.as_numpy(loaded), strict=True):
      np.testing.assert_array_equal(clip['keypoints'], other['keypoints'])
      assert clip['id'] == other['id'] and clip['label'] == other['label']
    print('equal', len(clips))
    """,
    NAME,
    tmp_path,
  )
  assert printed.split()[0] == 'equal'
