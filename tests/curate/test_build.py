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
  jobs,
  refinement,
  report,
  splitting,
  tallies,
  videos,
)
from unik_jax.data import registry
from unik_jax.errors import UserError

UNIK = fixtures.UNIK
ACTIONS = ('salute', 'squat')


@pytest.fixture(scope='module')
def made(tmp_path_factory):
  """Two classes of nine clips, refined by two processes."""
  root = tmp_path_factory.mktemp('curated')
  truths = {}
  for n in range(18):
    action = ACTIONS[n % 2]
    poses, truth = fixtures.observed(n, action, 40)
    name = f'{action}/v{n // 2}_{n:06}_{n + 10:06}'
    fixtures.put(root, name, poses)
    truths[name] = truth
  plan = fixtures.plan(root, test=0.3)
  said = []
  found = build.make(plan, 2, said.append)
  return root, plan, found, said, truths


def manifest(root):
  lines = (root / 'out/dataset/manifest.csv').read_text().splitlines()
  return [line.split(',') for line in lines[1:]]


def test_skeleton_folder_reads_what_is_written(made):
  root, _, found, _, truths = made
  assert found['clips'] == {
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
      torso = accuracy.length(truth, UNIK)
      limbs = [n for n, j in enumerate(UNIK.joints) if '_' in j]
      pose = clip['keypoints'][0, :, limbs].swapaxes(0, 1)
      assert accuracy.mpjpe(pose, truth[:, limbs], torso) < 0.11
      count += 1
  assert count == 18


def test_no_source_is_in_two_splits(made):
  root, plan, found, *_ = made
  of = {}
  for _, label, split, name in manifest(root):
    source = videos.source_of(name)
    assert of.setdefault(source, split) == split
    assert label in ACTIONS
  assert len(of) == 9 and set(of.values()) == {'train', 'test'}
  in_test = {source for source, split in of.items() if split == 'test'}
  assert in_test == {s for s in of if splitting.place(s) < 0.3}
  rows = {row['class']: row for row in found['classes']}
  assert rows['salute']['train'] + rows['salute']['test'] == 9


def test_the_report_is_whole(made):
  root, _, found, said, _ = made
  assert json.loads((root / 'out/report.json').read_text()) == found
  assert sum(found['body_share']) == 18
  assert found['frames'] == 18 * 40
  assert [expert['name'] for expert in found['experts']] == [*fixtures.EXPERTS]
  joints = {row['joint']: row for row in found['joints']}
  assert joints['head']['before'] > 0.3  # AlphaPose's ears are missing
  assert joints['left_knee']['after'] < joints['left_knee']['before']
  page = (root / 'out/report.html').read_text()
  assert page.count('<figure>') == min(18, report.SHOWN)
  assert 'http' not in page.replace('http-equiv', '')
  assert '18 clips kept, 0 dropped.' in said


def test_going_on_makes_only_what_is_new(made):
  root, plan, found, *_ = made
  clips = sorted((root / 'out/dataset').rglob('*.npz'))
  before = {path: path.stat().st_mtime_ns for path in clips}
  records = root / 'out' / build.RECORDS
  lines = records.read_text().splitlines(keepends=True)
  # As a kill would leave it: the last clip's line is broken.
  records.write_text(''.join(lines[:-1]) + lines[-1][:40])
  last = json.loads(lines[-1])['video']
  said = []
  assert build.make(fixtures.plan(root, test=0.3), 1, said.append) == found
  after = {path: path.stat().st_mtime_ns for path in clips}
  changed = [path for path in clips if before[path] != after[path]]
  assert changed == [jobs.clip_path(plan.work, _video(plan, last))]
  assert '17 of 18 videos were done before.' in said
  again = fixtures.plan(root, options=refinement.Options(window=0), test=0.3)
  assert not set(build.marks(again)) & set(build.marks(plan))


def _video(plan, name):
  return next(video for video in plan.videos if video.name == name)


@pytest.fixture
def folder(tmp_path):
  """Four good clips, to which a test adds one of its own."""
  for n in range(4):
    poses, _ = fixtures.observed(n, ACTIONS[n % 2], 40)
    fixtures.put(tmp_path, f'{ACTIONS[n % 2]}/good{n}', poses)
  return tmp_path


def added(root, poses, name='salute/odd'):
  fixtures.put(root, name, poses)
  return name


def curated(root, **options):
  """As `making.make`, without the page."""
  plan = fixtures.plan(root, test=0.3, **options)
  known = build.marks(plan)
  build.run(plan, known, 1)
  splits, _ = build.write_dataset(plan, known)
  return tallies.tally(plan, build.records(plan, known), splits)


def dropped(root, **options):
  found = curated(root, **options)
  assert found['clips']['kept'] == 4
  (clip,) = found['dropped_clips']
  assert clip['video'] == 'salute/odd'
  assert not (root / 'out/dataset/clips/salute/odd.npz').exists()
  assert 'odd' not in (root / 'out/dataset/manifest.csv').read_text()
  return clip['kind'], clip['reason']


def test_a_video_with_nobody(folder):
  added(folder, np.zeros((3, 40, 17, 3)))
  assert dropped(folder) == ('nobody', 'nobody is seen in any of 40 frames')


def test_a_body_in_too_few_frames(folder):
  poses, _ = fixtures.observed(9, frames=50)
  poses[:, 20:] = 0
  added(folder, poses)
  kind, reason = dropped(folder)
  assert kind == 'share' and reason == 'a body is seen in 40% of 50 frames'
  options = refinement.Options(share=0.4)
  found = curated(folder, options=options)
  assert found['clips']['kept'] == 5


def test_experts_who_disagree_on_the_frame_count(folder):
  poses, _ = fixtures.observed(9, frames=40)
  added(folder, [poses[0], poses[1, :30], poses[2]])
  kind, reason = dropped(folder)
  assert (
    kind == 'frame count' and 'alphapose 40, arrays 30, lcrnet 40;' in reason
  )
  # One frame more or less is no disagreement: the shorter one is filled up.
  added(folder, [poses[0], poses[1, :39], poses[2]])
  found = curated(folder)
  assert found['clips']['kept'] == 5
  # Nor is AlphaPose's end, after which nobody is seen by it.
  poses[0, 25:] = 0
  added(folder, poses)
  assert curated(folder)['clips']['kept'] == 5


def test_experts_in_different_units(folder):
  poses, _ = fixtures.observed(9, frames=40)
  poses[1, ..., :2] /= 1280
  added(folder, poses)
  kind, reason = dropped(folder)
  assert kind == 'units' and 'all in pixels of the same video' in reason


def test_a_file_cut_short_and_nan(folder):
  poses, _ = fixtures.observed(9, frames=40)
  poses[1, 7, 3, 1] = np.nan
  added(folder, poses)
  with pytest.raises(UserError, match=r'odd.npz, frame 7.*\n.*--skip_bad'):
    curated(folder)
  path = folder / 'lcrnet/salute/odd.json'
  path.write_text(path.read_text()[:900])
  kind, reason = dropped(folder, skip_bad=True)
  assert kind == 'experts' and '1 of 3 experts, where 2 are the least' in reason
  added(folder, poses)  # two good ones are enough
  found = curated(folder, skip_bad=True)
  assert found['clips']['kept'] == 5
  # Without the option it is told again, and what is done stays done.
  with pytest.raises(UserError, match='odd.npz, frame 7'):
    curated(folder)
  (bad,) = found['bad_files']
  assert bad['video'] == 'salute/odd' and 'odd.npz, frame 7' in bad['reason']


def test_a_person_who_leaves_and_comes_back(folder):
  poses, truth = fixtures.observed(9, frames=160)
  poses[:, 60:90] = 0
  poses[:, 90:, :, 0] += 600 * poses[:, 90:].any(-1)  # elsewhere
  name = added(folder, poses)
  curated(folder)
  with np.load(folder / f'out/dataset/clips/{name}.npz') as file:
    clip = file['keypoints']
  assert clip.shape == (1, 160, 17, 3)
  seen = clip.any((0, 2, 3))
  # Filled or smoothed across the gap, there would be a body that never was.
  assert seen[:58].all() and not seen[60:90].any() and seen[92:].all()
  wrist = UNIK.index('left_wrist')
  error = np.linalg.norm(clip[0, :60, wrist, :2] - truth[:60, wrist], axis=-1)
  assert np.median(error) < 20


def test_the_command(folder):
  command = [sys.executable, '-m', 'unik_jax.curate', '--test=0.3']
  command += [f'--experts={",".join(fixtures.folders(folder))}']
  command += [f'--out={folder / "out"}']
  done = subprocess.run(command, capture_output=True, text=True)
  assert done.returncode == 0, done.stderr
  assert '\n4 clips kept, 0 dropped.\nThe report is in' in done.stdout
  command += [f'--experts={folder / "nowhere"}']
  done = subprocess.run(command, capture_output=True, text=True)
  assert done.returncode == 1
  assert done.stderr == (
    f'error: {folder / "nowhere"}: no such folder; name one for each expert\n'
  )


def test_a_clip_that_is_lost_is_made_again(folder):
  found = curated(folder)
  path = folder / 'out/dataset/clips/salute/good0.npz'
  whole = path.read_bytes()
  path.unlink()
  assert curated(folder) == found
  assert path.read_bytes() == whole


def test_without_matplotlib_there_is_no_page(folder, monkeypatch):
  for name in ('unik_jax.curate.report', 'unik_jax.report.charts'):
    monkeypatch.delitem(sys.modules, name, raising=False)
  monkeypatch.delattr('unik_jax.curate.report', raising=False)
  monkeypatch.delattr('unik_jax.report.charts', raising=False)
  monkeypatch.setitem(sys.modules, 'matplotlib.style', None)
  said = []
  build.make(fixtures.plan(folder, test=0.3), 1, said.append)
  assert 'no page will be made' in said[0] and 'unik_jax[plot]' in said[0]
  assert (folder / 'out/report.json').exists()
  assert not (folder / 'out/report.html').exists()


def test_an_expert_who_counts_frames_otherwise_is_noticed(folder):
  for n in range(3):
    poses, _ = fixtures.observed(20 + n, 'jumping_jack', 60)
    shifted = [poses[0], np.roll(poses[1], 1, 0), poses[2]]
    fixtures.put(folder, f'jump/late{n}', shifted)
  assert not curated(folder)['notes']
  poses, _ = fixtures.observed(24, 'jumping_jack', 60)
  for n in range(4):
    shifted = [poses[0], np.roll(poses[1], 1, 0), poses[2]]
    fixtures.put(folder, f'{ACTIONS[n % 2]}/good{n}', shifted)
  (note,) = curated(folder)['notes']
  assert 'arrays: a frame late against the others' in note


def test_labels_that_the_map_does_not_have(folder):
  path = folder / 'map.yaml'
  path.write_text('keep: [salute, squats]\n')
  with pytest.raises(
    UserError,
    match="squat/good1: label 'squat' is not in .*"
    "map.yaml, which has 'squats'.*--unlisted",
  ):
    fixtures.plan(folder, label_map=path)
  with pytest.raises(UserError, match='fewer than two classes'):
    fixtures.plan(folder, label_map=path, unlisted='drop')
  plan = fixtures.plan(folder, label_map=path, unlisted='keep')
  assert sorted(set(plan.classes)) == ['salute', 'squat']


def test_sst_a_as_published(folder):
  options = refinement.Options(method='sst_a', window=0, gap=0)
  curated(folder, options=options)
  with np.load(folder / 'out/dataset/clips/salute/good0.npz') as file:
    clip = file['keypoints']
  assert not clip[0, -1].any()  # as in the tool
  seen = clip[0, :-1].any((1, 2))
  assert seen.mean() >= 0.5
  # A frame's confidence stands for that of its joints, none below gamma.
  sure = clip[0, :-1, :, 2][seen]
  assert sure.min() == 0 or sure.min() >= 0.06
  np.testing.assert_array_equal(np.ptp(sure, 1)[sure.all(1)], 0)
  with pytest.raises(UserError, match='sst_a is of three experts, not of 2'):
    from unik_jax.curate import planning

    planning.plan(fixtures.folders(folder)[:2], folder / 'o', options=options)


def test_splits_by_hash():
  clips = [(f's{n}', f'c{n % 3}') for n in range(3000)]
  splits, notes = splitting.divide(clips, 0.1, 0.05)
  assert not notes
  counts = [splits.count(name) / 3000 for name in ('train', 'val', 'test')]
  assert counts == pytest.approx([0.85, 0.05, 0.1], abs=0.015)
  # Others added change nothing.
  more, _ = splitting.divide([*clips, ('new', 'c0')], 0.1, 0.05)
  assert more[:-1] == splits
  lowest = min((s for s, _ in clips), key=splitting.place)
  alone, notes = splitting.divide([*clips, (lowest, 'rare')], 0.1)
  assert alone[-1] == 'train' and 'rare' in notes[0]
  few = [('a', 'x'), ('b', 'x'), ('c', 'y'), ('d', 'y')]
  assert 'test' in splitting.divide(few, 1e-9)[0]
  with pytest.raises(UserError, match='2 source videos are too few'):
    splitting.divide([('a', 'x'), ('b', 'y')], 1e-9)
  with pytest.raises(UserError, match="source 'a' are in splits train and"):
    splitting.check([('a', 'train'), ('a', 'test')])
