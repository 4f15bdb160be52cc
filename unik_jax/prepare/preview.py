"""A page of some clips of each class, to check a dataset by eye.

A wrong layout shows as bones across the body, swapped sides as colours that do
not match, wrong axes as bodies that lie, and wrong units as sizes that nobody
has.

Shape legend: M persons, T frames, V joints, C channels, D coordinates.
"""

import collections
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds
from markupsafe import Markup

from unik_jax.html import pages, strips
from unik_jax.skeletons import layouts, projection
from unik_jax.skeletons.body import body_diagonals, bounding_box

CLIPS = 3  # per class
_MOMENTS = 8  # per clip
_CELL, _MARGIN = 120, 8  # pixels
_MAX_READ = 5000  # records of a split; a class that is rarer has fewer clips


class _Sample(NamedTuple):
  """A clip of the page: id, split, and (M, T, V, D) coordinates."""

  id: str
  split: str
  points: np.ndarray


def render_preview(builder: tfds.core.DatasetBuilder) -> str:
  """Returns the page of a prepared dataset, from `registry.open_prepared`.

  Its clips are drawn at random, the same every time, from training first.
  """
  info = builder.info
  layout = layouts.get_layout(info.metadata['layout'])
  samples = _draw_samples(builder)
  names = info.features['label'].names
  everything = [sample for group in samples.values() for sample in group]
  persons, _, _, channels = info.features['keypoints'].shape
  splits = ', '.join(
    f'{name} {split.num_examples:,}' for name, split in info.splits.items()
  )
  facts = [
    ('Layout', layout.name),
    ('Joints', ', '.join(layout.joints)),
    ('Units', info.metadata['units']),
    ('Channels', _describe_channels(channels, info.metadata['confidence'])),
    ('Persons', f'at most {persons}'),
    ('Clips', splits),
    *_measure(everything, layout),
  ]
  groups = [
    {
      'name': name,
      'clips': [
        {
          'id': sample.id,
          'split': sample.split,
          'frames': sample.points.shape[1],
          'svg': _draw_clip(sample, layout),
        }
        for sample in samples.get(label, [])
      ],
    }
    for label, name in enumerate(names)
  ]
  total = sum(split.num_examples for split in info.splits.values())
  return pages.render_page(
    'unik_jax.prepare',
    'preview.html',
    title=f'Preview of {info.full_name}',
    figures=[
      pages.Figure(f'{total:,}', 'clips'),
      pages.Figure(f'{len(names)}', 'classes'),
      pages.Figure(f'{layout.num_joints}', 'joints', layout.name),
    ],
    facts=facts,
    notes=[],
    groups=groups,
    moments=_MOMENTS,
  )


def _draw_samples(builder):
  """Returns {label: samples}, at most CLIPS each."""
  info, rng = builder.info, np.random.default_rng(0)
  samples = collections.defaultdict(list)
  labels = len(info.features['label'].names)
  coordinates = info.features['keypoints'].shape[-1]
  coordinates -= bool(info.metadata['confidence'])
  seen = set()
  for split in sorted(info.splits, key=lambda name: 'train' not in name):
    source = builder.as_data_source(split)
    for row in rng.permutation(len(source))[:_MAX_READ]:
      record: dict[str, Any] = source[int(row)]
      name, group = record['id'].decode(), samples[int(record['label'])]
      if len(group) < CLIPS and name not in seen:
        points = record['keypoints'][..., :coordinates]
        group.append(_Sample(name, split, points))
        seen.add(name)
      if len(samples) == labels and min(map(len, samples.values())) == CLIPS:
        return samples
  return samples


def _describe_channels(channels, confidence):
  names = 'x y z'.split()[: channels - bool(confidence)]
  return ' '.join(names + ['confidence'] * bool(confidence))


def _measure(samples, layout):
  """Returns facts about the coordinates of all samples."""
  present = [s.points[s.points.any(-1)] for s in samples]
  values = np.concatenate(present)
  facts = [
    (
      f'{axis}',
      f'{low:.4g} to {high:.4g} (98% of the present joints)',
    )
    for axis, (low, high) in zip(
      'xyz', np.percentile(values, [1, 99], axis=0).T, strict=False
    )
  ]
  sizes = np.concatenate([_body_sizes(s.points) for s in samples])
  facts.append(
    ('Body', f'{np.median(sizes):.4g} across (median diagonal of its box)')
  )
  joints = [
    s.points.any(-1)[s.points.any((2, 3))].mean(0)
    for s in samples
    if s.points.any()
  ]
  rates = np.mean(joints, 0)
  worst = int(np.argmin(rates))
  facts.append(
    (
      'Missing',
      f'{1 - rates.mean():.1%} of the joints of present persons; most often'
      f' {layout.joints[worst]} ({1 - rates[worst]:.1%})',
    )
  )
  if values.shape[1] == 3:
    found = collections.Counter(
      projection.name_up_axis(s.points, layout) for s in samples
    )
    axes = ', '.join(f'{axis} in {n} clips' for axis, n in found.most_common())
    facts.append(('Up', f'{axes}, by the trunk'))
  return facts


def _body_sizes(points):
  """Returns the size of each person in each frame with one."""
  seen = points.any(-1, keepdims=True)
  sizes = body_diagonals(np.where(seen, points, np.nan))
  return sizes[sizes > 0]


def _draw_clip(sample, layout):
  """Returns a clip as an SVG: moments from its first to its last body."""
  clip = sample.points
  moments = np.flatnonzero(clip.any((0, 2, 3)))
  if not len(moments):
    return Markup()
  places = np.linspace(0, len(moments) - 1, _MOMENTS).round().astype(int)
  points = projection.project_poses(clip, layout)[:, moments[places]] * [1, -1]
  boxes = np.stack(bounding_box(points, (0, 2)))  # (2, T, 2)
  # One scale for the whole clip, so that growing bodies show.
  size = float(np.nanmax(boxes[1] - boxes[0])) or 1
  scale = (_CELL - 2 * _MARGIN) / size
  points = (points - boxes.mean(0)[:, None]) * scale + _CELL / 2
  row = [
    strips.draw_sides(points[:, t], layout.bone_indices, layout.sides)
    for t in range(_MOMENTS)
  ]
  return strips.render_strip([row], f'{sample.id}, {_MOMENTS} moments', _CELL)
