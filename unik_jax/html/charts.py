"""Charts as inline SVG, drawn by matplotlib.

Text stays text in the page's font, so that it can be read aloud, copied and
searched.
"""

import io
import itertools
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from unik_jax.errors import UserError

try:
  import matplotlib.style
  from matplotlib.colors import LinearSegmentedColormap, PowerNorm
  from matplotlib.figure import Figure
except ImportError:
  raise UserError(
    "charts need matplotlib; pip install 'unik_jax[plot]'"
  ) from None

INK, MUTED, LINE = '#1d2733', '#5b6875', '#dfe4ea'
BLUE, ORANGE, GREEN = '#2a6191', '#b8571b', '#3f7f5f'
PALE = '#8fb2d1'

_STYLE = {
  'svg.fonttype': 'none',
  'svg.hashsalt': 'unik_jax',  # a run's page is reproducible
  'text.parse_math': False,  # a class name may contain a dollar
  'font.size': 9,
  'text.color': INK,
  'axes.titlesize': 9.5,
  'axes.titlelocation': 'left',
  'axes.titlepad': 8,
  'axes.labelcolor': MUTED,
  'axes.edgecolor': LINE,
  'axes.spines.top': False,
  'axes.spines.right': False,
  'axes.grid': True,
  'axes.axisbelow': True,
  'grid.color': LINE,
  'grid.linewidth': 0.7,
  'xtick.color': LINE,
  'ytick.color': LINE,
  'xtick.labelcolor': MUTED,
  'ytick.labelcolor': MUTED,
  'lines.linewidth': 1.6,
  'legend.frameon': False,
  'legend.fontsize': 8.5,
}
_SHADES = ('#ffffff', '#cfdeec', '#7fa6c9', BLUE, '#12324f')
_MAX_NUMBERED = 14  # classes; with more, no cell has room for a number
MAX_NAMED = 80  # classes; with more, the axes show labels, not names

Series = tuple[str, Sequence[float], Sequence[float]]  # name, x, y


def draw_lines(
  title: str,
  series: Sequence[Series],
  *,
  x: str,
  percent: bool = False,
  percent_x: bool = False,
  baseline: float | None = None,
  size: tuple[float, float] = (3.6, 2.6),
) -> Markup:
  """Returns a line chart, with a legend if it has several lines.

  Args:
    title: what the vertical axis shows.
    series: (name, x, y) of each line. Lines of few points get markers.
    x: what the horizontal axis shows.
    percent: whether y are fractions, shown as percentages.
    percent_x: the same for x.
    baseline: y of a dashed line; None for none.
    size: width and height in inches.
  """
  with matplotlib.style.context(('default', _STYLE)):
    figure = Figure(size, layout='constrained')
    axes = figure.subplots()
    axes.set(title=title, xlabel=x)
    for (name, xs, ys), color in zip(
      series, itertools.cycle((BLUE, ORANGE, GREEN, MUTED)), strict=False
    ):
      marker = 'o' if len(xs) <= 20 else None
      xs = np.multiply(xs, 100 if percent_x else 1)
      ys = np.multiply(ys, 100 if percent else 1)
      axes.plot(
        xs, ys, color=color, label=name, marker=marker, ms=3.5, clip_on=False
      )
    if baseline is not None:
      y = baseline * (100 if percent else 1)
      axes.axhline(y, color=MUTED, lw=1, ls='--')
    if percent_x:
      axes.xaxis.set_major_formatter('{x:g}%')
    axes.set_xlim(left=0)
    if percent:
      axes.yaxis.set_major_formatter('{x:g}%')
      axes.set_ylim(0, 103)
    else:
      axes.margins(y=0.08)
      axes.set_ylim(bottom=0)
    if len(series) > 1:
      axes.legend()
    return _svg(figure, title)


def draw_histogram(
  title: str,
  counts: Sequence[float],
  *,
  x: str,
  top: float = 1.0,
  size: tuple[float, float] = (3.6, 2.6),
) -> Markup:
  """Returns a histogram.

  Args:
    title: what is counted.
    counts: counts in bins of equal width, from 0 to `top`.
    x: what the horizontal axis shows.
    top: where the last bin ends.
    size: width and height in inches.
  """
  width = top / len(counts)
  middle = width * (np.arange(len(counts)) + 0.5)
  with matplotlib.style.context(('default', _STYLE)):
    figure = Figure(size, layout='constrained')
    axes = figure.subplots()
    axes.bar(middle, counts, width, color=PALE, edgecolor='white', lw=1)
    axes.set(title=title, xlabel=x, xlim=(0, top))
    axes.yaxis.set_major_formatter('{x:,.0f}')
    axes.locator_params(axis='y', nbins=5, integer=True)
    return _svg(figure, title)


def draw_reliability(calibration: dict[str, Any], bins: int = 15) -> Markup:
  """Returns a reliability diagram: accuracy against predicted probability.

  Each bar has a line from the low to the high end of its interval.

  Args:
    calibration: from `metrics.calibration`.
    bins: number of bins of the calibration.
  """
  confidence = np.array(calibration['confidence'])
  clips = np.array(calibration['clips'])
  accuracy = 100 * np.array(calibration['accuracy'])
  # Empty bins are left out, so a bin is found by its mean confidence.
  bin_index = np.floor(np.minimum(confidence, 1 - 1e-9) * bins)
  middle = 100 * (bin_index + 0.5) / bins
  width = 100 / bins
  with matplotlib.style.context(('default', _STYLE)):
    figure = Figure((3.6, 3.8), layout='constrained')
    top, bottom = figure.subplots(2, sharex=True, height_ratios=(4, 1))
    top.bar(middle, accuracy, width, color=PALE, edgecolor='white', lw=1)
    low, high = 100 * np.array(calibration['intervals']).T
    top.vlines(middle, low, high, color=BLUE, lw=1.4)
    top.plot((0, 100), (0, 100), color=INK, ls='--', lw=1)
    top.set(title='Accuracy', ylim=(0, 103))
    top.yaxis.set_major_formatter('{x:g}%')
    bottom.bar(middle, clips, width, color=PALE, edgecolor='white', lw=1)
    bottom.set(title='Clips', xlabel='Probability of the prediction')
    bottom.xaxis.set_major_formatter('{x:g}%')
    bottom.set_xlim(0, 100)
    bottom.locator_params(axis='y', nbins=2)
    return _svg(figure, 'Reliability diagram')


def draw_confusion(counts: np.ndarray, classes: Sequence[str]) -> Markup:
  """Returns the confusion matrix, each row as shares of the class's clips.

  With at most _MAX_NUMBERED classes, every cell shows its percentage (a dash
  for a class without clips); with more, none does.

  Args:
    counts: (K, K) clips by true class and prediction.
    classes: (K,) names. With more than MAX_NAMED, axes show labels instead.
  """
  total = counts.sum(1, keepdims=True)
  shares = 100 * counts / np.maximum(total, 1)
  size = len(classes)
  with matplotlib.style.context(('default', _STYLE, {'axes.grid': False})):
    inches = float(np.clip(1.8 + 0.24 * size, 4.6, 11))
    figure = Figure((inches + 0.9, inches), layout='constrained')
    axes = figure.subplots()
    picture = axes.imshow(
      shares,
      cmap=LinearSegmentedColormap.from_list('report', _SHADES),
      norm=PowerNorm(0.6, 0, 100),  # makes rare predictions visible
      interpolation='none',
    )
    axes.set(xlabel='Prediction', ylabel='True class')
    axes.spines[:].set_visible(True)
    if size <= MAX_NAMED:
      names = [_short(name) for name in classes]
      row_points = 0.7 * inches * 72 / size  # height of a row
      font = {'fontsize': min(8.5, 0.75 * row_points)}
      axes.set_yticks(range(size), names, **font)
      slanted = {'rotation': 55, 'ha': 'right', 'rotation_mode': 'anchor'}
      axes.set_xticks(range(size), names, **font, **slanted)
      axes.tick_params(length=0)
    else:
      axes.locator_params(integer=True, nbins=12)
    if size <= _MAX_NUMBERED:
      for (row, column), share in np.ndenumerate(shares):
        axes.text(
          column,
          row,
          _format_share(share) if total[row, 0] else '–',
          ha='center',
          va='center',
          fontsize=8,
          color='white' if share > 55 else INK,
        )
    bar = figure.colorbar(picture, shrink=0.5, aspect=30, pad=0.02)
    bar.ax.yaxis.set_major_formatter('{x:g}%')
    bar.outline.set_visible(False)
    return _svg(figure, 'Confusion matrix', 'confusion')


def _format_share(percent):
  """Rounds a percentage; only exactly none is 0, and only all is 100."""
  if 0 < percent < 0.5:
    return '<1'
  return '>99' if 99.5 <= percent < 100 else f'{percent:.0f}'


def _short(name, most=24):
  """Shortens a name to fit beside an axis; XML has no control characters."""
  name = ''.join(c if c.isprintable() else ' ' for c in name)
  return name if len(name) <= most else name[: most - 1] + '…'


def _svg(figure, label, css_class=''):
  """Returns a figure as an <svg> element for use inside a page.

  Drops what only a file of its own needs: the DOCTYPE, namespaces and metadata
  (they hold web addresses), and a <style> that would apply to the whole page.
  Prefixes ids, which must be unique in a page of several charts.
  """
  file = io.StringIO()
  with warnings.catch_warnings():
    # The browser draws the text, and it has more fonts.
    warnings.filterwarnings('ignore', 'Glyph .* missing')
    figure.savefig(
      file,
      format='svg',
      transparent=True,
      metadata=dict.fromkeys(('Date', 'Creator', 'Format', 'Type')),
    )
  root = ET.fromstring(file.getvalue())
  prefix = re.sub(r'\W+', '-', label.lower()) + '-'
  for element in root.iter():
    element.tag = _local(element.tag)
    element.attrib = {
      _local(key): _prefixed(_local(key), value, prefix)
      for key, value in element.attrib.items()
    }
    for child in list(element):
      if _local(child.tag) in ('metadata', 'style'):
        element.remove(child)
  width, height = root.attrib['viewBox'].split()[2:]
  root.attrib = {
    'viewBox': root.attrib['viewBox'],
    'class': f'chart {css_class}'.strip(),
    'style': f'max-width: {float(width) * 4 / 3:.0f}px',
    'role': 'img',
    'aria-label': label,
  }
  return Markup(ET.tostring(root, encoding='unicode'))


def _local(name):
  return name.rpartition('}')[2]


def _prefixed(key, value, prefix):
  if key == 'id':
    return prefix + value
  if key == 'href' and value.startswith('#'):
    return '#' + prefix + value[1:]
  return value.replace('url(#', f'url(#{prefix}')
