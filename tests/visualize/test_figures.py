"""The pictures and animated clips."""

import pathlib
import shutil

import numpy as np
import pytest
from matplotlib import cm, colors
from PIL import Image

from unik_jax.errors import UserError
from unik_jax.skeletons.layouts import get_layout
from unik_jax.visualize import (
  analysis,
  animation,
  drawing,
  figures,
  importance,
  poses,
)

pytestmark = pytest.mark.slow

LAYOUT = get_layout('unik_17')


def test_lines_are_the_largest_weights_between_joints():
  matrix = np.zeros((17, 17))
  matrix[2, 9], matrix[4, 1], matrix[6, 12], matrix[8, 8] = 0.5, -1, 0.1, 9
  figure = drawing.draw_skeletons(
    [drawing.Row('block 1', [matrix])],
    ['head 1'],
    LAYOUT,
    'title',
    'subtitle',
    poses.make_standing_pose(LAYOUT),
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


def test_lines_of_all_skeletons_share_a_scale():
  strong, weak = np.zeros((2, 17, 17))
  strong[2, 9], weak[2, 9], strong[3, 3] = 0.8, 0.4, 9  # the diagonal is out
  figure = drawing.draw_skeletons(
    [drawing.Row('block 1', [strong]), drawing.Row('block 2', [weak])],
    ['head 1'],
    LAYOUT,
    'title',
    'subtitle',
    poses.make_standing_pose(LAYOUT),
  )
  one, other, bar = figure.axes
  (thick,), (thin,) = one.patches, other.patches
  shown = cm.ScalarMappable(colors.Normalize(-0.8, 0.8), drawing.DIVERGING)
  assert thick.get_edgecolor() == shown.to_rgba(0.8)
  assert thin.get_edgecolor() == shown.to_rgba(0.4)
  assert thick.get_linewidth() > thin.get_linewidth()
  assert bar.get_ylim() == pytest.approx((0, 0.8))  # no weight is negative


def test_all_matrices_share_a_scale():
  one, other = np.random.default_rng(0).normal(size=(2, 17, 17))
  figure = drawing.draw_matrices(
    [
      drawing.Row('block 1', [one, None, 3 * other]),
      drawing.Row('block 2', [one / 10, None, None]),
    ],
    ['head 1', '', 'head 2'],
    LAYOUT,
    'title',
    'subtitle',
  )
  left, right, small, bar = figure.axes
  limit = max(np.abs(one).max(), np.abs(3 * other).max())
  for axis, matrix in ((left, one), (right, 3 * other), (small, one / 10)):
    (image,) = axis.images
    np.testing.assert_array_equal(image.get_array(), matrix)
    assert (image.norm.vmin, image.norm.vmax) == (-limit, limit)
  # One bar, beside both rows.
  assert bar.get_ylim() == pytest.approx((-limit, limit))
  place = bar.get_position()
  assert place.x0 > right.get_position().x1
  assert place.y0 == pytest.approx(small.get_position().y0)
  assert place.y1 == pytest.approx(left.get_position().y1)
  names = [text.get_text() for text in left.get_yticklabels()]
  assert names == [j.replace('_', ' ') for j in LAYOUT.joints]
  assert not any(text.get_text() for text in right.get_yticklabels())


def test_two_persons_and_a_gap(tmp_path):
  points = np.random.default_rng(0).normal(size=(3, 9, 17, 2))
  points[:, [0, 8]] = np.nan  # all absent at both ends
  points[1, 3] = np.nan
  points[2] = np.nan
  path = tmp_path / 'new' / 'clip.gif'
  frames = animation.write_clip(
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
  with pytest.raises(UserError, match='clip.*--clip'):
    animation.write_clip(
      path,
      points[2:],
      np.zeros((1, 9, 17)),
      LAYOUT,
      title='',
      subtitle='',
      meaning='',
    )


def test_files(run, tmp_path):
  record = analysis.select_clip(analysis.open_test_split(run))
  lines = list(figures.write_dependencies(run, tmp_path, blocks=[2]))
  lines += figures.write_attention(run, tmp_path, record)
  assert len(lines) == 4
  for path in lines:
    with Image.open(path) as image:
      pixels = np.asarray(image.convert('RGB'), int)
    assert min(pixels.shape[:2]) > 200
    reddish = (pixels[..., 0] - pixels[..., 2] > 60).mean()
    assert 0.0005 < reddish < 0.6  # something drawn on a plain ground
  for method in importance.METHODS:
    (line,) = figures.write_clip(run, tmp_path, record, method=method)
    path, _, rest = line.partition(': ')
    assert '16 frames; ' in rest and ', predicted ' in rest
    with Image.open(path) as image:
      assert (image.format, image.n_frames) == ('GIF', 16)
  with pytest.raises(UserError, match='--blocks.*1 to 2, got 3'):
    list(figures.write_dependencies(run, tmp_path, blocks=[3]))


def test_mp4_needs_ffmpeg(run, tmp_path, monkeypatch):
  monkeypatch.setattr(shutil, 'which', lambda name: None)
  record = analysis.select_clip(analysis.open_test_split(run))
  with pytest.raises(UserError, match='--video=gif'):
    list(figures.write_clip(run, tmp_path, record, video='mp4'))
  assert not list(tmp_path.iterdir())


@pytest.mark.skipif(shutil.which('ffmpeg') is None, reason='needs ffmpeg')
def test_mp4(run, tmp_path):
  record = analysis.select_clip(analysis.open_test_split(run))
  (line,) = figures.write_clip(run, tmp_path, record, video='mp4')
  data = pathlib.Path(line.partition(': ')[0]).read_bytes()
  assert data[4:8] == b'ftyp'
