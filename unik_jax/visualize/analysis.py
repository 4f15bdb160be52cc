"""Computes what is drawn of a run: dependency matrices and attention maps.

Shape legend: M persons, T frames, V joints, H heads, and W frames of a spatial
window.
"""

import difflib
import pathlib

import jax
import numpy as np
from ml_collections import ConfigDict

from unik_jax import transfer
from unik_jax.data.prepared_split import PreparedSplit
from unik_jax.data.transform import Transform
from unik_jax.errors import UserError
from unik_jax.run import hub, restore
from unik_jax.run.restore import Run


def open_test_split(run: Run, data_dir: str = '') -> PreparedSplit:
  """Opens the test split of a run.

  Args:
    run: the run.
    data_dir: where the dataset is prepared (default: as in the run's config).

  Raises:
    UserError: the dataset is not prepared, or differs from the training data.
  """
  data = run.config.data
  if data_dir:
    data = data.copy_and_resolve_references()
    data.data_dir = data_dir
  split = PreparedSplit(data, data.test_split, data.test_subjects)
  if split.class_names != run.classes:
    raise UserError(
      f'dataset {data.name!r}: expected the classes of {run.folder}, got'
      ' others. Name the folder of the dataset that the run was trained on,'
      ' --data_dir=DIR'
    )
  return split


def select_clip(split: PreparedSplit, clip_id: str = '') -> dict:
  """Returns the record of a clip, by default the first.

  Raises:
    UserError: the clip does not exist; the error names similar ones.
  """
  if not clip_id:
    return split[0]
  ids = split.ids()
  if clip_id not in ids:
    similar = difflib.get_close_matches(clip_id, ids, 3, cutoff=0) or ids[:3]
    raise UserError(
      f'--clip: expected one of {len(ids)} clips of the test split, such as'
      f' {", ".join(similar)}; got {clip_id!r}'
    )
  return split[ids.index(clip_id)]


def sample_poses(data: ConfigDict, record: dict) -> np.ndarray:
  """Returns a clip's recorded coordinates, in the frames the network sees.

  Args:
    data: the `data` part of a run's config.
    record: record of a `PreparedSplit`.

  Returns:
    (M, T, V, 2 or 3) in the dataset's units; zeros are missing.
  """
  data = data.copy_and_resolve_references()
  data.update(normalize='none', scale=1.0, stream='joint')
  points = Transform(data, train=False)(record)['x']
  return points[..., : data.channels - bool(data.confidence)]


def use_one_view(data: ConfigDict) -> ConfigDict:
  """Returns settings that sample a clip once instead of averaging views."""
  data = data.copy_and_resolve_references()
  data.update(test_clips=1, test_crops=1)
  return data


def get_dependencies(run: Run) -> list[np.ndarray]:
  """Returns each block's learned dependency matrices, (H, V, V).

  Entry (u, p) is the weight of joint u in output joint p. A window of several
  frames is folded (`fold_window`).

  Raises:
    UserError: the network mixes joints that it makes itself.
  """
  if not run.net.abstract.mixes_joints:
    raise UserError(
      f'{run.folder}: expected a network that mixes the joints of the layout,'
      f' got {run.config.model.name!r}, which mixes latent joints. Use'
      ' --what=clip'
    )
  blocks = run.net.mixing(run.params, run.batch_stats)
  return _fold_dependencies(run, blocks)


def restore_first_dependencies(run: Run) -> tuple[list[np.ndarray], str]:
  """Returns the dependency matrices before training, and their origin.

  The run's seed gives its initial values. If it started from other weights
  (`config.init_from`), those are read and adapted again. If the checkpoint it
  started from is gone, the newest one of the other run is used, and the
  description of the origin says so.

  Raises:
    UserError: the weights it started from cannot be read.
  """
  config, net = run.config, run.net
  if not config.init_from:
    blocks = net.mixing(*net.init(jax.random.key(config.seed)))
    return _fold_dependencies(
      run, blocks
    ), f'initial values of seed {config.seed}'
  recorded = restore.read_started_from(run.folder)
  is_kept = hub.is_address(recorded) or (
    bool(recorded) and pathlib.Path(recorded).exists()
  )
  pinned = config.copy_and_resolve_references()
  pinned.init_from = (
    recorded if is_kept else restore.find_checkpoint(config.init_from)
  )
  source = transfer.read_weights(pinned)
  initial = transfer.adapt_weights(source, config, head=False)
  blocks = net.mixing(initial.params, initial.batch_stats)
  origin = f'weights of {config.init_from}'
  if (step := pathlib.Path(source.where).name).isdigit():
    origin += f', step {step}'
    if not is_kept:
      first = pathlib.Path(recorded).name
      first = f'step {first}' if first else 'an unknown one'
      origin += f' (its newest state; the run started from {first})'
  return _fold_dependencies(run, blocks), origin


def has_attention(run: Run) -> bool:
  """Whether a run's network has attention maps."""
  shape = (1, *(size or 1 for size in run.net.abstract.input_shape))
  x = jax.ShapeDtypeStruct(shape, np.float32)
  blocks = jax.eval_shape(run.net.mixing, run.params, run.batch_stats, x)
  return all(block.attention is not None for block in blocks)


def compute_attention(run: Run, record: dict) -> list[np.ndarray]:
  """Returns each block's attention maps of a clip, (H, V, V).

  The maps are of one view of the clip and the mean over its persons. Entries
  are as in `get_dependencies`; columns sum to 1.

  Raises:
    UserError: the network has no attention, or all persons are absent.
  """
  if not has_attention(run):
    others = 'matrices,clip' if run.net.abstract.mixes_joints else 'clip'
    raise UserError(
      f'{run.folder}: expected a network with attention, got'
      f' {run.config.model.name!r} without. Use --what={others}'
    )
  data = use_one_view(run.config.data)
  x = Transform(data, train=False)(record)['x']
  present = sample_poses(data, record).any((1, 2, 3))
  if not present.any():
    raise UserError(
      f'clip {record["id"].decode()!r}: expected a person in the frames the'
      ' network sees, got none. Choose another with --clip=ID'
    )
  blocks = jax.jit(run.net.mixing)(run.params, run.batch_stats, x[None])
  joints = run.network_layout.num_joints
  return [
    fold_window(np.asarray(block.attention[0])[present].mean(0), joints)
    for block in blocks
  ]


def fold_window(matrices: np.ndarray, joints: int) -> np.ndarray:
  """Reduces matrices over the joints of a window of frames to V joints.

  Args:
    matrices: (..., W * V, W * V).
    joints: V.

  Returns:
    (..., V, V): weights summed over input frames, averaged over output frames.
  """
  *rest, nodes, _ = matrices.shape
  frames = nodes // joints
  split = np.reshape(matrices, (*rest, frames, joints, frames, joints))
  return split.sum(-4).mean(-2)


def _fold_dependencies(run, blocks):
  return [
    fold_window(b.dependency, run.network_layout.num_joints) for b in blocks
  ]
