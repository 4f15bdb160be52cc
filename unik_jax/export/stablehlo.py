"""A trained model as a StableHLO artifact, with all that its use takes.

FOLDER/model.stablehlo is what `jax.export` serialises: a function of
pre-processed keypoints (batch, M, T, V, C) to logits (batch, K), its weights
within. FOLDER/model.json says how clips become such keypoints, in words where
names would take this library to understand.
"""

import hashlib
import inspect
import json
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.export  # noqa: F401  (a module of its own)
import jax.numpy as jnp
import numpy as np

import unik_jax
from unik_jax.data import streams
from unik_jax.data.normalize import PRESETS
from unik_jax.data.padding import repeat_tracks
from unik_jax.data.sampling import SAMPLERS
from unik_jax.data.transform import input_frames
from unik_jax.errors import UserError
from unik_jax.export.folding import fold
from unik_jax.official import tensor_files
from unik_jax.official.state_dict import to_official
from unik_jax.run import restore
from unik_jax.run.wording import preprocessing_steps
from unik_jax.runtime import atomic_files
from unik_jax.skeletons import joint_maps
from unik_jax.skeletons.layouts import Layout

ARTIFACT, NOTES = 'model.stablehlo', 'model.json'
PLATFORMS = ('cpu', 'cuda', 'tpu')


class Exported(NamedTuple):
  """A reloaded artifact.

  Attributes:
    call: keypoints (N, M, T, V, C) float32 to logits (N, K), for any N.
    notes: the content of model.json.
  """

  call: Callable[[np.ndarray], jax.Array]
  notes: dict[str, Any]


def save(
  run: restore.Run,
  folder: str | os.PathLike,
  *,
  platforms: Sequence[str] = PLATFORMS,
  folded: bool = True,
) -> pathlib.Path:
  """Writes the artifact and its notes.

  Args:
    run: as `restore.load_run` opens it.
    folder: made if missing.
    platforms: that the artifact runs on: of cpu, cuda, rocm and tpu.
    folded: whether batch norm is folded into the maps before it.

  Returns:
    The folder.

  Raises:
    UserError: an unknown platform, flatbuffers is missing, or the folder
      cannot be written to.
  """
  known = (*PLATFORMS, 'rocm')
  if not platforms or (other := [p for p in platforms if p not in known]):
    raise UserError(
      f'unknown platform {", ".join(platforms and other)!r}; use some of'
      f' {", ".join(known)}'
    )
  params, batch_stats = run.params, run.batch_stats
  if folded:
    params, batch_stats = fold(params, batch_stats)

  @jax.jit
  def logits(x_nmtvc):
    return run.net.apply(params, batch_stats, x_nmtvc, train=False)[0]

  (batch,) = jax.export.symbolic_shape('batch')
  shape = (batch, *input_shape(run))
  exported = jax.export.export(logits, platforms=tuple(platforms))(
    jax.ShapeDtypeStruct(shape, jnp.float32)
  )
  try:
    content = bytes(exported.serialize())
  except ImportError:
    raise UserError(
      "writing the artifact takes flatbuffers: pip install 'unik_jax[export]'"
    ) from None
  notes = describe(run) | {
    'platforms': list(platforms),
    'folded': folded,
    # Of weights with some bytes wrong nothing else would tell.
    'sha256': hashlib.sha256(content).hexdigest(),
  }
  folder = pathlib.Path(folder).expanduser()
  with atomic_files.atomic_write(folder / ARTIFACT) as part:
    part.write_bytes(content)
  with atomic_files.atomic_write(folder / NOTES) as part:
    part.write_text(json.dumps(notes, indent=1) + '\n')
  return folder


def load(folder: str | os.PathLike) -> Exported:
  """Opens what `save` wrote; it takes neither the run nor its data.

  Raises:
    UserError: no such files, or broken ones.
  """
  folder = pathlib.Path(folder).expanduser()
  try:
    content = (folder / ARTIFACT).read_bytes()
    notes = json.loads((folder / NOTES).read_text())
    if hashlib.sha256(content).hexdigest() != notes['sha256']:
      raise ValueError(f'{ARTIFACT} is not the file that {NOTES} is about')
    exported = jax.export.deserialize(bytearray(content))
  except OSError as error:
    raise UserError(
      f'{folder}: not an exported model ({error}); write one with python -m'
      ' unik_jax.export'
    ) from None
  except ImportError:
    raise UserError(
      "reading the artifact takes flatbuffers: pip install 'unik_jax[export]'"
    ) from None
  except Exception as error:  # garbage leads to whatever it leads to
    raise UserError(
      f'{folder}: {ARTIFACT} or {NOTES} is broken ({type(error).__name__}:'
      f' {str(error)[:200]}); export it again'
    ) from None
  return Exported(jax.jit(exported.call), notes)


def save_weights(run: restore.Run, path: str | os.PathLike) -> int:
  """Writes the weights as a state dict of the official PyTorch code.

  Args:
    run: as `restore.load_run` opens it.
    path: `.npz`, `.safetensors`, or `.pt` with PyTorch installed.

  Returns:
    The number of tensors.

  Raises:
    UserError: unknown ending, PyTorch is missing, or it cannot be written.
  """
  path = pathlib.Path(path).expanduser()
  tensors = to_official(run.net.abstract, run.params, run.batch_stats)
  tensor_files.write_tensors(path, tensors)
  return len(tensors)


def input_shape(run: restore.Run) -> tuple[int, int, int, int]:
  """(M, T, V, C) of the clips that the network is given to test."""
  persons, _, joints, channels = run.net.abstract.input_shape
  return persons, input_frames(run.config.data), joints, channels


def describe(run: restore.Run) -> dict[str, Any]:
  """What the use of a model takes, in types that JSON has.

  Raises:
    UserError: the run's summary.json is broken.
  """
  data = run.config.data
  steps = [step | _meaning(step, run) for step in preprocessing_steps(data)]
  return {
    'model': run.config.model.name,
    'input': {
      'shape': ['batch', *input_shape(run)],
      'axes': ['clip', 'person', 'frame', 'joint', 'channel'],
      'dtype': 'float32',
      'missing': 'absent persons and missing joints are zeros',
    },
    'output': {'shape': ['batch', len(run.classes)], 'values': 'logits'},
    'classes': run.classes,
    'clips': {'layout': _plain(run.data_layout), 'units': run.units},
    'network_layout': _plain(run.network_layout),
    'stream': data.stream,
    'preprocessing': steps,
    'dataset': data.name,
    'step': run.step,
    'seed': run.config.seed,
    'test': _figures(run),
    'versions': {'unik_jax': unik_jax.__version__, 'jax': jax.__version__},
  }


def _figures(run):
  """Those of summary.json that are of these very weights; {} without any."""
  file = run.folder / 'summary.json'
  if not file.exists():
    return {}
  try:
    summary = json.loads(file.read_text())
  except ValueError as error:
    raise UserError(
      f'{file}: not JSON ({error}); restore it, or move it away'
    ) from None
  of_step = {
    summary.get('best_step'): summary.get('test_of_best', {}),
    summary.get('step'): summary.get('test', {}),
  }
  test = of_step.get(run.step, {})
  names = ('clips', 'loss', 'top1', 'mean_class', 'top5', 'intervals')
  return {name: test[name] for name in names if name in test}


def _plain(layout: Layout) -> dict[str, Any]:
  """A layout with its bones as pairs (child, parent)."""
  lists = {'joints': layout.joints, 'bones': layout.bones}
  return json.loads(json.dumps(layout.to_dict() | lists))


def _meaning(step, run):
  """What a step's setting stands for, for those without this library."""
  name, parts, more = step['step'], [], ''
  if name == 'normalize':
    parts = [PRESETS[step['preset']]]
  elif name == "repeat each person's track":
    parts = [repeat_tracks]
  elif name == 'sample frames':
    sampling = step['sampling']
    parts = [SAMPLERS[sampling]] + [SAMPLERS['crop']] * (sampling == 'repeat')
    more = '' if 'test_clips' in step else ' Here there is no `rng`.'
  elif name == 'make the stream':
    stream = step['stream']
    parts = [streams.bone] * ('bone' in stream)
    parts += [streams.motion] * ('motion' in stream)
  if parts:
    texts = [inspect.getdoc(part).partition('\n\nArgs:')[0] for part in parts]
    return {'meaning': ' '.join(' '.join(texts).split()) + more}
  if step.get('last_is_confidence'):
    return {
      'meaning': 'the confidence is mapped, padded and sampled with the'
      ' coordinates, and otherwise left alone'
    }
  if 'layout' not in step:
    return {}
  shares = joint_maps.map_weights(run.data_layout, run.network_layout)
  return {
    'meaning': 'each joint is the sum of shares of the joints of the clip, and'
    ' missing where one of them is; its confidence is the least of theirs',
    'shares': {
      joint: {
        part: round(float(share), 6)
        for part, share in zip(run.data_layout.joints, row, strict=True)
        if share
      }
      for joint, row in zip(run.network_layout.joints, shares, strict=True)
    },
  }
