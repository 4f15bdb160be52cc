"""The page of clips that `prepare --preview` writes."""

import re
import subprocess
import sys

import numpy as np
import pytest
from helpers.html_page import Page
from helpers.user_clips import write_file

from unik_jax.data import registry
from unik_jax.html.strips import SIDE_COLORS
from unik_jax.prepare.preview import CLIPS, render_preview
from unik_jax.skeletons import layouts
from unik_jax.skeletons.layouts import get_layout

LINE = re.compile(r'M(\S+) (\S+)L([^ M]+) ([^ ML]+)')


def prepare(tmp_path, clips, layout):
  """Prepares {label: clips}; returns the opened dataset."""
  for label, members in clips.items():
    for n, clip in enumerate(members):
      path = tmp_path / 'raw' / label / f'{n}.npy'
      path.parent.mkdir(parents=True, exist_ok=True)
      np.save(path, clip)
  write_file(tmp_path / 'raw' / 'layout.yaml', layout)
  registry.prepare_dataset(
    'skeleton_folder/mine', tmp_path / 'data', tmp_path / 'raw', workers=1
  )
  return registry.open_prepared('skeleton_folder/mine', tmp_path / 'data')


def strokes(svg):
  """Returns {color: (N, 2, 2) ends of lines} of the first picture."""
  first = svg[svg.index('<svg x="0"') :]
  first = first[: first.index('</svg>')]
  return {
    color: np.float64(LINE.findall(path)).reshape(-1, 2, 2)
    for path, color in re.findall(
      r'<path d="([^"]*)".*?stroke="([^"]*)"', first
    )
  }


def test_a_page_of_clips_per_class(tmp_path):
  rng = np.random.default_rng(0)
  clips = {
    label: rng.uniform(50, 400, (count, 9, 17, 2)).round(2)
    for label, count in (('sit', 5), ('wave', 2))
  }
  clips['sit'][:, :, 3] = 0  # left_ear is never seen
  html = render_preview(prepare(tmp_path, clips, 'layout: coco_17\n'))
  page = Page(html)
  captions = [e.text for e in page.find_all('figcaption')]
  assert len(captions) == CLIPS + 2
  assert sum(text.startswith('sit/') for text in captions) == CLIPS
  assert len(page.find_all('svg', role='img')) == CLIPS + 2
  facts = dict(
    zip(
      (e.text for e in page.find_all('dt')),
      (e.text for e in page.find_all('dd')),
      strict=True,
    )
  )
  assert facts['Layout'] == 'coco_17' and facts['Channels'] == 'x y'
  assert sorted(facts['Clips'].split(', ')) == ['test 2', 'train 5']
  assert 'left_ear' in facts['Missing']
  low, high = map(float, re.findall(r'[\d.]+', facts['x'])[:2])
  assert 50 <= low < 70 and 380 < high <= 400


def test_bones_are_drawn_in_the_colours_of_their_sides(tmp_path):
  """A body that raises its left arm, in an image: y points down."""
  layout = get_layout('coco_17')
  pose = np.zeros((17, 2))
  for side, x in (('left', 120.0), ('right', 80.0)):
    for joint, y in (('shoulder', 40), ('hip', 100), ('knee', 140)):
      pose[layout.index(f'{side}_{joint}')] = x, y
    pose[layout.index(f'{side}_ankle')] = x, 180
    pose[layout.index(f'{side}_elbow')] = x, 20 if side == 'left' else 60
    pose[layout.index(f'{side}_wrist')] = x, 5 if side == 'left' else 80
  pose[layout.index('nose')] = 100, 20
  seen = pose.any(-1, keepdims=True)
  poses = np.stack([np.where(seen, pose + n, 0) for n in range(4)])
  poses = np.tile(poses[:, None], (1, 6, 1, 1))
  clips = {'a': poses[:2], 'b': poses[2:]}
  html = render_preview(prepare(tmp_path, clips, 'layout: coco_17\n'))
  svg = html[html.index('<svg class="chart"') :]
  lines = strokes(svg)
  left, right = lines[SIDE_COLORS[-1]], lines[SIDE_COLORS[1]]
  assert len(left) == len(right) == 6  # arm, leg, shoulder to nose, trunk
  assert left[..., 0].mean() > right[..., 0].mean()  # seen as in the image
  # In pixels, a bone is as long as in the data, times one scale.
  scale = (120 - 2 * 8) / (pose[pose.any(-1)][:, 1].max() - 5)
  lengths = np.linalg.norm(left[:, 0] - left[:, 1], axis=-1)
  expected = sorted([40, 40, 60, 20, 15, np.hypot(20, 20)])
  np.testing.assert_allclose(sorted(lengths / scale), expected, atol=0.3)
  assert left[..., 1].min() < right[..., 1].min()  # the raised hand is above


def test_a_layout_of_ones_own_in_3d(tmp_path):
  """z points up; the page says so. The layout is known to no other process."""
  rng = np.random.default_rng(0)
  rest = np.array([[0, 0, 1.0], [0, 0, 1.6], [0.3, 0, 1.4], [-0.3, 0, 1.4]])
  clips = {
    label: rest + rng.normal(0, 0.03, (2, 8, 4, 3)) for label in ('a', 'b')
  }
  layout = (
    'name: stick\njoints: [hip, neck, left_hand, right_hand]\ncenter: hip\n'
    'bones: [[neck, hip], [left_hand, neck], [right_hand, neck]]\n'
    'up: [hip, neck]\nunits: metres\nconfidence: false\n'
  )
  prepare(tmp_path, clips, layout)
  layouts.LAYOUTS.pop('stick')  # as in another process
  try:
    opened = registry.open_prepared('skeleton_folder/mine', tmp_path / 'data')
    page = Page(render_preview(opened))
    facts = [e.text for e in page.find_all('dd')]
    assert '+z in 4 clips, by the trunk' in facts and 'metres' in facts
  finally:
    layouts.LAYOUTS.pop('stick', None)


@pytest.mark.slow
def test_the_command(tmp_path):
  rng = np.random.default_rng(0)
  clips = {label: rng.random((2, 6, 17, 2)) for label in ('a', 'b')}
  prepare(tmp_path, clips, 'layout: coco_17\n')
  done = subprocess.run(
    [sys.executable, '-m', 'unik_jax.prepare', 'skeleton_folder/mine']
    + [f'--data_dir={tmp_path / "data"}', '--preview'],
    cwd=tmp_path,
    capture_output=True,
    text=True,
  )
  assert done.returncode == 0, done.stderr
  assert 'Preview: preview_skeleton_folder_mine.html' in done.stdout
  page = tmp_path / 'preview_skeleton_folder_mine.html'
  assert Page(page.read_text()).find_all('svg')
