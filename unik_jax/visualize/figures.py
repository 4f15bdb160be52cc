"""The files that `python -m unik_jax.visualize` writes."""

import pathlib
import re
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.special import softmax

from unik_jax.errors import UserError
from unik_jax.run.restore import Run
from unik_jax.skeletons import projection
from unik_jax.visualize import analysis, animation, drawing, importance, poses

_AXES = 'rows: input joints; columns: output joints'


def write_dependencies(
  run: Run,
  folder: pathlib.Path,
  record: dict | None = None,
  *,
  blocks: Sequence[int] = (),
  strongest: int = 10,
) -> Iterator[str]:
  """Writes dependency matrices before and after training (paper's Fig. 4 a).

  Args:
    run: the run.
    folder: output folder of dependency_matrices.png and
      dependency_skeletons.png.
    record: a clip whose pose is drawn if the layout has no neutral pose.
    blocks: numbers from 1; empty for all blocks.
    strongest: number of lines on each skeleton.

  Yields:
    The path of each picture, and a note for what could not be drawn.

  Raises:
    UserError: the block does not exist.
  """
  after = analysis.get_dependencies(run)
  block_indices = _select_blocks(blocks, len(after))
  try:
    before, origin = analysis.restore_first_dependencies(run)
  except UserError as error:
    before, origin = None, ''
    yield (
      'note: only the matrices after training are drawn; the weights that the'
      f' run started from cannot be read ({error})'
    )
  heads = max(len(after[i]) for i in block_indices)
  columns = [f'after, head {h + 1}' for h in range(heads)]
  subtitle = f'after {run.step:,} steps'
  if before is not None:
    columns = [f'before, head {h + 1}' for h in range(heads)] + [''] + columns
    subtitle = f'before: {origin}; {subtitle}'
  rows = []
  for i in block_indices:
    cells = _pad_heads(after[i], heads)
    if before is not None:
      cells = [*_pad_heads(before[i], heads), None, *cells]
    rows.append(drawing.Row(f'block {i + 1}', cells))
  pose = poses.make_standing_pose(run.network_layout)
  if pose is None and record is not None:
    pose = _clip_pose(run, record)
  yield from _write_pictures(
    rows,
    columns,
    run,
    folder / 'dependency',
    title='Dependency matrices',
    subtitle=subtitle,
    pose=pose,
    strongest=strongest,
  )
  if pose is None:
    yield (
      'note: no lines on skeletons are drawn, since there is no neutral pose of'
      f' layout {run.network_layout.name!r}. --what=matrices,attention uses a'
      ' pose of the clip'
    )


def write_attention(
  run: Run,
  folder: pathlib.Path,
  record: dict,
  *,
  blocks: Sequence[int] = (),
  strongest: int = 10,
) -> Iterator[str]:
  """Writes attention maps of a clip (paper's Fig. 4 b).

  Args:
    run: the run.
    folder: output folder of CLIP_attention_matrices.png and
      CLIP_attention_skeletons.png.
    record: the clip, from `analysis.select_clip`.
    blocks: numbers from 1; empty for all blocks.
    strongest: number of lines on each skeleton.

  Yields:
    The path of each picture.

  Raises:
    UserError: the block does not exist, or the network has no attention.
  """
  maps = analysis.compute_attention(run, record)
  block_indices = _select_blocks(blocks, len(maps))
  heads = max(len(maps[i]) for i in block_indices)
  yield from _write_pictures(
    [
      drawing.Row(f'block {i + 1}', _pad_heads(maps[i], heads))
      for i in block_indices
    ],
    [f'head {h + 1}' for h in range(heads)],
    run,
    folder / f'{_file_stem(record)}_attention',
    title='Attention maps',
    subtitle=f'{_clip_id(record)}, {_class_name(run, record["label"])}',
    pose=_clip_pose(run, record),
    strongest=strongest,
  )


def write_clip(
  run: Run,
  folder: pathlib.Path,
  record: dict,
  *,
  method: str = 'gradient',
  windows: int = 1,
  video: str = 'gif',
) -> Iterator[str]:
  """Writes an animated clip, joints coloured by importance for the prediction.

  Args:
    run: the run.
    folder: output folder of CLIP_METHOD.gif or .mp4.
    record: the clip, from `analysis.select_clip`.
    method: one of `importance.METHODS`.
    windows: number of stretches of time, for occlusion.
    video: 'gif' or 'mp4'.

  Yields:
    The path with the number of frames, the true class and the prediction.

  Raises:
    UserError: the method is unknown, or .mp4 is chosen and ffmpeg is missing.
  """
  path = folder / f'{_file_stem(record)}_{method}.{video}'
  explanation = importance.explain_prediction(
    run, record, method, windows=windows
  )
  probabilities = softmax(np.float64(explanation.logits))
  prediction = int(probabilities.argmax())
  predicted = (
    f'{_class_name(run, prediction)} ({probabilities[prediction]:.1%})'
  )
  truth = _class_name(run, record['label'])
  frames = animation.write_clip(
    path,
    projection.project_poses(explanation.poses, explanation.layout),
    explanation.importance,
    explanation.layout,
    title=f'Prediction: {predicted}',
    subtitle=f'True class: {truth}',
    meaning={
      'gradient': '|gradient × input|, mean over the clip',
      'occlusion': 'fall of the probability without it, up to'
      f' {explanation.importance.max():.0%}',
    }[method],
  )
  yield f'{path}: {frames} frames; {truth}, predicted {predicted}'


def _write_pictures(
  rows, columns, run, stem, *, title, subtitle, pose, strongest
):
  """Writes STEM_matrices.png and, if there is a pose, STEM_skeletons.png."""
  path = stem.with_name(stem.name + '_matrices.png')
  figure = drawing.draw_matrices(
    rows, columns, run.network_layout, title, f'{subtitle}; {_AXES}'
  )
  drawing.save_figure(figure, path)
  yield str(path)
  if pose is None:
    return
  path = stem.with_name(stem.name + '_skeletons.png')
  figure = drawing.draw_skeletons(
    rows,
    columns,
    run.network_layout,
    title,
    f'{subtitle}; the {strongest} largest between joints',
    pose,
    strongest=strongest,
  )
  drawing.save_figure(figure, path)
  yield str(path)


def _clip_pose(run, record):
  """Returns the clearest pose (V, 2) of a clip, as drawn."""
  data = analysis.use_one_view(run.config.data)
  points = analysis.sample_poses(data, record)
  return poses.select_clearest_pose(
    projection.project_poses(points, run.network_layout)
  )


def _select_blocks(blocks, count):
  """Returns block indices from 0, all for an empty selection."""
  for block in blocks:
    if not 1 <= block <= count:
      raise UserError(
        f'--blocks: expected numbers from 1 to {count}, got {block}'
      )
  return [block - 1 for block in blocks] or range(count)


def _pad_heads(heads, count):
  """Returns matrices as a list, filled with None up to `count`."""
  return [*np.asarray(heads), *[None] * (count - len(heads))]


def _class_name(run, label):
  return run.classes[label].replace('_', ' ')


def _file_stem(record):
  """Returns a clip's id with other characters than word characters replaced."""
  return re.sub(r'[^\w.-]+', '_', _clip_id(record))


def _clip_id(record):
  return record['id'].decode()
