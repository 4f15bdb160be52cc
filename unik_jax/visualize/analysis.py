"""What a trained network does with joints: matrices, attention, importance.

Shape legend: N clips, M persons, T frames, V joints, C channels, H heads, K
classes, U and P = W * V joints of a spatial window of W frames (in and out).
"""

import difflib
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np
from ml_collections import ConfigDict
from scipy.special import softmax

from unik_jax import transfer
from unik_jax.data.prepared_split import PreparedSplit
from unik_jax.data.transform import Transform
from unik_jax.errors import UserError
from unik_jax.run import restore
from unik_jax.run.restore import Run
from unik_jax.skeletons.layouts import Layout, get_layout

METHODS = ('gradient', 'occlusion')
BATCH = 32  # clips at once, of those with something hidden


class Explained(NamedTuple):
  """A clip, the answer to it, and what the answer rests on.

  Attributes:
    logits: (K,).
    importance: (M, T, V) of each person's joints in the frames that the
      network sees.
    poses: (M, T, V, 2 or 3) the same frames as recorded; zeros are missing.
    layout: of these joints.
  """

  logits: np.ndarray
  importance: np.ndarray
  poses: np.ndarray
  layout: Layout


def open_clips(run: Run, data_dir: str = '') -> PreparedSplit:
  """The test split of a run.

  Args:
    run: the run.
    data_dir: where the dataset is prepared, if not where the run had it.

  Raises:
    UserError: not prepared, or other data than the run was made with.
  """
  data = run.config.data
  if data_dir:
    data = data.copy_and_resolve_references()
    data.data_dir = data_dir
  clips = PreparedSplit(data, data.test_split, data.test_subjects)
  if clips.class_names != run.classes:
    raise UserError(
      f'dataset {data.name!r} has other classes than {run.folder}; name the'
      ' folder of the dataset that the run was made with, --data_dir=DIR'
    )
  return clips


def pick(clips: PreparedSplit, name: str = '') -> dict:
  """The record of a clip by its id; the first one for ''.

  Raises:
    UserError: no such clip; the error names similar ones.
  """
  if not name:
    return clips[0]
  ids = clips.ids()
  if name not in ids:
    near = difflib.get_close_matches(name, ids, 3, cutoff=0) or ids[:3]
    raise UserError(
      f'the test split has no clip {name!r}, but {len(ids)} others, such as '
      + ', '.join(near)
    )
  return clips[ids.index(name)]


def poses(data: ConfigDict, record: dict) -> np.ndarray:
  """A clip's recorded coordinates, in the frames that the network sees.

  Args:
    data: of the run's config.
    record: of `PreparedSplit`.

  Returns:
    (M, T, V, 2 or 3) in the dataset's units; zeros are missing.
  """
  data = data.copy_and_resolve_references()
  data.update(normalize='none', scale=1.0, stream='joint')
  points = Transform(data, train=False)(record)['x']
  return points[..., : data.channels - bool(data.confidence)]


def one_view(data: ConfigDict) -> ConfigDict:
  """The same settings, without several samplings or crops of a clip."""
  data = data.copy_and_resolve_references()
  data.update(test_clips=1, test_crops=1)
  return data


def dependencies(run: Run) -> list[np.ndarray]:
  """Each block's learned dependency matrices, (H, V, V).

  Row u, column p: the weight with which joint u makes joint p. A window of
  several frames is folded (`over_frames`).
  """
  blocks = run.net.mixing(run.params, run.batch_stats)
  return [
    over_frames(b.dependency, run.network_layout.num_joints) for b in blocks
  ]


def first_dependencies(run: Run) -> tuple[list[np.ndarray], str]:
  """As `dependencies`, before training, and where those values are from.

  They are made again by the run's seed, or, where it started from other
  weights (`config.init_from`), read again and adapted as they were. Where the
  checkpoint is gone that it started from, the source's newest is taken, and
  the words say so.

  Raises:
    UserError: those other weights cannot be read any longer.
  """
  config, net = run.config, run.net
  began = config.copy_and_resolve_references()
  if config.init_from:
    recorded = pathlib.Path(restore.read_started_from(run.folder))
    there = recorded.name and recorded.exists()
    began.init_from = str(
      recorded if there else restore.find_checkpoint(config.init_from)
    )
  source = transfer.read_weights(began)
  if source is None:
    blocks = net.mixing(*net.init(jax.random.key(config.seed)))
    where = f'initial values of seed {config.seed}'
  else:
    started = transfer.adapt_weights(source, config, head=False)
    blocks = net.mixing(started.params, started.batch_stats)
    where = f'weights of {config.init_from}'
    if pathlib.Path(source.where).is_dir():
      where += f', step {pathlib.Path(source.where).name}'
      if not there:
        first = f'step {recorded.name}' if recorded.name else 'an unknown one'
        where += f' (as it is now; the run started from {first})'
  joints = run.network_layout.num_joints
  return [over_frames(b.dependency, joints) for b in blocks], where


def has_attention(run: Run) -> bool:
  """Whether a run's network has attention maps."""
  shape = (1, *(size or 1 for size in run.net.abstract.input_shape))
  x = jax.ShapeDtypeStruct(shape, np.float32)
  blocks = jax.eval_shape(run.net.mixing, run.params, run.batch_stats, x)
  return all(block.attention is not None for block in blocks)


def attention(run: Run, record: dict) -> list[np.ndarray]:
  """Each block's attention maps of a clip, (H, V, V), means over its persons.

  Of one view of the clip, as in `explain`. Row u, column p, as in
  `dependencies`; columns sum to 1.

  Raises:
    UserError: the network has no attention, or there is nobody in the clip.
  """
  if not has_attention(run):
    raise UserError(f'{run.folder}: this network has no attention')
  data = one_view(run.config.data)
  x = Transform(data, train=False)(record)['x']
  there = poses(data, record).any((1, 2, 3))
  if not there.any():
    raise UserError('nobody is seen in what the network takes of this clip')
  blocks = jax.jit(run.net.mixing)(run.params, run.batch_stats, x[None])
  return [
    over_frames(
      np.asarray(b.attention[0])[there].mean(0), run.network_layout.num_joints
    )
    for b in blocks
  ]


def over_frames(matrices: np.ndarray, joints: int) -> np.ndarray:
  """Matrices over the joints of a window of frames, as ones over joints.

  Args:
    matrices: (..., W * V, W * V).
    joints: V.

  Returns:
    (..., V, V): the weights summed over the frames that a joint is taken from,
    and averaged over those that it is made for.
  """
  *rest, nodes, _ = matrices.shape
  frames = nodes // joints
  split = np.reshape(matrices, (*rest, frames, joints, frames, joints))
  return split.sum(-4).mean(-2)


def explain(
  run: Run, record: dict, method: str = 'gradient', *, windows: int = 1
) -> Explained:
  """What the answer to a clip rests on, joint by joint and person by person.

  The answer is that to one view of the clip; a run that averages several
  (`test_clips`, `test_crops`) may give another.

  Args:
    run: the run.
    record: of `PreparedSplit`.
    method: 'gradient' (`gradient_times_input`) or 'occlusion' (`occlusion`).
    windows: of time, in which occlusion hides a joint one after another.

  Raises:
    UserError: no such method.
  """
  if method not in METHODS:
    raise UserError(f'importance {method!r}; use one of {", ".join(METHODS)}')
  data = one_view(run.config.data)

  def logits_of(x_nmtvc):
    logits, _ = run.net.apply(run.params, run.batch_stats, x_nmtvc, train=False)
    return logits

  if method == 'gradient':
    x = Transform(data, train=False)(record)['x']
    logits, importance = gradient_times_input(logits_of, x)
    return Explained(
      logits, importance, poses(data, record), run.network_layout
    )
  logits, importance = occlusion(logits_of, data, record, windows=windows)
  data = data.copy_and_resolve_references()
  data.joints = ''  # what is hidden are the joints that the clip comes with
  return Explained(
    logits, importance, poses(data, record), get_layout(data.layout)
  )


def gradient_times_input(
  logits_of: Callable[[Any], Any], x_mtvc: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
  """How much each joint adds to the answer's logit, to first order.

    | sum_c x[m, t, v, c] * d logit / d x[m, t, v, c] |

  Args:
    logits_of: from (N, M, T, V, C) to (N, K), by JAX.
    x_mtvc: a clip, as the network takes it.

  Returns:
    The logits (K,), and the importance (M, T, V) for the likeliest class.
  """

  @jax.jit
  def value_and_gradient(x):
    def answer(x):
      logits = logits_of(x[None])[0]
      return logits.max(), logits

    return jax.grad(answer, has_aux=True)(x)

  gradient, logits = value_and_gradient(x_mtvc)
  return np.asarray(logits), np.abs((gradient * x_mtvc).sum(-1))


def occlusion(
  logits_of: Callable[[Any], Any],
  data: ConfigDict,
  record: dict,
  *,
  windows: int = 1,
) -> tuple[np.ndarray, np.ndarray]:
  """How far the answer's probability falls when a joint is missing.

  A joint of a person is set to zeros in the recorded keypoints, as trackers
  write a missing one, and the clip goes the whole way through the loader.

  Args:
    logits_of: from (N, M, T, V, C) to (N, K), by JAX.
    data: of the run's config.
    record: of `PreparedSplit`, joints in the dataset's layout.
    windows: equal stretches of the recorded frames; a joint is missing in one
      of them at a time.

  Returns:
    The logits (K,) of the whole clip, and the fall (M, T, V) of its likeliest
    class in the frames that the network sees; 0 where a joint is missing
    anyway, less than 0 where the probability rises.
  """
  transform = Transform(data, train=False)
  run_batch = jax.jit(logits_of)
  keypoints = record['keypoints'][: data.persons]
  count, frames, joints, _ = keypoints.shape
  windows = min(windows, frames)
  window_of = np.arange(frames) * windows // frames
  seen = np.stack(
    [keypoints[:, window_of == w].any((1, 3)) for w in range(windows)], 1
  )
  hidden = np.argwhere(seen)  # rows of person, window, joint

  def without(m, w, v):
    changed = keypoints.copy()
    changed[m, window_of == w, v] = 0
    return transform({**record, 'keypoints': changed})['x']

  # All batches are of one size, so that it compiles once.
  whole = transform(record)['x']
  logits = []
  for start in range(0, len(hidden) + 1, BATCH):
    batch = [
      whole if i == 0 else without(*hidden[i - 1])
      for i in range(start, min(start + BATCH, len(hidden) + 1))
    ]
    x = np.stack(batch + [whole] * (BATCH - len(batch)))
    logits.append(np.asarray(run_batch(x))[: len(batch)])
  logits = np.concatenate(logits)
  probability = softmax(np.float64(logits), -1)[:, logits[0].argmax()]
  falls = np.zeros((count, windows, joints))
  falls[tuple(hidden.T)] = probability[0] - probability[1:]

  when = _recorded_frames(data, record)  # (M, T), -1 where nobody is
  out = np.zeros((*when.shape, joints))
  for m in range(count):
    out[m] = np.where(when[m, :, None] < 0, 0, falls[m, window_of[when[m]]])
  return logits[0], out


def _recorded_frames(data, record):
  """The recorded frame that each sampled one of each person is from."""
  keypoints = record['keypoints']
  number = np.arange(1, keypoints.shape[1] + 1)[:, None, None]
  marked = np.float32(number * keypoints.any(-1, keepdims=True))
  marked = np.broadcast_to(marked, keypoints.shape)
  sampled = poses(data, {**record, 'keypoints': marked}).max((2, 3))
  return np.rint(sampled).astype(int) - 1
