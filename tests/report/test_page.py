"""The report's page, checked against figures computed here."""

import json
import re

import numpy as np
import pytest
from helpers.finished_run import write_run
from helpers.html_page import Page

from unik_jax.data import synthetic
from unik_jax.data.prepared_split import PreparedSplit
from unik_jax.errors import UserError
from unik_jax.report import build, contents, mistakes
from unik_jax.report.page import render_report
from unik_jax.skeletons.layouts import get_layout

pytestmark = pytest.mark.slow


def probabilities(logits):
  p = np.exp(np.float64(logits))
  return p / p.sum(1, keepdims=True)


def test_the_page_loads_nothing(page):
  fragments = 0
  for element in page.elements:
    for name, value in element.attributes.items():
      assert not name.startswith('xmlns')
      if name in ('src', 'href', 'xlink:href', 'srcset', 'data', 'action'):
        assert re.match('#|data:', value), (element.tag, name, value)
        fragments += value.startswith('#')
      for target in re.findall(r'url\(\s*(.)', value):
        assert target == '#'
    if element.tag == 'style':
      assert not re.search(r'@import|url\(', element.text)
  assert fragments  # the charts refer to their own parts
  text = ' '.join(e.text for e in page.elements if e.tag == 'script')
  assert not re.search(r'https?:|fetch|import|XMLHttp|WebSocket', text)
  assert not page.find_all('script', src=None)[0].attributes.get('src')


def test_ids_are_unique_and_defined(page):
  ids = [e.attributes['id'] for e in page.elements if 'id' in e.attributes]
  assert len(ids) == len(set(ids))
  for element in page.elements:
    for value in element.attributes.values():
      for target in re.findall(r'^#([\w-]+)|url\(#([\w-]+)', value or ''):
        assert ''.join(target) in ids


def test_figures_are_those_of_the_scores(run, page):
  _, scores = run
  labels, logits = scores.labels, np.float64(scores.logits)
  predictions = logits.argmax(1)
  per_class = [
    np.mean(predictions[labels == k] == k) for k in np.unique(labels)
  ]
  rank = (logits > logits[np.arange(60), labels][:, None]).sum(1)
  expected = {
    'mean class': np.mean(per_class),
    'top-1': np.mean(predictions == labels),
    'top-5': np.mean(rank < 5),
  }
  assert 0.2 < expected['top-1'] < 0.9  # some right, some wrong
  figures = [
    e.text
    for e in page.find_all('div')
    if e.attributes.get('class') in ('main', 'side')
  ]
  assert len(figures) == 4
  for text, (name, value) in zip(figures, expected.items(), strict=False):
    form = r'([\d.]+)%(?s:.+)95% interval ([\d.]+) to ([\d.]+)%'
    shown, low, high = map(float, re.match(form, text).groups())
    assert name in text
    assert shown == round(100 * value, 1)
    assert low < shown < high
    # The normal approximation of the interval is close.
    if name != 'mean class':
      spread = 1.96 * 100 * np.sqrt(value * (1 - value) / 60)
      assert high - low == pytest.approx(2 * spread, rel=0.2)
  assert figures[3].startswith('60')
  (headline,) = page.find_all('div', **{'class': 'main'})
  assert 'mean class' in headline.text

  # Expected calibration error, by its definition.
  probs = probabilities(logits)
  confidence, gap = probs.max(1), 0
  for i in range(15):
    inside = (confidence >= i / 15) & (confidence < (i + 1) / 15)
    if inside.any():
      accuracy = (predictions == labels)[inside].mean()
      gap += inside.mean() * abs(accuracy - confidence[inside].mean())
  values = dict(
    zip(
      [e.text for e in page.find_all('dt')],
      [e.text for e in page.find_all('dd')],
      strict=True,
    )
  )
  assert values['Expected calibration error'] == f'{100 * gap:.1f}%'
  assert values['Seed'] == '11' and values['Device'] == '1 x abacus'
  assert '1,234,567 parameters' in values['Model']
  assert 'tested on test[:60]' in values['Protocol']
  assert 'Commit' not in values  # unknown


def test_tables_scroll_sideways_beside_the_names_of_their_rows(run, tmp_path):
  folder = write_run(tmp_path / 'run', run[1], tmp_path)
  summary = json.loads((folder / 'summary.json').read_text())
  summary['val'] = summary['test']
  (folder / 'summary.json').write_text(json.dumps(summary))
  text = build.write_report(folder, tmp_path / 'page.html').path.read_text()
  scrolling = re.findall(r'<div class="scroll[^>]*tabindex="0"><table', text)
  assert len(scrolling) == text.count('<table') == 2
  assert len(Page(text).find_all('th', **{'class': 'name'})) == 2
  assert len(Page(text).find_all('th', scope='row')) == 20 + 2


def test_table_of_classes(run, page):
  _, scores = run
  predictions = scores.logits.argmax(1)
  rows = page.class_rows()
  assert len(rows) == 20
  for k, (label, name, accuracy, clips, wrong, times) in enumerate(rows):
    of_class = scores.labels == k
    assert (label, name) == (str(k), synthetic.LABELS[k])
    assert clips == str(of_class.sum())
    expected = np.mean(predictions[of_class] == k) if of_class.any() else None
    assert accuracy == ('–' if expected is None else f'{100 * expected:.1f}%')
    others = predictions[of_class & (predictions != k)]
    counts = [np.sum(others == j) for j in range(20)]
    assert times == (str(max(counts)) if max(counts) else '–')
    if max(counts):
      assert wrong == synthetic.LABELS[int(np.argmax(counts))]


def test_confusions(run, page):
  _, scores = run
  predictions = scores.logits.argmax(1)
  counts = np.zeros((20, 20), int)
  for truth, prediction in zip(scores.labels, predictions, strict=True):
    counts[truth, prediction] += 1
  shown = np.zeros((20, 20), int)
  for row, nonzero in enumerate(page.data['confusion']):
    for column, count in nonzero.items():
      shown[row, int(column)] = count
  np.testing.assert_array_equal(shown, counts)
  pairs = mistakes.list_confused_pairs(counts, 1000)
  assert len(pairs) == np.count_nonzero(counts - np.diag(np.diag(counts)))
  assert [p[2] for p in pairs] == sorted((p[2] for p in pairs), reverse=True)
  for truth, prediction, clips, total in pairs:
    assert clips == counts[truth, prediction] and total == counts[truth].sum()
  truth, prediction, clips, total = pairs[0]
  first = next(e.text for e in page.find_all('li'))
  assert first.startswith(
    f'{synthetic.LABELS[truth]} → {synthetic.LABELS[prediction]}'
  )
  assert f'{clips} of {total}' in first


def test_the_most_confident_mistakes_are_shown(run, page):
  folder, scores = run
  probs = probabilities(scores.logits)
  wrong = [
    (probs[i].max(), i)
    for i in range(60)
    if probs[i].argmax() != scores.labels[i]
  ]
  expected = [i for _, i in sorted(wrong, reverse=True)][:12]
  captions = [e.text for e in page.find_all('figcaption')]
  assert len(expected) == len(captions) == len(page.find_all('canvas')) == 12
  config = contents.read_contents(folder).config.data
  split = PreparedSplit(config, 'test')
  data = page.data
  for place, i in enumerate(expected):
    caption = captions[place]
    assert caption.startswith(synthetic.LABELS[scores.labels[i]])
    assert synthetic.LABELS[probs[i].argmax()] in caption
    assert f'with {100 * probs[i].max():.1f}%' in caption
    assert f'true class {100 * probs[i, scores.labels[i]]:.1f}%' in caption
    assert caption.endswith(scores.ids[i])
    # The drawing is the clip, shifted and scaled equally in x and y.
    frames = np.array(data['clips'][place]['frames'])
    frames = frames.reshape(len(frames), 17, 2).astype(float)
    raw = np.float64(split[i]['keypoints'][0])
    seen = raw.any(-1)
    assert ((frames >= 0) == seen[..., None]).all()
    drawn, raw = frames[seen], raw[seen]
    drawn, raw = drawn - drawn.mean(0), raw - raw.mean(0)
    scale = (drawn * raw).sum() / (raw * raw).sum()
    assert scale > 0
    np.testing.assert_allclose(drawn, scale * raw, atol=1)
  bones = {tuple(bone[:2]) for bone in data['bones']}
  assert bones == set(get_layout('unik_17').bone_indices)


@pytest.mark.parametrize('persons', [1, 2])
def test_how_persons_differ_is_said(run, persons):
  shown = contents.read_contents(run[0])
  mistake = mistakes.list_mistakes(shown.results.scores, 1)
  skeletons = {
    'size': 1000,
    'bones': [(1, 0, 0)],
    'clips': [{'seconds': 1, 'frames': [[[1, 2, 3, 4]] * persons]}],
  }
  text = render_report(shown, mistake, skeletons)
  assert ('the others hollow' in text) == (persons > 1)


def test_names_cannot_break_the_page(run, tmp_path):
  _, scores = run
  names = list(scores.classes)
  hostile_names = [
    '</script><b>x',
    '<!--<script>',
    '"onload="x',
    'a $b$ & c_d',
    '日\x01本',
  ]
  names[: len(hostile_names)] = hostile_names
  ids = [f'{name}<i>{k}' for k, name in enumerate(scores.ids)]
  hostile = scores._replace(classes=np.array(names), ids=np.array(ids))
  folder = write_run(tmp_path / '<u>run', hostile, tmp_path / '<s>')
  report = build.write_report(folder, tmp_path / 'page.html')
  assert 'not prepared' in report.missing
  page = Page(report.path.read_text())
  assert len(page.find_all('script')) == 2
  assert not page.find_all('u') + page.find_all('s')
  assert not [e for e in page.elements if 'onload' in e.attributes]
  assert {e.text for e in page.find_all('b')} <= set(names)  # captions only
  assert len(page.find_all('i')) == sum(
    c[3] != '0' for c in page.class_rows()
  )  # bars
  assert page.data['classes'] == names
  assert [row[1] for row in page.class_rows()] == names
  captions = [e.text for e in page.find_all('figcaption')]
  assert all(any(c.endswith(i) for i in ids) for c in captions)


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
  text = build.write_report(folder, tmp_path / 'page.html').path.read_text()
  names = [
    e.attributes['aria-label'] for e in Page(text).find_all('svg', role='img')
  ]
  assert {'Noise', 'A limb hidden'} < set(names)
  assert 'Joints missing' not in names
  # The line shows the headline metric: pixels are an affine map of values.
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
  with pytest.raises(UserError, match="robustness.json.*'top5'"):
    build.write_report(folder, tmp_path / 'page.html')


def test_the_same_run_gives_the_same_page(run, tmp_path):
  one, other = (
    build.write_report(run[0], tmp_path / name).path.read_bytes()
    for name in 'ab'
  )
  assert one == other
  assert len(one) < 1e6
