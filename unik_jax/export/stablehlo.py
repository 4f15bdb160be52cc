"""A trained model as a StableHLO artifact, with a description of its input.

FOLDER/model.stablehlo, serialised by `jax.export`, maps pre-processed keypoints
(batch, M, T, V, C) to logits (batch, K). It contains the weights.
FOLDER/model.json describes how clips become such keypoints (`export/notes.py`).
"""

import hashlib
import json
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.export  # noqa: F401  (not imported by jax itself)
import jax.numpy as jnp
import numpy as np

from unik_jax.errors import UserError
from unik_jax.export.folding import fold_batch_norm
from unik_jax.export.notes import describe_run, input_shape
from unik_jax.official import tensor_files
from unik_jax.official.convert import to_official
from unik_jax.run import restore
from unik_jax.runtime.atomic_files import atomic_write
from unik_jax.runtime.json_files import write_json_table

ARTIFACT, NOTES = 'model.stablehlo', 'model.json'
PLATFORMS = ('cpu', 'cuda', 'tpu')
_KNOWN_PLATFORMS = (*PLATFORMS, 'rocm')


class Artifact(NamedTuple):
  """An artifact, loaded.

  Attributes:
    call: maps keypoints (N, M, T, V, C) float32 to logits (N, K), for any N.
    notes: the content of model.json.
  """

  call: Callable[[np.ndarray], jax.Array]
  notes: dict[str, Any]


def save_artifact(
  run: restore.Run,
  folder: str | os.PathLike,
  *,
  platforms: Sequence[str] = PLATFORMS,
  folded: bool = True,
) -> pathlib.Path:
  """Writes the artifact and its description.

  Args:
    run: from `restore.load_run`.
    folder: created if missing.
    platforms: platforms to run on: cpu, cuda, rocm or tpu.
    folded: fold batch norm into the maps before it.

  Returns:
    The folder.

  Raises:
    UserError: a platform is unknown, flatbuffers is not installed, or the
      folder cannot be written to.
  """
  unknown = [p for p in platforms if p not in _KNOWN_PLATFORMS]
  if unknown or not platforms:
    raise UserError(
      f'platforms: expected some of {", ".join(_KNOWN_PLATFORMS)}; got'
      f' {", ".join(unknown) or "none"}'
    )
  params, batch_stats = run.params, run.batch_stats
  if folded:
    params, batch_stats = fold_batch_norm(params, batch_stats)

  # The CPU's forms of the operations are slow elsewhere.
  is_cpu_only = tuple(platforms) == ('cpu',)
  net = run.net.with_implementation('cpu' if is_cpu_only else 'einsum')

  # The weights are constants of the function, so that the artifact has them.
  @jax.jit
  def predict_logits(x_nmtvc):
    return net.apply(params, batch_stats, x_nmtvc, train=False)[0]

  (batch,) = jax.export.symbolic_shape('batch')
  shape = (batch, *input_shape(run))
  exported = jax.export.export(predict_logits, platforms=tuple(platforms))(
    jax.ShapeDtypeStruct(shape, jnp.float32)
  )
  try:
    content = bytes(exported.serialize())
  except ImportError:
    raise _flatbuffers_error() from None
  notes = describe_run(run) | {
    'platforms': list(platforms),
    'folded': folded,
    # Nothing else shows damaged bytes in the weights.
    'sha256': hashlib.sha256(content).hexdigest(),
  }
  folder = pathlib.Path(folder).expanduser()
  with atomic_write(folder / ARTIFACT) as part:
    part.write_bytes(content)
  write_json_table(folder / NOTES, notes)
  return folder


def load_artifact(folder: str | os.PathLike) -> Artifact:
  """Loads what `save_artifact` wrote; neither run nor dataset is needed.

  Raises:
    UserError: a file is missing or broken, or flatbuffers is not installed.
  """
  folder = pathlib.Path(folder).expanduser()
  try:
    content = (folder / ARTIFACT).read_bytes()
    notes = json.loads((folder / NOTES).read_text())
    if hashlib.sha256(content).hexdigest() != notes['sha256']:
      raise ValueError(f'the SHA-256 of {ARTIFACT} is not that in {NOTES}')
    exported = jax.export.deserialize(bytearray(content))
  except OSError as error:
    raise UserError(
      f'{folder}: not an exported model ({error}). Write one with python -m'
      ' unik_jax.export'
    ) from None
  except ImportError:
    raise _flatbuffers_error() from None
  except Exception as error:  # deserialize raises any type for broken bytes
    raise UserError(
      f'{folder}: {ARTIFACT} or {NOTES} is broken ({type(error).__name__}:'
      f' {str(error)[:200]}). Export the run again'
    ) from None
  return Artifact(jax.jit(exported.call), notes)


def save_official_weights(run: restore.Run, path: str | os.PathLike) -> int:
  """Writes the weights as a state dict of the official PyTorch code.

  Args:
    run: from `restore.load_run`.
    path: ends in `.npz`, `.safetensors`, or `.pt` (needs PyTorch).

  Returns:
    The number of tensors.

  Raises:
    UserError: the ending is unknown, PyTorch is not installed, or the file
      cannot be written.
  """
  path = pathlib.Path(path).expanduser()
  tensors = to_official(run.net.abstract, run.params, run.batch_stats)
  tensor_files.write_tensors(path, tensors)
  return len(tensors)


def _flatbuffers_error():
  return UserError(
    'exported models need flatbuffers. Install it: pip install'
    " 'unik_jax[export]'"
  )
