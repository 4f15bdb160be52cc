"""Curated datasets: refinement, records, splits, report and command."""

import colorsys
import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from helpers import curation_fixtures as fixtures

from unik_jax.curate import (
  accuracy,
  build,
  clip_writer,
  contact_sheet,
  planning,
  records,
  refinement,
  report,
  splitting,
  summary,
  videos,
)
from unik_jax.data import registry
from unik_jax.errors import UserError
from unik_jax.html import strips

pytestmark = pytest.mark.slow

UNIK = fixtures.UNIK
ACTIONS = ('salute', 'squat')


@pytest.fixture(scope='module')
def curation(tmp_path_factory):
  """A dataset of two classes of nine clips, refined by two processes."""
  root = tmp_path_factory.mktemp('curated')
  truths = {}
  for n in range(18):
    action = ACTIONS[n % 2]
    poses, truth = fixtures.simulate_poses(n, action, 40)
    name = f'{action}/v{n // 2}_{n:06}_{n + 10:06}'
    fixtures.write_video(root, name, poses)
    truths[name] = truth
  plan = fixtures.make_plan(root, test=0.3)
  log = []
  figures = build.build_dataset(plan, 2, log.append)
  return root, plan, figures, log, truths


def read_manifest(root):
  lines = (root / 'out/dataset/manifest.csv').read_text().splitlines()
  return [line.split(',') for line in lines[1:]]


def test_skeleton_folder_reads_the_dataset(curation):
  root, _, figures, _, truths = curation
  assert figures['clips'] == {
    'listed': 18,
    'label_left_out': 0,
    'dropped': 0,
    'kept': 18,
  }
  registry.prepare_dataset(
    'skeleton_folder/curated', root / 'tfds', root / 'out/dataset'
  )
  count = 0
  for split in ('train', 'test'):
    clips = tfds.data_source(
      'skeleton_folder/curated', split=split, data_dir=root / 'tfds'
    )
    for clip in clips:
      name = clip['id'].decode()
      assert name.split('/')[0] == ACTIONS[clip['label']]
      assert clip['keypoints'].shape == (1, 40, 17, 3)
      truth = truths[name]
      torso = accuracy.segment_lengths(truth, UNIK)
      limbs = [n for n, j in enumerate(UNIK.joints) if '_' in j]
      pose = clip['keypoints'][0, :, limbs].swapaxes(0, 1)
      assert accuracy.mpjpe(pose, truth[:, limbs], torso) < 0.11
      count += 1
  assert count == 18


def test_no_source_is_in_two_splits(curation):
  root, plan, figures, *_ = curation
  split_of = {}
  for _, label, split, name in read_manifest(root):
    source = videos.source_of(name)
    assert split_of.setdefault(source, split) == split
    assert label in ACTIONS
  assert len(split_of) == 9
  assert set(split_of.values()) == {'train', 'test'}
  in_test = {source for source, split in split_of.items() if split == 'test'}
  assert in_test == {s for s in split_of if splitting.hash_position(s) < 0.3}
  rows = {row['class']: row for row in figures['classes']}
  assert rows['salute']['train'] + rows['salute']['test'] == 9


def test_the_report(curation):
  root, _, figures, log, _ = curation
  assert json.loads((root / 'out/report.json').read_text()) == figures
  assert sum(figures['body_share']) == 18
  assert figures['frames'] == 18 * 40
  assert [row['name'] for row in figures['experts']] == [*fixtures.ESTIMATORS]
  joints = {row['joint']: row for row in figures['joints']}
  assert joints['head']['before'] > 0.3  # the files for AlphaPose lack ears
  assert joints['left_knee']['after'] < joints['left_knee']['before']
  page = (root / 'out/report.html').read_text()
  assert page.count('<figure>') == min(18, report.SHOWN)
  assert 'http' not in page.replace('http-equiv', '')
  assert '18 clips kept, 0 dropped.' in log


def test_colours_of_estimators_are_not_those_of_the_sides(curation):
  def hue_and_saturation(color):
    channels = (int(color[i : i + 2], 16) / 255 for i in (1, 3, 5))
    hue, _, saturation = colorsys.rgb_to_hls(*channels)
    return hue, saturation

  for color in contact_sheet.ESTIMATOR_COLORS:
    hue, saturation = hue_and_saturation(color)
    for side in (-1, 1):
      other, _ = hue_and_saturation(strips.SIDE_COLORS[side])
      distance = min(abs(hue - other), 1 - abs(hue - other))
      assert distance > 0.07 or saturation < 0.2, color
  page = (curation[0] / 'out/report.html').read_text()
  for n in range(len(fixtures.ESTIMATORS)):
    assert f'stroke="{contact_sheet.ESTIMATOR_COLORS[n]}"' in page


def test_resuming_refines_only_new_videos(curation):
  root, plan, figures, *_ = curation
  clips = sorted((root / 'out/dataset').rglob('*.npz'))
  before = {clip: clip.stat().st_mtime_ns for clip in clips}
  path = root / 'out' / records.RECORDS
  lines = path.read_text().splitlines(keepends=True)
  # A kill may leave the last clip's line cut short.
  path.write_text(''.join(lines[:-1]) + lines[-1][:40])
  last = json.loads(lines[-1])['video']
  log = []
  assert (
    build.build_dataset(fixtures.make_plan(root, test=0.3), 1, log.append)
    == figures
  )
  after = {clip: clip.stat().st_mtime_ns for clip in clips}
  changed = [clip for clip in clips if before[clip] != after[clip]]
  assert changed == [clip_writer.clip_path(plan.setup, find_video(plan, last))]
  assert '17 of 18 videos were done before.' in log
  again = fixtures.make_plan(
    root, options=refinement.Options(window=0), test=0.3
  )
  assert not set(records.video_fingerprints(again)) & set(
    records.video_fingerprints(plan)
  )


def find_video(plan, name):
  return next(video for video in plan.videos if video.name == name)


@pytest.fixture
def folder(tmp_path):
  """Files of four good videos; a test adds one more."""
  for n in range(4):
    poses, _ = fixtures.simulate_poses(n, ACTIONS[n % 2], 40)
    fixtures.write_video(tmp_path, f'{ACTIONS[n % 2]}/good{n}', poses)
  return tmp_path


def add_video(root, poses, name='salute/odd'):
  fixtures.write_video(root, name, poses)
  return name


def curate(root, **options):
  """Returns the figures of `build_dataset`, without writing the page."""
  plan = fixtures.make_plan(root, test=0.3, **options)
  marks = records.video_fingerprints(plan)
  build.refine_videos(plan, marks, 1)
  splits, _ = build.write_dataset_files(plan, marks)
  return summary.summarize_records(
    plan, records.read_records(plan, marks), splits
  )


def drop_reason(root, **options):
  """Returns kind and reason of the one clip that is dropped."""
  figures = curate(root, **options)
  assert figures['clips']['kept'] == 4
  (clip,) = figures['dropped_clips']
  assert clip['video'] == 'salute/odd'
  assert not (root / 'out/dataset/clips/salute/odd.npz').exists()
  assert 'odd' not in (root / 'out/dataset/manifest.csv').read_text()
  return clip['kind'], clip['reason']


def test_a_video_without_bodies(folder):
  add_video(folder, np.zeros((3, 40, 17, 3)))
  kind, reason = drop_reason(folder)
  assert kind == 'nobody' and '40 frames' in reason


def test_a_body_in_too_few_frames(folder):
  poses, _ = fixtures.simulate_poses(9, frames=50)
  poses[:, 20:] = 0
  add_video(folder, poses)
  kind, reason = drop_reason(folder)
  assert kind == 'share' and '40% of 50 frames' in reason
  options = refinement.Options(min_share=0.4)
  figures = curate(folder, options=options)
  assert figures['clips']['kept'] == 5


def test_estimators_that_differ_in_the_frame_count(folder):
  poses, _ = fixtures.simulate_poses(9, frames=40)
  add_video(folder, [poses[0], poses[1, :30], poses[2]])
  kind, reason = drop_reason(folder)
  assert (
    kind == 'frame count' and 'alphapose 40, arrays 30, lcrnet 40;' in reason
  )
  # A difference of one frame is accepted: the shorter file is padded.
  add_video(folder, [poses[0], poses[1, :39], poses[2]])
  figures = curate(folder)
  assert figures['clips']['kept'] == 5
  # So is AlphaPose's file, which ends with the last frame that shows a body.
  poses[0, 25:] = 0
  add_video(folder, poses)
  assert curate(folder)['clips']['kept'] == 5


def test_estimators_in_different_units(folder):
  poses, _ = fixtures.simulate_poses(9, frames=40)
  poses[1, ..., :2] /= 1280
  add_video(folder, poses)
  kind, reason = drop_reason(folder)
  assert kind == 'units' and 'pixels' in reason


def test_a_file_cut_short_and_nan(folder):
  poses, _ = fixtures.simulate_poses(9, frames=40)
  poses[1, 7, 3, 1] = np.nan
  add_video(folder, poses)
  with pytest.raises(UserError, match=r'odd.npz, frame 7.*\n.*--skip_bad'):
    curate(folder)
  path = folder / 'lcrnet/salute/odd.json'
  path.write_text(path.read_text()[:900])
  kind, reason = drop_reason(folder, skip_bad=True)
  assert kind == 'experts' and '1 of 3' in reason and 'least 2' in reason
  add_video(folder, poses)  # two good files are enough
  figures = curate(folder, skip_bad=True)
  assert figures['clips']['kept'] == 5
  # Without the option, the command reports the error again.
  with pytest.raises(UserError, match='odd.npz, frame 7'):
    curate(folder)
  (bad,) = figures['bad_files']
  assert bad['video'] == 'salute/odd' and 'odd.npz, frame 7' in bad['reason']


def test_a_person_leaves_and_returns(folder):
  poses, truth = fixtures.simulate_poses(9, frames=160)
  poses[:, 60:90] = 0
  poses[:, 90:, :, 0] += 600 * poses[:, 90:].any(-1)  # elsewhere
  name = add_video(folder, poses)
  curate(folder)
  with np.load(folder / f'out/dataset/clips/{name}.npz') as file:
    clip = file['keypoints']
  assert clip.shape == (1, 160, 17, 3)
  present = clip.any((0, 2, 3))
  # A gap that is filled or smoothed would show a body that was not there.
  assert present[:58].all() and present[92:].all()
  assert not present[60:90].any()
  wrist = UNIK.index('left_wrist')
  error = np.linalg.norm(clip[0, :60, wrist, :2] - truth[:60, wrist], axis=-1)
  assert np.median(error) < 20


def test_the_command(folder):
  command = [sys.executable, '-m', 'unik_jax.curate', '--test=0.3']
  command += [f'--experts={",".join(fixtures.estimator_folders(folder))}']
  command += [f'--out={folder / "out"}']
  done = subprocess.run(command, capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  assert '\n4 clips kept, 0 dropped.\nThe report is in' in done.stdout
  command += [f'--experts={folder / "nowhere"}']
  done = subprocess.run(command, capture_output=True, text=True)
  assert done.returncode == 1
  assert done.stderr.startswith('error: --experts')
  assert str(folder / 'nowhere') in done.stderr
  assert done.stderr.count('\n') == 1


def test_a_deleted_clip_is_refined_again(folder):
  figures = curate(folder)
  path = folder / 'out/dataset/clips/salute/good0.npz'
  content = path.read_bytes()
  path.unlink()
  assert curate(folder) == figures
  assert path.read_bytes() == content


def test_without_matplotlib_there_is_no_page(folder, monkeypatch):
  for name in ('unik_jax.curate.report', 'unik_jax.html.charts'):
    monkeypatch.delitem(sys.modules, name, raising=False)
  monkeypatch.delattr('unik_jax.curate.report', raising=False)
  monkeypatch.delattr('unik_jax.html.charts', raising=False)
  monkeypatch.setitem(sys.modules, 'matplotlib.style', None)
  log = []
  build.build_dataset(fixtures.make_plan(folder, test=0.3), 1, log.append)
  assert 'report.html' in log[0] and 'unik_jax[plot]' in log[0]
  assert (folder / 'out/report.json').exists()
  assert not (folder / 'out/report.html').exists()


def test_an_estimator_a_frame_late_is_noticed(folder):
  for n in range(3):
    poses, _ = fixtures.simulate_poses(20 + n, 'jumping_jack', 60)
    shifted = [poses[0], np.roll(poses[1], 1, 0), poses[2]]
    fixtures.write_video(folder, f'jump/late{n}', shifted)
  assert not curate(folder)['notes']
  poses, _ = fixtures.simulate_poses(24, 'jumping_jack', 60)
  for n in range(4):
    shifted = [poses[0], np.roll(poses[1], 1, 0), poses[2]]
    fixtures.write_video(folder, f'{ACTIONS[n % 2]}/good{n}', shifted)
  (note,) = curate(folder)['notes']
  assert 'arrays: ' in note and 'a frame late' in note


def test_labels_that_the_map_lacks(folder):
  path = folder / 'map.yaml'
  path.write_text('keep: [salute, squats]\n')
  with pytest.raises(
    UserError,
    match="squat/good1: .*'squat' .*map.yaml.*'squats'.*--unlisted",
  ):
    fixtures.make_plan(folder, label_map=path)
  with pytest.raises(UserError, match='two classes'):
    fixtures.make_plan(folder, label_map=path, unlisted='drop')
  plan = fixtures.make_plan(folder, label_map=path, unlisted='keep')
  assert sorted(set(plan.classes)) == ['salute', 'squat']


def test_sst_a_as_published(folder):
  options = refinement.Options(method='sst_a', window=0, gap=0)
  curate(folder, options=options)
  with np.load(folder / 'out/dataset/clips/salute/good0.npz') as file:
    clip = file['keypoints']
  assert not clip[0, -1].any()  # as in the tool
  present = clip[0, :-1].any((1, 2))
  assert present.mean() >= 0.5
  # All joints have the confidence of their frame, at least gamma.
  confidence = clip[0, :-1, :, 2][present]
  assert confidence.min() == 0 or confidence.min() >= 0.06
  is_complete = confidence.all(1)
  np.testing.assert_array_equal(np.ptp(confidence, 1)[is_complete], 0)
  two = fixtures.estimator_folders(folder)[:2]
  with pytest.raises(UserError, match='--method=sst_a: .*three.*got 2'):
    planning.make_plan(two, folder / 'out2', options=options)
