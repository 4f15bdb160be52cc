"""The report of a curation: one HTML page that works offline."""

import pathlib
from typing import Any

from unik_jax.curate import clip_writer, contact_sheet, splitting
from unik_jax.curate.planning import Plan
from unik_jax.html import charts, pages
from unik_jax.html.pages import Column, Figure
from unik_jax.runtime.atomic_files import atomic_write

PAGE = 'report.html'
SHOWN = 10  # clips on the contact sheet
_MAX_LISTED = 200  # rows of dropped clips, and of skipped files
_REASONS = {
  'share': 'a body in too few frames',
  'nobody': 'no body',
  'experts': 'too few estimators',
  'frame count': 'estimators differ in the number of frames',
  'units': 'estimators in different units',
}
# Each histogram: title, key in the summary, horizontal axis.
_HISTOGRAMS = (
  ('Clips, kept or not', 'body_share', 'Share of frames with a body'),
  ('Frames', 'frame_confidence', 'Agreement, exp(-distance)'),
  ('Joints', 'joint_confidence', 'Confidence of the aggregate'),
)

# The columns of a sortable table, and its rows of cells.
Table = tuple[list[Column], list[list[pages.Cell]]]


def write_page(
  plan: Plan, summary: dict[str, Any], splits: dict[str, str]
) -> pathlib.Path:
  """Writes the page.

  Args:
    plan: what was curated.
    summary: figures from `summary.summarize_records`.
    splits: split of each kept video by name.

  Returns:
    The page's path.
  """
  clips = summary['clips']
  dropped = summary['dropped_clips'][:_MAX_LISTED]
  html = pages.render_page(
    'unik_jax.curate',
    'curation.html',
    title=f'{clips["kept"]:,} clips of {clips["listed"]:,} videos',
    figures=[
      Figure(f'{count:,}', name)
      for count, name in (
        (clips['kept'], 'clips kept'),
        (clips['dropped'], 'clips dropped'),
        (len(summary['classes']), 'classes'),
        (summary['frames'], 'frames'),
      )
    ],
    facts=_facts(summary),
    notes=summary['notes'],
    sheet=_contact_sheet(plan, splits),
    histograms=[
      charts.draw_histogram(title, summary[key], x=x)
      for title, key, x in _HISTOGRAMS
    ],
    estimators=_estimators(summary),
    joints=_joints(summary),
    classes=_classes(summary),
    dropped_kinds=_dropped_kinds(summary),
    dropped_clips=_text_table(
      ('Video', 'Why'), [(clip['video'], clip['reason']) for clip in dropped]
    ),
    unlisted=clips['dropped'] - len(dropped),
    bad_files=_text_table(
      ('Video', 'Why'),
      [(f['video'], f['reason']) for f in summary['bad_files'][:_MAX_LISTED]],
    ),
  )
  path = plan.out / PAGE
  with atomic_write(path) as part:
    part.write_text(html, encoding='utf-8')
  return path


def _facts(summary):
  """Returns the settings of the curation, as (name, value)."""
  settings = summary['settings']
  window, share = settings['window'], settings['share']
  return [
    ('Estimators', ', '.join(row['name'] for row in summary['experts'])),
    (
      'Aggregation',
      settings['method'].replace('sst_a', 'SST-A as published'),
    ),
    ('Joints', f'{settings["layout"]}, up to {settings["persons"]} persons'),
    ('Gaps filled', f'up to {settings["gap"]} frames'),
    ('Smoothing', f'Savitzky-Golay over {window} frames' if window else 'none'),
    (
      'Kept',
      f'with a body in {pages.format_percent(share, 0)} of frames or more',
    ),
    ('Folder', settings['folder']),
  ]


def _contact_sheet(plan, splits):
  """Returns the clips on the contact sheet, chosen by a hash of their names."""
  names = sorted(splits, key=splitting.hash_position)[:SHOWN]
  videos = {video.name: n for n, video in enumerate(plan.videos)}
  colors = contact_sheet.ESTIMATOR_COLORS
  clips = []
  for name in sorted(names):
    n = videos[name]
    refined, notes = clip_writer.refine_video(plan.setup, plan.videos[n])
    clips.append(
      {
        'name': name,
        'label': plan.classes[n],
        'svg': contact_sheet.draw_strip(
          refined.tracks,
          refined.clip,
          plan.setup.layout,
          f'Skeletons of {name} before and after',
        ),
        'key': [
          (colors[i % len(colors)], plan.setup.estimators[e].name)
          for i, e in enumerate(notes['experts'])
        ],
      }
    )
  return clips


def _estimators(summary) -> Table:
  columns = [Column('Estimator', 'heading')] + [
    Column(name, 'number', 'descending')
    for name in ('Videos', 'Frames with a detection', 'Distance from aggregate')
  ]
  return columns, [
    [
      pages.text_cell(row['name']),
      pages.count_cell(row['videos']),
      pages.percent_cell(row['seen']),
      pages.percent_cell(row['apart']),
    ]
    for row in summary['experts']
  ]


def _joints(summary) -> Table:
  """Returns the share of bodies that lack a joint, the highest first."""
  columns = [Column('Joint', 'heading')] + [
    Column(name, 'number', 'descending')
    for name in ('Estimators', 'Aggregate', 'Filled')
  ]
  return columns, [
    [
      pages.text_cell(row['joint'].replace('_', ' ')),
      *(
        pages.percent_cell(row[key], 2)
        for key in ('before', 'aggregated', 'after')
      ),
    ]
    for row in sorted(summary['joints'], key=lambda j: -(j['before'] or 0))
  ]


def _classes(summary) -> Table:
  keys = [key for key in summary['classes'][0] if key != 'class']
  columns = [Column('Class', 'heading')] + [
    Column(key.capitalize(), 'number', 'descending') for key in keys
  ]
  return columns, [
    [pages.text_cell(row['class']), *(pages.count_cell(row[k]) for k in keys)]
    for row in summary['classes']
  ]


def _dropped_kinds(summary) -> Table:
  return [
    Column('Reason', 'heading'),
    Column('Clips', 'number', 'descending'),
  ], [
    [pages.text_cell(_REASONS.get(kind, kind)), pages.count_cell(count)]
    for kind, count in summary['dropped'].items()
  ]


def _text_table(names, rows) -> Table | None:
  """Returns a table of text, or None without rows."""
  if not rows:
    return None
  first, *others = names
  columns = [Column(first, 'heading'), *map(Column, others)]
  return columns, [[pages.text_cell(text) for text in row] for row in rows]
