"""Looking inside a run: what is found, how it is drawn, and the command."""

import pathlib
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest
from PIL import Image

from unik_jax import optim
from unik_jax.config import default
from unik_jax.data.prepared_split import PreparedSplit
from unik_jax.data.transform import Transform
from unik_jax.errors import UserError
from unik_jax.models import network
from unik_jax.run import paths, restore
from unik_jax.run.checkpoints import Checkpoints
from unik_jax.run.workdir import claim_workdir
from unik_jax.skeletons.layouts import BUILT_IN, LAYOUTS, get_layout
from unik_jax.step import make_init_state
from unik_jax.visualize import analysis, animation, drawing, figures, projection

LAYOUT = get_layout('unik_17')


def tiny(data_dir):
  config = default()
  config.seed = 3
  config.model.update(widths=(8, 8), strides=(1, 2))
  config.data.update(
    name='synthetic_skeletons/unik_17_2d',
    data_dir=str(data_dir),
    layout='unik_17',
    num_classes=20,
    persons=1,
    channels=2,
    test_split='test[:21]',
    normalize='center_first',
    sampling='uniform',
    frames=16,
  )
  return config


def write_run(folder, config, change):
  """A run's folder, its weights the initial ones plus `change`."""
  claim_workdir(folder, config)
  clips = PreparedSplit(config.data, config.data.test_split)
  restore.write_data_json(folder, clips.info, clips.class_names)
  net = network.from_config(config)
  _, optimizer = optim.from_config(config, steps_per_epoch=1)
  state = jax.jit(make_init_state(optimizer))(
    *net.init(jax.random.key(config.seed))
  )
  before = jax.device_get(state.params)
  state.params = jax.tree.map(lambda a: a + change, state.params)
  with Checkpoints(folder / 'checkpoints', 1) as saved:
    saved.save(5, state, wait=True)
  return before


def matrices_of(params):
  blocks = params['blocks']
  return [blocks[i]['spatial']['dependency'] for i in range(len(blocks))]


@pytest.fixture(scope='module')
def run(synthetic_dir, tmp_path_factory):
  """An untrained run whose weights have all moved by 0.01."""
  folder = tmp_path_factory.mktemp('run')
  before = write_run(folder, tiny(synthetic_dir), 0.01)
  return restore.load_run(folder), before


# Matrices and attention


def test_no_attention(run):
  config = run[0].config.copy_and_resolve_references()
  config.model.attention = False
  net = network.from_config(config)
  params, stats = net.shapes
  without = run[0]._replace(net=net, params=params, batch_stats=stats)
  with pytest.raises(UserError, match='no attention'):
    analysis.attention(without, {})


def test_dependencies_before_and_after(run):
  run, initial = run
  before, where = analysis.first_dependencies(run)
  assert where == 'initial values of seed 3'
  for a, b, c in zip(
    before, analysis.dependencies(run), matrices_of(initial), strict=True
  ):
    np.testing.assert_array_equal(a, c)
    np.testing.assert_allclose(b, c + 0.01, rtol=1e-5)


def test_a_run_that_started_from_another(run, tmp_path):
  """Before training it had the matrices that the other had then."""
  config = tiny(run[0].config.data.data_dir)
  config.init_from = str(tmp_path / 'first')
  shutil.copytree(run[0].folder, config.init_from)
  write_run(tmp_path / 'second', config, 0.5)
  second = restore.load_run(tmp_path / 'second')
  steps = pathlib.Path(config.init_from) / 'checkpoints'
  restore.write_started_from(
    second.folder, restore.find_checkpoint(config.init_from)
  )

  def check(words, change):
    before, where = analysis.first_dependencies(second)
    assert where == f'weights of {config.init_from}, {words}'
    for a, b in zip(before, analysis.dependencies(run[0]), strict=True):
      np.testing.assert_allclose(a, b + change, rtol=1e-5)

  check('step 5', 0)
  # The other goes on, and at first keeps the checkpoint of then.
  write_run(tmp_path / 'later', tiny(config.data.data_dir), 0.31)
  (tmp_path / 'later' / 'checkpoints' / '5').rename(steps / '7')
  check('step 5', 0)
  shutil.rmtree(steps / '5')
  check('step 7 (as it is now; the run started from step 5)', 0.3)
  (second.folder / paths.STARTED_FROM).unlink()
  check('step 7 (as it is now; the run started from an unknown one)', 0.3)
  shutil.rmtree(config.init_from)
  lines = list(figures.matrices(second, tmp_path / 'out'))
  assert 'cannot be read any longer' in lines[0]
  with Image.open(lines[1]) as image:
    assert image.size[0] < 1200  # no columns for what was before


def test_attention_is_the_mean_over_those_who_are_there(run):
  run = run[0]
  record = analysis.pick(analysis.open_clips(run))
  data = run.config.data
  x = Transform(data, train=False)(record)['x']
  alone = run.net.mixing(run.params, run.batch_stats, x[None])
  maps = analysis.attention(run, record)
  for ours, block in zip(maps, alone, strict=True):
    np.testing.assert_allclose(ours, block.attention[0, 0], rtol=1e-4)


# Importance


def test_explain(run):
  run = run[0]
  record = analysis.pick(analysis.open_clips(run))
  x = Transform(run.config.data, train=False)(record)['x'][None]
  config = run.config.copy_and_resolve_references()
  config.data.test_clips = 3  # random samplings, of which none is explained
  run = run._replace(config=config)
  logits, _ = run.net.apply(run.params, run.batch_stats, x, train=False)
  for method in analysis.METHODS:
    found = analysis.explain(run, record, method)
    np.testing.assert_allclose(found.logits, logits[0], rtol=1e-4, atol=1e-5)
    assert found.importance.shape == found.poses.shape[:3] == (1, 16, 17)
    assert found.importance.any() and np.isfinite(found.importance).all()
  # Poses are the recorded coordinates of the sampled frames.
  length = record['keypoints'].shape[1]
  where = ((np.arange(16) + 0.5) * length / 16).astype(int)
  np.testing.assert_array_equal(found.poses, record['keypoints'][:1, where])
  with pytest.raises(UserError, match='gradient, occlusion'):
    analysis.explain(run, record, 'guess')


# Clips


def test_clips_by_id(run):
  clips = analysis.open_clips(run[0])
  ids = clips.ids()
  assert analysis.pick(clips)['id'].decode() == ids[0]
  assert analysis.pick(clips, ids[7])['id'].decode() == ids[7]
  with pytest.raises(UserError, match=f'no clip.*{ids[7]}'):
    analysis.pick(clips, ids[7] + 'x')


def test_a_dataset_that_is_not_there(run, tmp_path):
  with pytest.raises(UserError, match='not prepared'):
    analysis.open_clips(run[0], str(tmp_path))


# On the screen


def test_images_are_turned_upright_and_missing_joints_left_out():
  poses = np.array([[[[1.0, 2.0], [0.0, 0.0]]]])
  points = projection.to_screen(poses, LAYOUT)
  np.testing.assert_array_equal(points[0, 0, 0], [1, -2])
  assert np.isnan(points[0, 0, 1]).all()


@pytest.mark.parametrize('up', [(0, 1, 0), (0, -1, 0), (0, 0, 1), (1, 0, 0)])
def test_people_in_space_stand_upright_and_face_us(up):
  """Whichever axis is up, and wherever they face."""
  flat = projection.standing(LAYOUT)
  body = np.pad(flat, ((0, 0), (0, 1)))  # x to the left, y up, z forwards
  body[LAYOUT.index('nose'), 2] = 0.1
  up = np.array(up, float)
  for angle in (0.0, 2.0, 4.0):
    side = np.roll(up, 1)
    left = np.cos(angle) * side + np.sin(angle) * np.cross(up, side)
    axes = np.stack([left, up, np.cross(left, up)])
    (points,) = projection.to_screen(
      (body @ axes + [3, 4, 5])[None, None], LAYOUT
    )[0]
    at = dict(zip(LAYOUT.joints, points, strict=True))
    assert at['head'][1] > at['mid_hip'][1] > at['left_ankle'][1]
    # Seen from the front, the left hand is to the right; and from the side on
    # which what is in front of the body comes to the left.
    assert at['left_wrist'][0] > at['chest'][0] > at['right_wrist'][0]
    assert at['nose'][0] < at['head'][0]
    height = at['head'][1] - at['left_ankle'][1]
    assert height == pytest.approx(body[:, 1].max() - body[-2, 1])


def test_shoulders_that_do_not_tell_which_way_is_left():
  """The first frame in which they do counts; without one, any view will do."""
  body = np.pad(projection.standing(LAYOUT), ((0, 0), (0, 1)))
  at = LAYOUT.index
  left, right = at(LAYOUT.across[0]), at(LAYOUT.across[1])
  clip = np.tile(body + [3, 4, 5], (1, 3, 1, 1))
  clip[0, 0, left] = clip[0, 0, right]  # they coincide
  clip[0, 1, left] = clip[0, 1, right] + [0, 0.3, 0]  # one above the other
  points = projection.to_screen(clip, LAYOUT)
  assert np.isfinite(points).all()
  alone = projection.to_screen(clip[:, 2:], LAYOUT)
  np.testing.assert_allclose(points[:, 2:], alone, rtol=1e-12)
  lost = projection.to_screen(clip[:, :2], LAYOUT)
  assert np.isfinite(lost).all() and np.ptp(lost[..., 0]) > 0.1


def test_a_neutral_pose_for_the_layouts_that_it_fits():
  found = {n: projection.standing(LAYOUTS[n]) for n in sorted(BUILT_IN)}
  assert {n for n, pose in found.items() if pose is not None} >= {
    'ntu_25',
    'unik_17',
    'msr_20',
    'kinect_20',
    'lcrnet_13',
    'penn_13',
  }
  assert found['mediapipe_33'] is None  # nothing tells where a mouth is
  for name, pose in found.items():
    if pose is not None:
      at = dict(zip(LAYOUTS[name].joints, pose, strict=True))
      assert at['head'][1] > at['left_hip'][1] > at['left_ankle'][1]
      assert at['left_wrist'][0] > 0 > at['right_wrist'][0]


def test_the_clearest_pose_is_whole_and_spread_out():
  points = np.ones((1, 3, 4, 2)) * np.arange(4)[:, None]
  points[0, 0] *= 5
  points[0, 0, 2] = np.nan
  points[0, 1] *= 2
  np.testing.assert_array_equal(projection.clearest(points), points[0, 1])


# Pictures


def test_lines_are_the_largest_weights_between_joints():
  matrix = np.zeros((17, 17))
  matrix[2, 9], matrix[4, 1], matrix[6, 12], matrix[8, 8] = 0.5, -1, 0.1, 9
  figure = drawing.skeletons(
    [drawing.Row('block 1', [matrix])],
    ['head 1'],
    LAYOUT,
    'title',
    'subtitle',
    projection.standing(LAYOUT),
    strongest=2,
  )
  lines = figure.axes[0].patches
  assert len(lines) == 2
  thin, thick = lines
  assert thick.get_linewidth() > thin.get_linewidth()
  (red, _, blue, _), (red2, _, blue2, _) = (
    line.get_edgecolor() for line in lines
  )
  assert red > blue and red2 < blue2  # above 0, and below


def test_matrices_share_a_scale_in_a_row_and_show_what_they_are():
  one, other = np.random.default_rng(0).normal(size=(2, 17, 17))
  figure = drawing.matrices(
    [drawing.Row('block 1', [one, None, 3 * other])],
    ['head 1', '', 'head 2'],
    LAYOUT,
    'title',
    'subtitle',
  )
  left, right, _ = figure.axes
  limit = max(np.abs(one).max(), np.abs(3 * other).max())
  for axis, matrix in ((left, one), (right, 3 * other)):
    (image,) = axis.images
    np.testing.assert_array_equal(image.get_array(), matrix)
    assert (image.norm.vmin, image.norm.vmax) == (-limit, limit)
  names = [text.get_text() for text in left.get_yticklabels()]
  assert names == [j.replace('_', ' ') for j in LAYOUT.joints]
  assert not any(text.get_text() for text in right.get_yticklabels())


def test_two_people_and_a_gap(tmp_path):
  points = np.random.default_rng(0).normal(size=(3, 9, 17, 2))
  points[:, [0, 8]] = np.nan  # nobody at either end
  points[1, 3] = np.nan
  points[2] = np.nan
  path = tmp_path / 'new' / 'clip.gif'
  frames = animation.clip(
    path,
    points,
    np.random.default_rng(1).random((3, 9, 17)),
    LAYOUT,
    title='title',
    subtitle='subtitle',
    meaning='meaning',
  )
  with Image.open(path) as image:
    assert image.n_frames == frames == 7
  with pytest.raises(UserError, match='nobody'):
    animation.clip(
      path,
      points[2:],
      np.zeros((1, 9, 17)),
      LAYOUT,
      title='',
      subtitle='',
      meaning='',
    )


def test_files(run, tmp_path):
  run = run[0]
  record = analysis.pick(analysis.open_clips(run))
  lines = list(figures.matrices(run, tmp_path, blocks=[2]))
  lines += figures.attention(run, tmp_path, record)
  assert len(lines) == 4
  for path in lines:
    with Image.open(path) as image:
      pixels = np.asarray(image.convert('RGB'), int)
    assert min(pixels.shape[:2]) > 200
    reddish = (pixels[..., 0] - pixels[..., 2] > 60).mean()
    assert 0.0005 < reddish < 0.6  # something is drawn, on a quiet ground
  for method in analysis.METHODS:
    (line,) = figures.clip(run, tmp_path, record, method=method)
    path, _, rest = line.partition(': ')
    assert '16 frames; ' in rest and ', answered ' in rest
    with Image.open(path) as image:
      assert (image.format, image.n_frames) == ('GIF', 16)
  with pytest.raises(UserError, match='no block 3; the network has 1 to 2'):
    list(figures.matrices(run, tmp_path, blocks=[3]))


def test_mp4_needs_ffmpeg(run, tmp_path, monkeypatch):
  monkeypatch.setattr(shutil, 'which', lambda name: None)
  record = analysis.pick(analysis.open_clips(run[0]))
  with pytest.raises(UserError, match='--video=gif'):
    list(figures.clip(run[0], tmp_path, record, video='mp4'))
  assert not list(tmp_path.iterdir())


@pytest.mark.skipif(shutil.which('ffmpeg') is None, reason='no ffmpeg here')
def test_mp4(run, tmp_path):
  record = analysis.pick(analysis.open_clips(run[0]))
  (line,) = figures.clip(run[0], tmp_path, record, video='mp4')
  data = pathlib.Path(line.partition(': ')[0]).read_bytes()
  assert data[4:8] == b'ftyp'


# The command


def command(*arguments):
  return subprocess.run(
    [sys.executable, '-m', 'unik_jax.visualize', *map(str, arguments)],
    cwd=pathlib.Path(__file__).parents[2],
    capture_output=True,
    text=True,
  )


def test_command(run, tmp_path):
  folder = run[0].folder
  done = command(f'--run={folder}', '--what=matrices', f'--out={tmp_path}')
  assert (done.returncode, done.stderr) == (0, '')
  assert done.stdout.split() == [
    str(tmp_path / 'dependency_matrices.png'),
    str(tmp_path / 'dependency_skeletons.png'),
  ]


@pytest.mark.parametrize(
  'arguments, words',
  [
    (['--clip=a01_s48'], 'the test split has no clip'),
    (['--data_dir=/nowhere'], 'no data is needed for --what=matrices'),
    (['--what=matrix'], 'use some of matrices, attention, clip'),
    (['--blocks=x'], '--blocks=x'),
  ],
)
def test_mistakes_are_answered_in_a_line(run, arguments, words):
  done = command(f'--run={run[0].folder}', *arguments)
  assert done.returncode == 1
  assert done.stderr.startswith('error: ') and words in done.stderr
  assert len(done.stderr.splitlines()) == 1 and not done.stdout
