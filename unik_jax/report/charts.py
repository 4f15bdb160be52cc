"""The charts of a report, as SVG that stands in the page itself.

Text stays text, in the page's own font, so it can be read aloud, copied and
searched for.
"""

import io
import itertools
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from typing import Any

import numpy as np

from unik_jax.errors import UserError

try:
  import matplotlib.style
  from matplotlib.colors import LinearSegmentedColormap, PowerNorm
  from matplotlib.figure import Figure
except ImportError:
  raise UserError(
    "charts need matplotlib: pip install 'unik_jax[plot]'"
  ) from None

INK, MUTED, LINE = '#1d2733', '#5b6875', '#dfe4ea'
BLUE, ORANGE, GREEN = '#2a6191', '#b8571b', '#3f7f5f'
PALE = '#8fb2d1'

_STYLE = {
  'svg.fonttype': 'none',
  'svg.hashsalt': 'unik_jax',  # the same page for the same run
  'text.parse_math': False,  # a class may have a dollar in its name
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
_FEW = 14  # classes whose cells have room for a number
SOME = 80  # classes whose names have room beside the picture

Series = tuple[str, Sequence[float], Sequence[float]]  # name, x, y


def lines(
  title: str,
  series: Sequence[Series],
  *,
  x: str,
  percent: bool = False,
  shares: bool = False,
  base: float | None = None,
  size: tuple[float, float] = (3.6, 2.6),
) -> str:
  """Lines in one chart; of several, each with its name in the legend.

  Args:
    title: what is on the vertical axis.
    series: (name, x, y) each; a few points are marked.
    x: what is on the horizontal axis.
    percent: whether values are fractions, to be shown as percentages.
    shares: likewise of what is on the horizontal axis.
    base: where to draw a dashed line.
    size: width and height, in inches.
  """
  with matplotlib.style.context(('default', _STYLE)):
    figure = Figure(size, layout='constrained')
    axes = figure.subplots()
    axes.set(title=title, xlabel=x)
    for (name, xs, ys), color in zip(
      series, itertools.cycle((BLUE, ORANGE, GREEN, MUTED)), strict=False
    ):
      marker = 'o' if len(xs) <= 20 else None
      xs = np.multiply(xs, 100 if shares else 1)
      ys = np.multiply(ys, 100 if percent else 1)
      axes.plot(
        xs, ys, color=color, label=name, marker=marker, ms=3.5, clip_on=False
      )
    if base is not None:
      axes.axhline(base * (100 if percent else 1), color=MUTED, lw=1, ls='--')
    if shares:
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


def bars(
  title: str,
  counts: Sequence[float],
  *,
  x: str,
  top: float = 1.0,
  size: tuple[float, float] = (3.6, 2.6),
) -> str:
  """A histogram.

  Args:
    title: what is counted.
    counts: of bins of the same width, from 0 to `top`.
    x: what is on the horizontal axis.
    top: where the last bin ends.
    size: width and height, in inches.
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


def reliability(calibration: dict[str, Any], bins: int = 15) -> str:
  """How often answers are right against how sure the model was of them.

  Args:
    calibration: of `metrics.calibration`.
    bins: as given there.
  """
  sure, clips = (np.array(calibration[k]) for k in ('confidence', 'clips'))
  right = 100 * np.array(calibration['accuracy'])
  middle = 100 * (np.floor(np.minimum(sure, 1 - 1e-9) * bins) + 0.5) / bins
  width = 100 / bins
  with matplotlib.style.context(('default', _STYLE)):
    figure = Figure((3.6, 3.8), layout='constrained')
    top, bottom = figure.subplots(2, sharex=True, height_ratios=(4, 1))
    top.bar(middle, right, width, color=PALE, edgecolor='white', lw=1)
    top.plot((0, 100), (0, 100), color=INK, ls='--', lw=1)
    top.set(title='Right, of the answers this sure', ylim=(0, 103))
    top.yaxis.set_major_formatter('{x:g}%')
    bottom.bar(middle, clips, width, color=PALE, edgecolor='white', lw=1)
    bottom.set(title='Clips', xlabel='Probability of the answer')
    bottom.xaxis.set_major_formatter('{x:g}%')
    bottom.set_xlim(0, 100)
    bottom.locator_params(axis='y', nbins=2)
    return _svg(figure, 'Reliability diagram')


def confusion(counts: np.ndarray, classes: Sequence[str]) -> str:
  """The confusion matrix, each row as shares of the true class's clips.

  Args:
    counts: (K, K), by true class and answer.
    classes: (K,) names. With many, their places in the list stand instead.
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
      norm=PowerNorm(0.6, 0, 100),  # so that rare answers are seen too
      interpolation='none',
    )
    axes.set(xlabel='Answer', ylabel='True class')
    axes.spines[:].set_visible(True)
    if size <= SOME:
      names = [_short(name) for name in classes]
      room = 0.7 * inches * 72 / size  # points, for a row
      font = {'fontsize': min(8.5, 0.75 * room)}
      axes.set_yticks(range(size), names, **font)
      turn = {'rotation': 55, 'ha': 'right', 'rotation_mode': 'anchor'}
      axes.set_xticks(range(size), names, **font, **turn)
      axes.tick_params(length=0)
    else:
      axes.locator_params(integer=True, nbins=12)
    if size <= _FEW:
      for row, column in np.argwhere(counts):
        share = shares[row, column]
        axes.text(
          column,
          row,
          f'{share:.0f}',
          ha='center',
          va='center',
          fontsize=8,
          color='white' if share > 55 else INK,
        )
    bar = figure.colorbar(picture, shrink=0.5, aspect=30, pad=0.02)
    bar.ax.yaxis.set_major_formatter('{x:g}%')
    bar.outline.set_visible(False)
    return _svg(figure, 'Confusion matrix', 'confusion')


def _short(name, most=24):
  """A name that fits beside an axis, of characters that XML has."""
  name = ''.join(c if c.isprintable() else ' ' for c in name)
  return name if len(name) <= most else name[: most - 1] + '…'


def _svg(figure, label, kind=''):
  """A figure as an <svg> element for the inside of a page.

  What a file of its own needs is dropped: the DOCTYPE, name spaces and
  metadata, which hold addresses, and a style that would reach the whole page.
  Ids get a prefix, since a page has several charts.
  """
  file = io.StringIO()
  with warnings.catch_warnings():
    # Text is drawn by the browser, which has more fonts.
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
    'class': f'chart {kind}'.strip(),
    'style': f'max-width: {float(width) * 4 / 3:.0f}px',
    'role': 'img',
    'aria-label': label,
  }
  return ET.tostring(root, encoding='unicode')


def _local(name):
  return name.rpartition('}')[2]


def _prefixed(key, value, prefix):
  if key == 'id':
    return prefix + value
  if key == 'href' and value.startswith('#'):
    return '#' + prefix + value[1:]
  return value.replace('url(#', f'url(#{prefix}')
