"""What the records of all videos come to, as report.json has it."""

import collections
import pathlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from unik_jax.curate import refinement
from unik_jax.curate.planning import Plan

_SUMS = (
  'bodies',
  'expert_bodies',
  'missing_before',
  'missing_made',
  'missing_after',
  'joint_confidence',
  'frame_confidence',
)


def tally(
  plan: Plan,
  records: Iterable[tuple[int, dict[str, Any]]],
  splits: dict[str, str],
) -> dict[str, Any]:
  """All figures of the report; of the records, one is looked at at a time.

  Args:
    plan: what was to be made.
    records: of `making.records`.
    splits: of each kept video, by its name.

  Returns:
    `clips`, `frames`, `dropped` (how many by kind), `dropped_clips` (with
    reasons), `bad_files`, `classes`, `joints`, `experts`, and histograms of
    `refining.BINS` bins from 0 to 1: `body_share` of clips kept or not,
    `joint_confidence`, `frame_confidence`.
  """
  experts = plan.work.experts
  sums = dict.fromkeys(_SUMS, 0)
  kinds, persons = collections.Counter(), collections.Counter()
  of_class = collections.defaultdict(collections.Counter)
  shares = np.zeros(refinement.BINS, int)
  dropped, bad, frames = [], [], 0
  seen = [[] for _ in experts]
  shifts = [collections.Counter() for _ in experts]
  clips = np.zeros(len(experts), int)
  for n, record in records:
    video = plan.videos[n]
    bad += [{'video': video.name, 'reason': reason} for reason in record['bad']]
    clips[record['experts']] += 1
    if record.get('share') is not None:
      at = min(int(record['share'] * refinement.BINS), refinement.BINS - 1)
      shares[at] += 1
    if 'reason' in record:
      kinds[record['kind']] += 1
      of_class[plan.classes[n]]['dropped'] += 1
      dropped.append({k: record[k] for k in ('video', 'kind', 'reason')})
      continue
    of_class[plan.classes[n]][splits[video.name]] += 1
    persons[record['persons']] += 1
    frames += record['frames']
    for key in _SUMS:
      sums[key] = sums[key] + np.asarray(record[key])
    for expert, share, apart, shift in zip(
      *(record[key] for key in ('experts', 'seen', 'apart', 'shift')),
      strict=True,
    ):
      seen[expert].append((share, apart))
      shifts[expert][shift] += 1
  kept = sum(persons.values())
  return {
    'clips': {
      'listed': len(plan.videos),
      'label_left_out': sum(name is None for name in plan.classes),
      'dropped': len(dropped),
      'kept': kept,
    },
    'persons': {str(k): persons[k] for k in sorted(persons)},
    'frames': frames,
    'dropped': dict(kinds.most_common()),
    'classes': [
      {'class': name} | {k: of_class[name][k] for k in _counted(of_class)}
      for name in sorted(of_class)
    ],
    'experts': [
      {
        'name': expert.name,
        'folder': expert.folder,
        'videos': int(clips[n]),
        'seen': _mean(share for share, _ in seen[n]),
        'apart': _mean(apart for _, apart in seen[n]),
      }
      for n, expert in enumerate(experts)
    ],
    'joints': [
      {
        'joint': joint,
        'before': _part(sums['missing_before'], v, sums['expert_bodies']),
        'aggregated': _part(sums['missing_made'], v, sums['bodies']),
        'after': _part(sums['missing_after'], v, sums['bodies']),
      }
      for v, joint in enumerate(plan.work.layout.joints)
    ],
    'body_share': shares.tolist(),
    'joint_confidence': np.asarray(sums['joint_confidence']).tolist(),
    'frame_confidence': np.asarray(sums['frame_confidence']).tolist(),
    'settings': settings(plan),
    'notes': [*plan.notes, *_out_of_step(experts, shifts)],
    'dropped_clips': dropped,
    'bad_files': bad,
  }


def _out_of_step(experts, shifts):
  """A note on the expert who is a frame late or early in most clips."""
  times, n, shift = max(
    (count[shift], n, shift)
    for n, count in enumerate(shifts)
    for shift in (1, -1)
  )
  if times <= 0.5 * shifts[n].total() or len(experts) < 2:
    return []
  return [
    f'{experts[n].folder}: a frame {"late" if shift > 0 else "early"} against'
    f' the others, it seems, in {times:,} of {shifts[n].total():,} clips; see'
    " that all count frames from the same number (for AlphaPose's,"
    ' --first_frame)'
  ]


def settings(plan: Plan) -> dict[str, Any]:
  """How it was made."""
  options = plan.work.options
  return {
    'folder': str(pathlib.Path(plan.out).resolve()),
    'layout': plan.work.layout.name,
    'method': options.method,
    'persons': options.persons,
    'share': options.share,
    'gap': options.gap,
    'window': options.window,
    'least_experts': options.least,
    'test': plan.test,
    'val': plan.val,
  }


def _counted(of_class):
  names = ['train', 'val', 'test', 'dropped']
  if not any(counts['val'] for counts in of_class.values()):
    names.remove('val')
  return names


def _mean(values):
  values = list(values)
  return round(float(np.mean(values)), 5) if values else None


def _part(counts, joint, whole):
  """Of a joint's frames, the share that is missing."""
  if not np.any(whole):
    return None
  return round(float(counts[joint] / whole), 5)
