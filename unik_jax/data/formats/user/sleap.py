"""SLEAP's analysis files: tracks of animals in HDF5.

Pereira et al., Nature Methods 2022. `tracks` has x and y of each node, track
and frame, NaN where it is missing; `node_names`, `edge_inds` and `point_scores`
are beside it. The axes are in the order of MATLAB, or in that of the attribute
`dims`, which sleap-io writes.
"""

import json
from typing import Any

import numpy as np

from unik_jax.data.formats.user.keypoints import NobodySeenError, ParsedClip
from unik_jax.data.formats.user.named_points import register_points
from unik_jax.data.formats.user.tracking import track_persons
from unik_jax.errors import UserError

_DIMS = ('track', 'xy', 'node', 'frame')


def is_sleap(names: set[str]) -> bool:
  """Returns whether the names at the top of an HDF5 file are SLEAP's."""
  return {'tracks', 'node_names'} <= names


def parse_sleap(file: Any, where: str, persons: int = 2) -> ParsedClip:
  """Returns the clip of an analysis file.

  Tracks that continue one another are joined, as those of persons are
  (`track_persons`). A point of a user's label, which has no score, gets 1.

  Args:
    file: an `hdf5.File`.
    where: its path, for errors.
    persons: maximum number of animals.

  Returns:
    (M, T, V, 3): x and y in pixels, and the score; without scores (M, T, V, 2).

  Raises:
    UserError: an array is missing or has another shape, or nothing is seen.
  """
  nodes = [name.decode('utf-8', 'replace') for name in file.texts('node_names')]
  points = _order(file, 'tracks', _DIMS, ('track', 'frame', 'node', 'xy'))
  if points.shape[2:] != (len(nodes), 2):
    raise UserError(
      f'{where}, tracks: expected x and y of {len(nodes)} nodes, got shape'
      f' {points.shape} (track, frame, node, xy)'
    )
  bodies = points
  has_scores = 'point_scores' in file.names
  if has_scores:
    dims = [name for name in _DIMS if name != 'xy']
    scores = _order(file, 'point_scores', dims, ('track', 'frame', 'node'))
    if scores.shape != points.shape[:-1]:
      raise UserError(
        f'{where}, point_scores: expected shape {points.shape[:-1]} (track,'
        f' frame, node), got {scores.shape}'
      )
    scores = np.where(np.isnan(scores), 1, scores)
    bodies = np.concatenate([points, scores[..., None]], -1)
  tracks, frames = np.nonzero(np.isfinite(points).any((2, 3)))
  if not len(tracks):
    raise NobodySeenError.in_file(where, points.shape[1])
  edges = []
  if 'edge_inds' in file.names:
    edges = np.reshape(file.numbers('edge_inds'), (-1, 2)).astype(int).tolist()
  clip = track_persons(
    bodies[tracks, frames],
    frames,
    list(map(str, tracks)),
    length=points.shape[1],
    persons=persons,
    confidence=has_scores,
  )
  layout = register_points(nodes, [tuple(edge) for edge in edges], where)
  return ParsedClip(clip, has_scores, layout.name, 'pixels')


def _order(file, name, dims, wanted):
  """Returns an array with its axes in the wanted order."""
  array = file.numbers(name)
  stated = file.attribute(name, 'dims')
  if stated:
    try:
      dims = json.loads(stated)
    except ValueError:
      dims = []
  if sorted(dims) != sorted(wanted) or array.ndim != len(wanted):
    raise UserError(
      f'{file.where}, {name}: expected axes {", ".join(wanted)} in any order,'
      f' got {stated or ", ".join(dims)} for shape {array.shape}'
    )
  return array.transpose([list(dims).index(axis) for axis in wanted])
