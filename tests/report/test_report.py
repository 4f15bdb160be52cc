"""The report of a run, checked against figures worked out here.

The runs are folders as training leaves them, with made-up scores of real
clips; nothing is trained.
"""

import dataclasses
import html.parser
import json
import re
import subprocess
import sys

import numpy as np
import pytest

from unik_jax.config import default
from unik_jax.data import synthetic
from unik_jax.data.prepared_split import PreparedSplit
from unik_jax.errors import UserError
from unik_jax.report import animation, build, contents, mistakes
from unik_jax.run import scores
from unik_jax.skeletons.layouts import get_layout

CURVES = (
  '{"step": 3, "epoch": 1.5, "loss": 3.0, "top1": 0.25, "lr": 0.1}\n'
  '{"step": 4, "epoch": 2.0, "loss": 2.5, "top1": 0.5, "lr": 0.1}\n'
  '{"step": 4, "test/loss": 2.75, "test/top1": 0.375}\n'
)


def write_run(folder, answers, data_dir, **data):
  """A folder as a run leaves it that has ended with these scores."""
  config = default()
  config.data.update(
    name='synthetic_skeletons/unik_17_2d',
    data_dir=str(data_dir),
    layout='unik_17',
    num_classes=len(answers.classes),
    persons=1,
    channels=2,
    **data,
  )
  folder.mkdir(parents=True, exist_ok=True)
  (folder / 'config.json').write_text(json.dumps(config.to_dict()))
  (folder / 'metrics.jsonl').write_text(CURVES)
  summary = {
    'headline': 'mean_class',
    'seed': 11,
    'device': '1 x abacus',
    'params': 1234567,
    'test': {'clips': len(answers.ids), 'loss': 0.0},
  }
  (folder / 'summary.json').write_text(json.dumps(summary))
  scores.write_scores(folder / 'scores' / 'test.npz', answers)
  return folder


@dataclasses.dataclass
class Element:
  tag: str
  attributes: dict
  text: str = ''


class Page(html.parser.HTMLParser):
  """All elements of a page, each with the text inside of it."""

  VOID = ('meta', 'link', 'br')

  def __init__(self, text):
    super().__init__()
    self.elements, self._open = [], []
    self.feed(text)
    self.close()
    assert not self._open  # every element is closed

  def handle_starttag(self, tag, attrs):
    assert len(dict(attrs)) == len(attrs)
    self.elements.append(Element(tag, dict(attrs)))
    if tag not in self.VOID:
      self._open.append(self.elements[-1])

  def handle_startendtag(self, tag, attrs):
    self.elements.append(Element(tag, dict(attrs)))

  def handle_endtag(self, tag):
    assert self._open.pop().tag == tag

  def handle_data(self, data):
    for element in self._open:
      element.text += data

  def all(self, tag, **attributes):
    return [
      e
      for e in self.elements
      if e.tag == tag
      and all(e.attributes.get(k) == v for k, v in attributes.items())
    ]

  @property
  def data(self):
    return json.loads(self.all('script', id='data')[0].text)

  def classes(self):
    """Rows of the table of classes, as lists of what its cells say."""
    cells = [
      e
      for e in self.elements
      if e.tag in ('td', 'th') and 'data-value' in e.attributes
    ]
    return [[c.text for c in cells[i : i + 6]] for i in range(0, len(cells), 6)]


@pytest.fixture(scope='module')
def run(synthetic_dir, tmp_path_factory):
  """(folder, scores) of a run on 60 real clips, about half of them right."""
  config = default().data
  config.update(
    name='synthetic_skeletons/unik_17_2d',
    data_dir=str(synthetic_dir),
    layout='unik_17',
    num_classes=20,
  )
  config.channels = 2
  clips = PreparedSplit(config, 'test[:60]')
  labels = np.array([clips[i]['label'] for i in range(60)], np.int32)
  rng = np.random.default_rng(0)
  logits = rng.normal(size=(60, 20)).astype(np.float32)
  logits[np.arange(60), labels] += 1.8
  answers = scores.Scores(
    np.array(clips.ids()), labels, logits, np.array(clips.class_names)
  )
  folder = tmp_path_factory.mktemp('report') / 'run'
  return write_run(
    folder, answers, synthetic_dir, test_split='test[:60]'
  ), answers


@pytest.fixture(scope='module')
def page(run):
  made = build.make(run[0], run[0] / 'report.html')
  assert made.missing == ''
  return Page(made.path.read_text())


def probabilities(logits):
  p = np.exp(np.float64(logits))
  return p / p.sum(1, keepdims=True)


def test_nothing_in_it_is_elsewhere(page):
  places = 0
  for element in page.elements:
    for name, value in element.attributes.items():
      assert not name.startswith('xmlns')
      if name in ('src', 'href', 'xlink:href', 'srcset', 'data', 'action'):
        assert re.match('#|data:', value), (element.tag, name, value)
        places += value.startswith('#')
      for target in re.findall(r'url\(\s*(.)', value):
        assert target == '#'
    if element.tag == 'style':
      assert not re.search(r'@import|url\(', element.text)
  assert places  # the charts' own, so that there was something to look at
  text = ' '.join(e.text for e in page.elements if e.tag == 'script')
  assert not re.search(r'https?:|fetch|import|XMLHttp|WebSocket', text)
  assert not page.all('script', src=None)[0].attributes.get('src')


def test_ids_are_unique_and_found(page):
  ids = [e.attributes['id'] for e in page.elements if 'id' in e.attributes]
  assert len(ids) == len(set(ids))
  for element in page.elements:
    for value in element.attributes.values():
      for target in re.findall(r'^#([\w-]+)|url\(#([\w-]+)', value or ''):
        assert ''.join(target) in ids


def test_figures_are_those_of_the_scores(run, page):
  _, answers = run
  labels, logits = answers.labels, np.float64(answers.logits)
  chosen = logits.argmax(1)
  per_class = [np.mean(chosen[labels == k] == k) for k in np.unique(labels)]
  rank = (logits > logits[np.arange(60), labels][:, None]).sum(1)
  expected = {
    'mean class': np.mean(per_class),
    'top-1': np.mean(chosen == labels),
    'top-5': np.mean(rank < 5),
  }
  assert 0.2 < expected['top-1'] < 0.9  # neither all right nor all wrong
  figures = [
    e.text
    for e in page.all('div')
    if e.attributes.get('class') in ('main', 'side')
  ]
  assert len(figures) == 4
  for text, (name, value) in zip(figures, expected.items(), strict=False):
    form = r'([\d.]+)%(?s:.+)95% interval ([\d.]+) to ([\d.]+)%'
    shown, low, high = map(float, re.match(form, text).groups())
    assert name in text
    assert shown == round(100 * value, 1)
    assert low < shown < high
    # The normal approximation of its spread is near.
    if name != 'mean class':
      spread = 1.96 * 100 * np.sqrt(value * (1 - value) / 60)
      assert high - low == pytest.approx(2 * spread, rel=0.2)
  assert figures[3].startswith('60')
  (headline,) = page.all('div', **{'class': 'main'})
  assert 'mean class' in headline.text

  # Expected calibration error, by its definition.
  probs = probabilities(logits)
  sure, gap = probs.max(1), 0
  for i in range(15):
    inside = (sure >= i / 15) & (sure < (i + 1) / 15)
    if inside.any():
      right = (chosen == labels)[inside].mean()
      gap += inside.mean() * abs(right - sure[inside].mean())
  values = dict(
    zip(
      [e.text for e in page.all('dt')],
      [e.text for e in page.all('dd')],
      strict=True,
    )
  )
  assert values['Expected calibration error'] == f'{100 * gap:.1f}%'
  assert values['Seed'] == '11' and values['Device'] == '1 x abacus'
  assert '1,234,567 parameters' in values['Model']
  assert 'tested on test[:60]' in values['Protocol']
  assert 'Commit' not in values  # not known


def test_table_of_classes(run, page):
  _, answers = run
  chosen = answers.logits.argmax(1)
  rows = page.classes()
  assert len(rows) == 20
  for k, (label, name, accuracy, clips, wrong, times) in enumerate(rows):
    mine = answers.labels == k
    assert (label, name) == (str(k), synthetic.LABELS[k])
    assert clips == str(mine.sum())
    right = np.mean(chosen[mine] == k) if mine.any() else None
    assert accuracy == ('–' if right is None else f'{100 * right:.1f}%')
    others = chosen[mine & (chosen != k)]
    counts = [np.sum(others == j) for j in range(20)]
    assert times == (str(max(counts)) if max(counts) else '–')
    if max(counts):
      assert wrong == synthetic.LABELS[int(np.argmax(counts))]


def test_confusions(run, page):
  _, answers = run
  chosen = answers.logits.argmax(1)
  counts = np.zeros((20, 20), int)
  for truth, answer in zip(answers.labels, chosen, strict=True):
    counts[truth, answer] += 1
  shown = np.zeros((20, 20), int)
  for row, found in enumerate(page.data['confusion']):
    for column, count in found.items():
      shown[row, int(column)] = count
  np.testing.assert_array_equal(shown, counts)
  pairs = mistakes.confused_pairs(counts, 1000)
  assert len(pairs) == np.count_nonzero(counts - np.diag(np.diag(counts)))
  assert [p[2] for p in pairs] == sorted((p[2] for p in pairs), reverse=True)
  for truth, answer, clips, total in pairs:
    assert clips == counts[truth, answer] and total == counts[truth].sum()
  truth, answer, clips, total = pairs[0]
  first = next(e.text for e in page.all('li'))
  assert first.startswith(
    f'{synthetic.LABELS[truth]} → {synthetic.LABELS[answer]}'
  )
  assert f'{clips} of {total}' in first


def test_the_most_wrong_clips_are_shown(run, page):
  folder, answers = run
  probs = probabilities(answers.logits)
  wrong = [
    (probs[i].max(), i)
    for i in range(60)
    if probs[i].argmax() != answers.labels[i]
  ]
  expected = [i for _, i in sorted(wrong, reverse=True)][:12]
  captions = [e.text for e in page.all('figcaption')]
  assert len(expected) == len(captions) == len(page.all('canvas')) == 12
  config = contents.read(folder).config.data
  clips = PreparedSplit(config, 'test')
  data = page.data
  for place, i in enumerate(expected):
    caption = captions[place]
    assert caption.startswith(synthetic.LABELS[answers.labels[i]])
    assert synthetic.LABELS[probs[i].argmax()] in caption
    assert f'with {100 * probs[i].max():.1f}%' in caption
    assert f'true class {100 * probs[i, answers.labels[i]]:.1f}%' in caption
    assert caption.endswith(answers.ids[i])
    # What is drawn is the clip: moved, and scaled alike in x and y.
    frames = np.array(data['clips'][place]['frames'])
    frames = frames.reshape(len(frames), 17, 2).astype(float)
    raw = np.float64(clips[i]['keypoints'][0])
    seen = raw.any(-1)
    assert ((frames >= 0) == seen[..., None]).all()
    drawn, raw = frames[seen], raw[seen]
    drawn, raw = drawn - drawn.mean(0), raw - raw.mean(0)
    scale = (drawn * raw).sum() / (raw * raw).sum()
    assert scale > 0
    np.testing.assert_allclose(drawn, scale * raw, atol=1)
  bones = {tuple(bone[:2]) for bone in data['bones']}
  assert bones == set(get_layout('unik_17').bone_indices)


@pytest.mark.parametrize('layout', ['ntu_25', 'msr_20'])
def test_bodies_in_space_stand_upright(layout):
  clip = next(
    c for c in synthetic.list_episodes() if synthetic.LABELS[c.label] == 'drink'
  )
  track = synthetic.read_episode(clip.source, layout=layout, channels=3)
  track = np.asarray(getattr(track, 'keypoints', track))
  layout = get_layout(layout)
  flat = animation.flatten(track, layout)
  frames = np.array(flat['frames'])[:, 0].reshape(-1, layout.num_joints, 2)
  head, foot, hip = (
    frames[:, layout.index(j), 1] for j in ('head', 'left_ankle', 'left_hip')
  )
  seen = (head >= 0) & (foot >= 0) & (hip >= 0)
  assert seen.mean() > 0.5
  assert (head < hip)[seen].all() and (hip < foot)[seen].all()
  assert frames.max() == 1000  # the longer side is filled


def test_long_clips_are_thinned_and_the_absent_left_out():
  rng = np.random.default_rng(0)
  clip = rng.uniform(1, 2, (3, 400, 17, 2)).astype(np.float32)
  clip[1] = 0  # nobody
  clip[:, :20] = 0
  clip[:, 370:] = 0
  clip[0, :, 5] = 0
  clip[2, :100] = 0
  flat = animation.flatten(clip, get_layout('unik_17'))
  frames = np.array(flat['frames'])
  assert frames.shape == (100, 2, 34)
  assert flat['seconds'] == pytest.approx(350 / 30, abs=0.01)
  frames = frames.reshape(100, 2, 17, 2)
  assert (frames[:, 0, 5] == -1).all() and (frames[:, 0, 6] >= 0).all()
  assert (frames[0, 1] == -1).all() and (frames[-1, 1] >= 0).all()
  assert animation.flatten(clip[1:2], get_layout('unik_17'))['frames'] == []


def test_names_cannot_break_the_page(run, tmp_path):
  _, answers = run
  names = list(answers.classes)
  bad = [
    '</script><b>x',
    '<!--<script>',
    '"onload="x',
    'a $b$ & c_d',
    '日\x01本',
  ]
  names[: len(bad)] = bad
  ids = [f'{name}<i>{k}' for k, name in enumerate(answers.ids)]
  hostile = answers._replace(classes=np.array(names), ids=np.array(ids))
  folder = write_run(tmp_path / '<u>run', hostile, tmp_path / '<s>')
  made = build.make(folder, tmp_path / 'page.html')
  assert 'not prepared' in made.missing
  page = Page(made.path.read_text())
  assert len(page.all('script')) == 2
  assert not page.all('u') + page.all('s')
  assert not [e for e in page.elements if 'onload' in e.attributes]
  assert {e.text for e in page.all('b')} <= set(names)  # of captions alone
  assert len(page.all('i')) == sum(c[3] != '0' for c in page.classes())  # bars
  assert page.data['classes'] == names
  assert [row[1] for row in page.classes()] == names
  captions = [e.text for e in page.all('figcaption')]
  assert all(any(c.endswith(i) for i in ids) for c in captions)


def test_without_the_dataset_the_report_says_so(run, tmp_path):
  folder, _ = run
  made = build.make(folder, tmp_path / 'page.html', tmp_path)
  assert 'unik_jax.prepare' in made.missing
  page = Page(made.path.read_text())
  assert not page.all('canvas') and len(page.all('figcaption')) == 12
  assert any('unik_jax.prepare' in e.text for e in page.all('p'))


def test_another_dataset_than_that_of_the_scores(
  run, page, synthetic_dir, tmp_path
):
  _, answers = run
  ids = np.array([f'other_{i}' for i in range(60)])
  folder = write_run(tmp_path / 'run', answers._replace(ids=ids), synthetic_dir)
  made = build.make(folder, tmp_path / 'page.html')
  assert 'other_' in made.missing and 'eval_only' in made.missing
  # Clips in another order than the scores' are found by their names.
  turned = scores.Scores(
    answers.ids[::-1],
    answers.labels[::-1],
    answers.logits[::-1],
    answers.classes,
  )
  folder = write_run(tmp_path / 'turned', turned, synthetic_dir)
  made = build.make(folder, tmp_path / 'turned.html')
  assert made.missing == ''
  one, other = (
    Page((p).read_text()).data['clips']
    for p in (tmp_path / 'turned.html', run[0] / 'report.html')
  )
  assert one == other


def test_the_same_run_gives_the_same_page(run, tmp_path):
  one, other = (
    build.make(run[0], tmp_path / name).path.read_bytes() for name in 'ab'
  )
  assert one == other
  assert len(one) < 1e6


def test_epochs_of_evaluations_follow_from_those_of_batches():
  lines = [json.loads(line) for line in CURVES.splitlines()]
  assert contents.series(lines, 'test/top1') == ([2.0], [0.375])
  assert contents.series(lines, 'loss') == ([1.5, 2.0], [3.0, 2.5])
  assert contents.series(lines, 'val/loss') == ([], [])


def test_a_later_evaluation_is_noted(run, tmp_path):
  folder, answers = run
  found = contents.read(folder)
  assert found.notes  # its summary.json has a loss of 0
  other = write_run(tmp_path / 'run', answers, tmp_path)
  summary = json.loads((other / 'summary.json').read_text())
  probs = probabilities(answers.logits)
  loss = -np.log(probs[np.arange(60), answers.labels]).mean()
  kept = {k: [0.125, 0.875] for k in ('top1', 'top5', 'mean_class')}
  summary['test'] = {'clips': 60, 'loss': loss, 'intervals': kept}
  (other / 'summary.json').write_text(json.dumps(summary))
  found = contents.read(other)
  assert not found.notes and found.intervals == kept


def test_robustness_curves(run, tmp_path):
  points = [
    {'strength': x, 'top1': 0.0, 'mean_class': y, 'top5': 1.0}
    for x, y in ((0.0, 0.9), (0.05, 0.8), (0.2, 0.3))
  ]
  table = {
    'clips': 60,
    'step': 4,
    'curves': dict(noise=points, left_arm=points),
  }
  folder = write_run(tmp_path / 'run', run[1], tmp_path)
  (folder / 'robustness.json').write_text(json.dumps(table))
  text = build.make(folder, tmp_path / 'page.html').path.read_text()
  names = [
    e.attributes['aria-label'] for e in Page(text).all('svg', role='img')
  ]
  assert {'Noise', 'A limb hidden'} < set(names)
  assert 'Joints missing' not in names
  # The line goes through the headline's figures: the page is an affine map.
  chart = re.search(r'aria-label="Noise".*?</svg>', text, re.DOTALL).group()
  paths = re.findall(r'<path d="([^"]*)"[^>]*fill: none; stroke: #2a', chart)
  (line,) = (
    np.array(re.findall(r'[ML] ([\d.]+) ([\d.]+)', path), float)
    for path in paths
  )
  for drawn, key in zip(line.T, ('strength', 'mean_class'), strict=True):
    values = [point[key] for point in points]
    slope, start = np.polyfit(values, drawn, 1)
    assert (slope > 0) == (key == 'strength')  # y grows downwards
    np.testing.assert_allclose(
      drawn, slope * np.array(values) + start, atol=0.01
    )
  del points[1]['top5']
  (folder / 'robustness.json').write_text(json.dumps(table))
  with pytest.raises(UserError, match="robustness.json: not as.*'top5'"):
    build.make(folder, tmp_path / 'page.html')


@pytest.mark.parametrize(
  'file, text, words',
  [
    ('summary.json', None, 'has not ended.*unik_jax.main'),
    ('scores/test.npz', None, 'test.npz: no such file.*The command'),
    ('config.json', None, 'config.json: no such file'),
    ('config.json', '{', 'config.json: not JSON'),
    ('summary.json', '{"test"', 'summary.json: cannot be read'),
    ('summary.json', '[]', 'summary.json: a table is due'),
    ('summary.json', '{}', 'summary.json: it has no figures'),
    ('data.json', '{', 'data.json: cannot be read'),
    ('robustness.json', '{', 'robustness.json: cannot be read'),
    ('metrics.jsonl', CURVES + '{"st', 'metrics.jsonl, line 4'),
    ('scores/test.npz', 'PK', 'test.npz: cannot be read.*The command'),
  ],
)
def test_what_is_missing_or_broken_is_named(run, tmp_path, file, text, words):
  folder = write_run(tmp_path / 'run', run[1], tmp_path)
  (folder / file).unlink(missing_ok=True)
  if text is not None:
    (folder / file).write_text(text)
  with pytest.raises(UserError, match=words):
    build.make(folder, tmp_path / 'page.html')
  assert not (tmp_path / 'page.html').exists()


def test_the_command(run, tmp_path):
  folder, _ = run

  def command(*arguments):
    return subprocess.run(
      [sys.executable, '-m', 'unik_jax.report', *arguments],
      capture_output=True,
      text=True,
    )

  done = command(f'--run={folder}', f'--data_dir={tmp_path}')
  assert done.returncode == 0, done.stderr
  assert 'note: ' in done.stdout and 'report.html' in done.stdout
  assert (folder / 'report.html').exists()
  done = command(f'--run={tmp_path}')
  assert done.returncode == 1
  assert done.stderr.startswith('error: ') and 'Traceback' not in done.stderr
