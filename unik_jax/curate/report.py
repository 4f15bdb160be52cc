"""The page of a curation's report, which opens from disk with no network."""

import pathlib
from html import escape
from typing import Any

from unik_jax.curate import clip_writer, sheet, splitting
from unik_jax.curate.planning import Plan
from unik_jax.report import charts, shell
from unik_jax.report.shell import percent, section
from unik_jax.runtime import atomic_files

PAGE = 'report.html'
SHOWN = 10  # clips on the contact sheet
_LISTED = 200  # of the clips that were dropped
_KINDS = {
  'share': 'a body in too few frames',
  'nobody': 'nobody seen',
  'experts': 'too few experts',
  'frame count': 'experts disagree on the frame count',
  'units': 'experts in different units',
}


def write_page(
  plan: Plan, found: dict[str, Any], splits: dict[str, str]
) -> pathlib.Path:
  """Writes the page, and returns where.

  Args:
    plan: what was made.
    found: of `summary.summarize_records`.
    splits: of each kept video, by its name.
  """
  clips = found['clips']
  title = f'{clips["kept"]:,} clips of {clips["listed"]:,} videos'
  body = ''.join(
    (
      _contact_sheet(plan, splits),
      _histograms(found),
      _experts(found),
      _joints(found),
      _classes(found),
      _dropped(found),
    )
  )
  text = shell.page(title, _header(title, found), body, {})
  with atomic_files.atomic_write(plan.out / PAGE) as part:
    part.write_text(text, encoding='utf-8')
  return plan.out / PAGE


def _header(title, found):
  clips, how = found['clips'], found['settings']
  figures = [('main', clips['kept'], 'clips kept')]
  figures += [
    ('side', clips['dropped'], 'clips dropped'),
    ('side', len(found['classes']), 'classes'),
    ('side', found['frames'], 'frames'),
  ]
  boxes = ''.join(
    f'<div class="{kind}"><strong>{count:,}</strong>{name}</div>\n'
    for kind, count, name in figures
  )
  smoothing = (
    f'Savitzky-Golay over {how["window"]} frames' if how['window'] else 'none'
  )
  facts = [
    ('Experts', ', '.join(expert['name'] for expert in found['experts'])),
    ('Aggregation', how['method'].replace('sst_a', 'SST-A as published')),
    ('Joints', f'{how["layout"]}, up to {how["persons"]} persons'),
    ('Gaps filled', f'up to {how["gap"]} frames'),
    ('Smoothing', smoothing),
    ('Kept', f'with a body in {percent(how["share"], 0)} of frames or more'),
    ('Folder', how['folder']),
  ]
  listed = ''.join(f'<dt>{k}</dt><dd>{escape(v)}</dd>\n' for k, v in facts)
  notes = ''.join(f'<p class="note">{escape(n)}</p>\n' for n in found['notes'])
  return f"""<header><div>
<h1>{escape(title)}</h1>
<div class="headline">
{boxes}</div>
<dl>
{listed}</dl>
{notes}</div></header>"""


def _contact_sheet(plan, splits):
  """Clips by the hash of their names, which no one has chosen."""
  names = sorted(splits, key=splitting.hash_position)[:SHOWN]
  videos = {video.name: n for n, video in enumerate(plan.videos)}
  figures = []
  for name in sorted(names):
    n = videos[name]
    made, notes = clip_writer.refine_video(plan.setup, plan.videos[n])
    key = ''.join(
      f'<i style="background:{sheet.EXPERTS[i % len(sheet.EXPERTS)]}"></i>'
      f'{escape(plan.setup.estimators[e].name)}'
      for i, e in enumerate(notes['experts'])
    )
    label = f'Skeletons of {name} before and after'
    drawn = sheet.strip(made.tracks, made.clip, plan.setup.layout, label)
    figures.append(
      f'<figure>{drawn}<figcaption><b>{escape(plan.classes[n])}</b>'
      f' <span class="quiet">{escape(name)}</span>'
      f'<span class="key">{key}</span></figcaption></figure>'
    )
  return section(
    'Before and after',
    'Above, what the experts see, one colour each; below, what was made of it,'
    ' in eight moments of each clip. The clips are chosen by a hash of their'
    ' names. <span class="key"><i style="background:var(--blue)"></i>left'
    '<i style="background:var(--orange)"></i>right</span>',
    '<br>\n'.join(figures),
  )


def _histograms(found):
  drawn = [
    charts.bars(title, found[key], x=x)
    for title, key, x in (
      ('Clips, kept or not', 'body_share', 'Share of frames with a body'),
      ('Frames', 'frame_confidence', 'exp(-d), d as SST-A has it'),
      ('Joints', 'joint_confidence', 'Confidence of the aggregate'),
    )
  ]
  return section(
    'Confidence',
    'How much of a clip a body is seen in; how well experts agree with the'
    ' aggregate, in shoulder widths; and how sure the joints are.',
    f'<div class="charts">{"".join(f"<div>{c}</div>" for c in drawn)}</div>',
  )


def _experts(found):
  rows = [
    (
      expert['name'],
      expert['videos'],
      (expert['seen'], percent(expert['seen'])),
      (expert['apart'], percent(expert['apart'])),
    )
    for expert in found['experts']
  ]
  return section(
    'Experts',
    'Of the persons in kept clips: in how many of their frames an expert has'
    ' them, and how far its joints are, by the median, from the aggregate, of'
    " which they are part, in shares of the body's size.",
    _table(('Expert', 'Videos', 'Frames seen', 'Apart'), rows),
  )


def _joints(found):
  rows = [
    (
      joint['joint'].replace('_', ' '),
      *(
        (joint[key], percent(joint[key], 2))
        for key in ('before', 'aggregated', 'after')
      ),
    )
    for joint in sorted(found['joints'], key=lambda j: -(j['before'] or 0))
  ]
  return section(
    'Missing joints',
    'In which share of the bodies a joint is missing: by the experts, in the'
    ' aggregate, and after short gaps are filled.',
    _table(('Joint', 'Experts', 'Aggregate', 'Filled'), rows),
  )


def _classes(found):
  keys = [key for key in found['classes'][0] if key != 'class']
  heads = ('Class', *(key.capitalize() for key in keys))
  rows = [
    (row['class'], *(row[key] for key in keys)) for row in found['classes']
  ]
  return section('Classes', 'Clips of each.', _table(heads, rows))


def _dropped(found):
  body = ''
  if found['dropped']:
    kinds = [(_KINDS.get(k, k), count) for k, count in found['dropped'].items()]
    body += _table(('Reason', 'Clips'), kinds)
    some = found['dropped_clips'][:_LISTED]
    rows = [(clip['video'], clip['reason']) for clip in some]
    more = found['clips']['dropped'] - len(some)
    left = f' {more:,} more are in report.json.' if more else ''
    body += f'<h3>Which</h3><p class="lead">{left}</p>'
    body += _table(('Video', 'Why'), rows)
  if bad := found['bad_files']:
    rows = [(item['video'], item['reason']) for item in bad[:_LISTED]]
    body += '<h3>Files left out</h3>' + _table(('Video', 'Why'), rows)
  lead = 'With the reasons.' if body else 'Every clip is kept.'
  return section('Dropped', lead, body)


def _table(heads, rows):
  """A table that sorts; a cell is text, a count, or (value, text)."""
  numbers = [not isinstance(cell, str) for cell in (rows or [heads])[0]]
  top = ''.join(
    f'<th scope="col" class="{"number" if number else ""}"'
    f' data-sort="{"descending" if number else "ascending"}">'
    f'<button type="button">{escape(head)}</button></th>'
    for head, number in zip(heads, numbers, strict=True)
  )
  lines = []
  for row in rows:
    cells = []
    for cell, number in zip(row, numbers, strict=True):
      value, text = cell if isinstance(cell, tuple) else (cell, cell)
      text = f'{text:,}' if isinstance(text, int) else text
      value = '' if value is None else value
      kind = ' class="number"' if number else ''
      cells.append(
        f'<td{kind} data-value="{escape(str(value))}">{escape(text)}</td>'
      )
    lines.append(f'<tr>{"".join(cells)}</tr>')
  return f"""<div class="scroll" tabindex="0"><table>
<thead><tr>{top}</tr></thead>
<tbody>
{chr(10).join(lines)}
</tbody></table></div>"""
