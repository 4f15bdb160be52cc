"""Summary of all records: the figures of report.json."""

import collections
import pathlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from unik_jax.curate.planning import Plan
from unik_jax.curate.refinement import BINS

# Figures of a record that are summed over clips.
_SUMS = (
  'bodies',
  'expert_bodies',
  'missing_before',
  'missing_made',
  'missing_after',
  'joint_confidence',
  'frame_confidence',
)


def summarize_records(
  plan: Plan,
  records: Iterable[tuple[int, dict[str, Any]]],
  splits: dict[str, str],
) -> dict[str, Any]:
  """Returns all figures of the report; holds one record at a time.

  Args:
    plan: what was built.
    records: from `records.read_records`.
    splits: split of each kept video, by name.

  Returns:
    `clips`, `persons`, `frames`: counts.
    `dropped`, `dropped_clips`: counts by kind, and each clip with its reason.
    `bad_files`: skipped files with their errors.
    `classes`, `experts`, `joints`: tables, one row each.
    `body_share`: histogram of `BINS` bins from 0 to 1 over all clips, of the
      share of frames with a body.
    `joint_confidence`, `frame_confidence`: histograms over kept clips.
    `settings`, `notes`.
  """
  estimators = plan.setup.estimators
  sums = dict.fromkeys(_SUMS, 0)
  kinds, persons = collections.Counter(), collections.Counter()
  class_counts = collections.defaultdict(collections.Counter)
  body_shares = np.zeros(BINS, int)
  dropped, bad, frames = [], [], 0
  # For each estimator: its (seen, apart) and shift in each kept clip.
  quality: list[list[tuple]] = [[] for _ in estimators]
  shifts = [collections.Counter() for _ in estimators]
  video_counts = np.zeros(len(estimators), int)
  for n, record in records:
    video = plan.videos[n]
    bad += [{'video': video.name, 'reason': reason} for reason in record['bad']]
    video_counts[record['experts']] += 1
    if record.get('share') is not None:
      body_shares[min(int(record['share'] * BINS), BINS - 1)] += 1
    if 'reason' in record:
      kinds[record['kind']] += 1
      class_counts[plan.classes[n]]['dropped'] += 1
      dropped.append({k: record[k] for k in ('video', 'kind', 'reason')})
      continue
    class_counts[plan.classes[n]][splits[video.name]] += 1
    persons[record['persons']] += 1
    frames += record['frames']
    for key in _SUMS:
      sums[key] = sums[key] + np.asarray(record[key])
    for estimator, seen, apart, shift in zip(
      *(record[key] for key in ('experts', 'seen', 'apart', 'shift')),
      strict=True,
    ):
      quality[estimator].append((seen, apart))
      shifts[estimator][shift] += 1
  return {
    'clips': {
      'listed': len(plan.videos),
      'label_left_out': sum(name is None for name in plan.classes),
      'dropped': len(dropped),
      'kept': sum(persons.values()),
    },
    'persons': {str(k): persons[k] for k in sorted(persons)},
    'frames': frames,
    'dropped': dict(kinds.most_common()),
    'classes': _class_rows(class_counts),
    'experts': [
      {
        'name': estimator.name,
        'folder': estimator.folder,
        'videos': int(video_counts[n]),
        'seen': _mean(seen for seen, _ in quality[n]),
        'apart': _mean(apart for _, apart in quality[n]),
      }
      for n, estimator in enumerate(estimators)
    ],
    'joints': [
      {
        'joint': joint,
        'before': _share(sums['missing_before'], v, sums['expert_bodies']),
        'aggregated': _share(sums['missing_made'], v, sums['bodies']),
        'after': _share(sums['missing_after'], v, sums['bodies']),
      }
      for v, joint in enumerate(plan.setup.layout.joints)
    ],
    'body_share': body_shares.tolist(),
    'joint_confidence': np.asarray(sums['joint_confidence']).tolist(),
    'frame_confidence': np.asarray(sums['frame_confidence']).tolist(),
    'settings': _settings(plan),
    'notes': [*plan.notes, *_shift_notes(estimators, shifts)],
    'dropped_clips': dropped,
    'bad_files': bad,
  }


def _class_rows(class_counts):
  """Returns one row for each class; no column val without validation clips."""
  columns = ['train', 'val', 'test', 'dropped']
  if not any(counts['val'] for counts in class_counts.values()):
    columns.remove('val')
  return [
    {'class': name} | {column: class_counts[name][column] for column in columns}
    for name in sorted(class_counts)
  ]


def _shift_notes(estimators, shifts):
  """Returns a note if an estimator is a frame late or early in most clips.

  If estimator A is late, B and C seem early against the aggregate: only the one
  with most shifted clips is named.
  """
  count, n, shift = max(
    (counts[shift], n, shift)
    for n, counts in enumerate(shifts)
    for shift in (1, -1)
  )
  clips = shifts[n].total()
  if count <= 0.5 * clips or len(estimators) < 2:
    return []
  return [
    f'{estimators[n].folder}: seems a frame {"late" if shift > 0 else "early"}'
    f' against the other estimators in {count:,} of {clips:,} clips. Check that'
    ' all number frames from the same start (for AlphaPose: --first_frame)'
  ]


def _settings(plan):
  options = plan.setup.options
  return {
    'folder': str(pathlib.Path(plan.out).resolve()),
    'layout': plan.setup.layout.name,
    'method': options.method,
    'persons': options.persons,
    'share': options.min_share,
    'gap': options.gap,
    'window': options.window,
    'least_experts': options.min_estimators,
    'test': plan.test,
    'val': plan.val,
  }


def _mean(values):
  values = list(values)
  return round(float(np.mean(values)), 5) if values else None


def _share(missing, joint, bodies):
  """Returns the share of bodies in which a joint is missing, None of 0."""
  if not np.any(bodies):
    return None
  return round(float(missing[joint] / bodies), 5)
