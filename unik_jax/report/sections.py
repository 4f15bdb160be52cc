"""The sections of the page, as HTML.

Whatever comes from a user or a file goes through `escape`.
"""

from html import escape
from typing import Any

import numpy as np

from unik_jax.report import charts, wording
from unik_jax.report.contents import Contents, series
from unik_jax.report.mistakes import Wrong, confused_pairs
from unik_jax.report.shell import percent, section

_PAIRS = 20  # most confused ones in the list


def header(contents: Contents, title: str) -> str:
  """What was measured, on what, and how."""
  headline = contents.summary.get('headline', 'top1')
  figures = contents.figures

  def figure(key, kind):
    low, high = contents.intervals[key]
    name = wording.METRICS[key]
    return f"""<div class="{kind}"><strong>{percent(figures[key])}</strong>
{name}<small>95% interval {100 * low:.1f} to {percent(high)}</small></div>"""

  others = [key for key in wording.METRICS if key != headline]
  facts = ''.join(
    f'<dt>{escape(name)}</dt><dd>{escape(value)}</dd>\n'
    for name, value in wording.facts(contents)
  )
  notes = ''.join(f'<p class="note">{escape(n)}</p>\n' for n in contents.notes)
  return f"""<header><div>
<h1>{escape(title)}</h1>
<div class="headline">
{figure(headline, 'main')}
{''.join(figure(key, 'side') for key in others)}
<div class="side"><strong>{figures['clips']:,}</strong>
test clips<small>intervals by bootstrap over them</small></div>
</div>
<dl>
{facts}</dl>
{notes}</div></header>"""


def training(contents: Contents) -> str:
  """Curves over the epochs, and the figures of the other splits."""
  if not contents.curves:
    return section('Training', 'The run has no metrics.jsonl.', '')

  def chart(title, keys, **options):
    found = [(n, *series(contents.curves, k)) for n, k in keys.items()]
    found = [one for one in found if one[1]]
    if not found:
      return ''
    return f'<div>{charts.lines(title, found, x="Epoch", **options)}</div>\n'

  names = {'training batches': '', 'validation': 'val/', 'test': 'test/'}
  loss, top1 = (
    {name: part + key for name, part in names.items()}
    for key in ('loss', 'top1')
  )
  body = (
    chart('Loss', loss)
    + chart('Top-1 accuracy', top1, percent=True)
    + chart('Learning rate', {'rate': 'lr'})
  )
  lead = 'Batches as trained on, with augmentation, and whole splits between.'
  results = _results(contents)
  return section(
    'Training', lead, f'<div class="charts">\n{body}</div>\n{results}'
  )


def _results(contents):
  """The figures of the other splits, where there are any."""
  names = {
    'test': 'Test, last epoch',
    'test_of_best': 'Test, the best epoch on validation',
    'val': 'Validation, last epoch',
  }
  found = {k: contents.summary[k] for k in names if k in contents.summary}
  if len(found) < 2:
    return ''
  rows = ''.join(
    f'<tr><th scope="row">{names[part]}</th>'
    + ''.join(
      f'<td class="number">{percent(figures.get(key))}</td>'
      for key in wording.METRICS
    )
    + f'<td class="number">{figures["loss"]:.3f}</td>'
    f'<td class="number">{figures["clips"]:,}</td></tr>\n'
    for part, figures in found.items()
  )
  short = [name.removesuffix(' accuracy') for name in wording.METRICS.values()]
  heads = ''.join(
    f'<th class="number">{name[0].upper() + name[1:]}</th>'
    for name in (*short, 'loss', 'clips')
  )
  return f"""<div class="scroll results"><table>
<thead><tr><th></th>{heads}</tr></thead>
<tbody>
{rows}</tbody></table></div>"""


def calibration(contents: Contents) -> str:
  """The reliability diagram, and what it comes to."""
  found = contents.calibration
  clips = np.array(found['clips'])
  sure = float(np.average(found['confidence'], weights=clips))
  right = float(np.average(found['accuracy'], weights=clips))
  return section(
    'Calibration',
    'Whether a probability can be taken at its word: of the answers given'
    ' with 80%, 80% should be right (the dashed line).',
    f"""<div class="charts"><div>{charts.reliability(found)}</div>
<dl>
<dt>Expected calibration error</dt><dd>{percent(found['ece'])}</dd>
<dt>Mean probability of an answer</dt><dd>{percent(sure)}</dd>
<dt>Answers that are right</dt><dd>{percent(right)}</dd>
</dl></div>""",
  )


def classes(contents: Contents, counts: np.ndarray) -> str:
  """A table; `counts` (K, K) are by true class and answer."""
  heads = (
    ('Label', 'ascending', 'number'),
    ('Class', 'ascending', ''),
    ('Accuracy', 'ascending', 'number'),
    ('Clips', 'descending', 'number'),
    ('Most frequent wrong answer', 'ascending', ''),
    ('Clips so answered', 'descending', 'number'),
  )
  top = ''.join(
    f'<th scope="col" class="{kind}" data-sort="{order}">'
    f'<button type="button">{name}</button></th>'
    for name, order, kind in heads
  )
  names = contents.classes
  rows = []
  for k, accuracy in enumerate(contents.figures['per_class']):
    row = counts[k].copy()
    total, row[k] = row.sum(), 0
    other, times = int(row.argmax()), int(row.max())
    wrong = names[other] if times else ''
    value = bar = ''
    if accuracy is not None:
      value = accuracy
      bar = (
        f'<span class="bar"><i style="width:{100 * accuracy:.1f}%"></i></span>'
      )
    rows.append(
      f'<tr><td class="number" data-value="{k}">{k}</td>'
      f'<th scope="row" data-value="{escape(names[k])}">'
      f'{escape(names[k])}</th>'
      f'<td class="number" data-value="{value}">'
      f'{bar}<span class="share">{percent(accuracy)}</span></td>'
      f'<td class="number" data-value="{total}">{total:,}</td>'
      f'<td data-value="{escape(wrong)}">{escape(wrong) or "–"}</td>'
      f'<td class="number" data-value="{times or ""}">{times or "–"}</td></tr>'
    )
  return section(
    'Classes',
    'A click on a heading sorts by it.',
    f"""<div class="scroll" tabindex="0"><table id="classes">
<thead><tr>{top}</tr></thead>
<tbody>
{chr(10).join(rows)}
</tbody></table></div>""",
  )


def confusion(contents: Contents, counts: np.ndarray) -> str:
  """The matrix of `counts` (K, K), and the pairs that stand out."""
  names = contents.classes
  pairs = ''.join(
    f'<li><span>{escape(names[truth])} → {escape(names[answer])}</span>'
    f'<span class="quiet">{clips:,} of {total:,}'
    f' ({percent(clips / total, 0)})</span></li>\n'
    for truth, answer, clips, total in confused_pairs(counts, _PAIRS)
  )
  listed = f'<ol class="pairs">\n{pairs}</ol>' if pairs else '<p>None.</p>'
  return section(
    'Confusions',
    'A row holds the clips of one class, as shares of them. Point at a cell'
    ' to read it.'
    + (' The numbers are labels.' if len(names) > charts.SOME else ''),
    f"""<div class="split"><div>
<p class="readout" id="readout" aria-live="polite"></p>
<div class="wide">{charts.confusion(counts, names)}</div>
</div><div>
<h3>Most confused: true class → answer</h3>
{listed}
</div></div>""",
  )


# Headings of the charts, their horizontal axes, and the curves in each.
_DAMAGES = (
  ('Joints missing', "Share of a frame's joints", ('joints',)),
  ('Frames missing', "Share of a clip's frames", ('frames',)),
  ('Noise', "Deviation, of the body's size", ('noise',)),
  (
    'A limb hidden',
    "Share of a clip's frames",
    ('left_arm', 'right_arm', 'left_leg', 'right_leg'),
  ),
)


def robustness(contents: Contents) -> str:
  """Accuracy on damaged clips; nothing where it was not measured."""
  found = contents.robustness
  if not found:
    return ''
  headline = contents.summary.get('headline', 'top1')
  body = ''
  for title, x, names in _DAMAGES:
    curves = {n: found['curves'][n] for n in names if found['curves'].get(n)}
    if curves:
      drawn = [
        (
          name.replace('_', ' '),
          [point['strength'] for point in points],
          [point[headline] for point in points],
        )
        for name, points in curves.items()
      ]
      base = drawn[0][2][0]  # each curve begins with the clips as they are
      chart = charts.lines(
        title, drawn, x=x, percent=True, shares=True, base=base, size=(2.8, 2.4)
      )
      body += f'<div>{chart}</div>\n'
  name = wording.METRICS[headline]
  return section(
    'Robustness',
    f'{name[0].upper() + name[1:]} when the clips are damaged, on'
    f' {found["clips"]:,} clips, with the weights of step {found["step"]:,}.'
    ' Dashed: the clips as they are.',
    f'<div class="charts four">\n{body}</div>',
  )


def mistakes(
  contents: Contents,
  wrong: list[Wrong],
  skeletons: dict[str, Any] | None,
  missing: str,
) -> str:
  """The surest wrong answers, with their clips; as in `page.render`."""
  if not wrong:
    return section('Most wrong', 'Every answer is right.', '')
  names = contents.classes
  figures = []
  for place, item in enumerate(wrong):
    canvas = ''
    truth, answer = escape(names[item.label]), escape(names[item.answer])
    if skeletons:
      label = f'Skeleton of a clip of {truth}, taken for {answer}'
      canvas = (
        f'<canvas data-clip="{place}" role="img" aria-label="{label}"></canvas>'
      )
    figures.append(
      f"""<figure>{canvas}<figcaption><b>{truth}</b><br>
<span class="answer">{answer}</span> with {percent(item.sure)}<br>
<span class="quiet">true class {percent(item.of_truth)}<br>
{escape(item.id)}</span></figcaption></figure>"""
    )
  lead = 'The wrong answers of the highest probability, below the true class.'
  before = f'<p class="note">{escape(missing)}</p><br>' if missing else ''
  if skeletons:
    lead += (
      ' <span class="key"><i style="background:var(--blue)"></i>left'
      '<i style="background:var(--orange)"></i>right</span>'
    )
    before = '<button type="button" class="play">Pause</button>'
  return section(
    'Most wrong',
    lead,
    f'{before}\n<div class="clips">\n{chr(10).join(figures)}\n</div>',
  )
