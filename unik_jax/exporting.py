"""A trained model as a StableHLO artifact, with all that its use takes.

FOLDER/model.stablehlo is what `jax.export` serialises: a function of
pre-processed keypoints (batch, M, T, V, C) to logits (batch, K), its weights
within. FOLDER/model.json says how clips become such keypoints.
"""

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
from unik_jax import runs
from unik_jax.errors import UserError
from unik_jax.models.folding import fold

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
  run: runs.Run,
  folder: str | os.PathLike,
  *,
  platforms: Sequence[str] = PLATFORMS,
  folded: bool = True,
) -> pathlib.Path:
  """Writes the artifact and its notes.

  Args:
    run: as `runs.load` opens it.
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
    content = exported.serialize()
  except ImportError:
    raise UserError(
      "writing the artifact takes flatbuffers: pip install 'unik_jax[export]'"
    ) from None
  notes = describe(run) | {'platforms': list(platforms), 'folded': folded}
  folder = pathlib.Path(folder).expanduser()
  try:
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / ARTIFACT, bytes(content))
    _write(folder / NOTES, (json.dumps(notes, indent=1) + '\n').encode())
  except OSError as error:
    raise UserError(f'{folder} cannot be written to: {error}') from error
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


def input_shape(run: runs.Run) -> tuple[int, int, int, int]:
  """(M, T, V, C) of the clips that the network is given to test."""
  persons, _, joints, channels = run.net.abstract.input_shape
  data = run.config.data
  return persons, data.test_frames or data.frames, joints, channels


def describe(run: runs.Run) -> dict[str, Any]:
  """What the use of a model takes, in types that JSON has."""
  data = run.config.data
  summary = run.folder / 'summary.json'
  figures = {}
  if summary.exists():
    test = json.loads(summary.read_text()).get('test', {})
    names = ('clips', 'loss', 'top1', 'mean_class', 'top5', 'intervals')
    figures = {name: test[name] for name in names if name in test}
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
    'clips': {'layout': run.source.to_dict(), 'units': run.units},
    'network_layout': run.layout.to_dict(),
    'preprocessing': preprocessing(data),
    'dataset': data.name,
    'step': run.step,
    'seed': run.config.seed,
    'test': figures,
    'versions': {'unik_jax': unik_jax.__version__, 'jax': jax.__version__},
  }


def preprocessing(data: Any) -> list[dict[str, Any]]:
  """What happens to a clip at test time, in order (`loader.make_transform`).

  Args:
    data: the `data` part of a config.
  """
  frames = data.test_frames or data.frames
  steps = [
    {'step': 'cut or zero-pad persons', 'persons': data.persons},
    {
      'step': 'cut channels',
      'channels': data.channels,
      'last_is_confidence': bool(data.confidence),
    },
    {'step': 'map joints by name', 'layout': data.joints},
    {'step': 'drop frames at both ends with nobody in them', 'on': data.trim},
    {'step': "repeat each person's track", 'frames': data.pad},
    {'step': 'normalize', 'preset': data.normalize},
    {'step': 'divide', 'scale': data.scale},
    {
      'step': 'sample frames',
      'sampling': data.sampling,
      'frames': frames,
      'random_samplings': data.test_clips,
      'crops': data.test_crops,
      'several': 'their probabilities are averaged',
    },
    {'step': 'make the stream', 'stream': data.stream},
  ]
  idle = (
    ('layout', ''),
    ('on', False),
    ('frames', 0),
    ('preset', 'none'),
    ('scale', 1.0),
    ('stream', 'joint'),
  )
  return [
    step
    for step in steps
    if not any(key in step and step[key] == value for key, value in idle)
  ]


def _write(path, content):
  """All of a file or nothing."""
  part = path.with_suffix('.part')
  part.write_bytes(content)
  os.replace(part, path)
