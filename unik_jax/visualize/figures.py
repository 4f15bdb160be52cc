"""The pictures of a run, as files: what `unik_jax.visualize` writes."""

import pathlib
import re
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.special import softmax

from unik_jax.errors import UserError
from unik_jax.run.restore import Run
from unik_jax.visualize import analysis, animation, drawing, projection

_AXES = 'rows: joints taken; columns: joints made of them'


def matrices(
  run: Run,
  folder: pathlib.Path,
  record: dict | None = None,
  *,
  blocks: Sequence[int] = (),
  strongest: int = 10,
) -> Iterator[str]:
  """Dependency matrices before and after training (the paper's Fig. 4 a).

  Args:
    run: the run.
    folder: for dependency_matrices.png and dependency_skeletons.png.
    record: a clip to take a pose of, where no neutral one is known.
    blocks: only these, counted from 1; empty for all.
    strongest: lines on each skeleton.

  Yields:
    The path of each picture, and a note for what could not be drawn.

  Raises:
    UserError: no such block.
  """
  after = analysis.dependencies(run)
  chosen = _choose(blocks, len(after))
  try:
    before, where = analysis.first_dependencies(run)
  except UserError as error:
    before = None
    yield (
      'note: only the matrices after training are drawn; the weights that'
      f' it started from cannot be read any longer ({error})'
    )
  heads = max(len(after[i]) for i in chosen)
  columns = [f'after, head {h + 1}' for h in range(heads)]
  subtitle = f'after {run.step:,} steps'
  if before is not None:
    columns = [f'before, head {h + 1}' for h in range(heads)] + [''] + columns
    subtitle = f'before: {where}; {subtitle}'
  rows = []
  for i in chosen:
    cells = [] if before is None else [*_padded(before[i], heads), None]
    rows.append(drawing.Row(f'block {i + 1}', cells + _padded(after[i], heads)))
  title = 'Dependency matrices'
  path = folder / 'dependency_matrices.png'
  figure = drawing.matrices(
    rows, columns, run.network_layout, title, f'{subtitle}; {_AXES}'
  )
  drawing.save(figure, path)
  yield str(path)
  pose = projection.standing(run.network_layout)
  if pose is None and record is None:
    yield (
      'note: no lines on skeletons, for want of a pose of layout'
      f' {run.network_layout.name!r}; with --what=matrices,attention it is'
      " the clip's"
    )
    return
  if pose is None:
    pose = clip_pose(run, record)
  path = folder / 'dependency_skeletons.png'
  figure = drawing.skeletons(
    rows,
    columns,
    run.network_layout,
    title,
    f'{subtitle}; the {strongest} largest between joints',
    pose,
    strongest=strongest,
  )
  drawing.save(figure, path)
  yield str(path)


def attention(
  run: Run,
  folder: pathlib.Path,
  record: dict,
  *,
  blocks: Sequence[int] = (),
  strongest: int = 10,
) -> Iterator[str]:
  """Attention maps of a clip (the paper's Fig. 4 b).

  Args:
    run: the run.
    folder: for CLIP_attention_matrices.png and CLIP_attention_skeletons.png.
    record: the clip, of `inside.pick`.
    blocks: only these, counted from 1; empty for all.
    strongest: lines on each skeleton.

  Yields:
    The path of each picture.

  Raises:
    UserError: no such block, or no attention in this network.
  """
  maps = analysis.attention(run, record)
  chosen = _choose(blocks, len(maps))
  heads = max(len(maps[i]) for i in chosen)
  rows = [
    drawing.Row(f'block {i + 1}', _padded(maps[i], heads)) for i in chosen
  ]
  columns = [f'head {h + 1}' for h in range(heads)]
  title = 'Attention maps'
  subtitle = f'{_id(record)}, {_class(run, record["label"])}'
  stem = folder / f'{_stem(record)}_attention'
  path = stem.with_name(stem.name + '_matrices.png')
  figure = drawing.matrices(
    rows, columns, run.network_layout, title, f'{subtitle}; {_AXES}'
  )
  drawing.save(figure, path)
  yield str(path)
  path = stem.with_name(stem.name + '_skeletons.png')
  figure = drawing.skeletons(
    rows,
    columns,
    run.network_layout,
    title,
    f'{subtitle}; the {strongest} largest between joints',
    clip_pose(run, record),
    strongest=strongest,
  )
  drawing.save(figure, path)
  yield str(path)


def clip(
  run: Run,
  folder: pathlib.Path,
  record: dict,
  *,
  method: str = 'gradient',
  windows: int = 1,
  video: str = 'gif',
) -> Iterator[str]:
  """A clip that moves, joints coloured by their importance to the answer.

  Args:
    run: the run.
    folder: for CLIP_METHOD.gif or .mp4.
    record: the clip, of `inside.pick`.
    method: of `inside.METHODS`.
    windows: of time, for occlusion.
    video: gif or mp4.

  Yields:
    The path, with the answer.

  Raises:
    UserError: no such method, or no ffmpeg for an .mp4.
  """
  path = folder / f'{_stem(record)}_{method}.{video}'
  found = analysis.explain(run, record, method, windows=windows)
  probabilities = softmax(np.float64(found.logits))
  answer = int(probabilities.argmax())
  sure = f'{_class(run, answer)} ({probabilities[answer]:.1%})'
  true = _class(run, record['label'])
  frames = animation.clip(
    path,
    projection.to_screen(found.poses, found.layout),
    found.importance,
    found.layout,
    title=f'Answer: {sure}',
    subtitle=f'True class: {true}',
    meaning={
      'gradient': '|gradient × input|, mean over the clip',
      'occlusion': 'fall of the probability without it, up to'
      f' {found.importance.max():.0%}',
    }[method],
  )
  yield f'{path}: {frames} frames; {true}, answered {sure}'


def clip_pose(run: Run, record: dict) -> np.ndarray:
  """The clearest pose (V, 2) of a clip, as drawn."""
  points = analysis.poses(analysis.one_view(run.config.data), record)
  return projection.clearest(projection.to_screen(points, run.network_layout))


def _choose(blocks, count):
  for block in blocks:
    if not 1 <= block <= count:
      raise UserError(f'no block {block}; the network has 1 to {count}')
  return [block - 1 for block in blocks] or range(count)


def _padded(heads, count):
  """As many cells as other blocks have heads."""
  return [*np.asarray(heads), *[None] * (count - len(heads))]


def _class(run, label):
  return run.classes[label].replace('_', ' ')


def _stem(record):
  """A clip's id, fit for the name of a file."""
  return re.sub(r'[^\w.-]+', '_', _id(record))


def _id(record):
  return record['id'].decode()
