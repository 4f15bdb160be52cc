"""Description of an exported model: how clips become its input.

Written as model.json beside the artifact. It explains this library's names in
words, for readers without the library.
"""

import inspect
import json
from typing import Any

import jax

import unik_jax
from unik_jax.data import streams
from unik_jax.data.normalize import PRESETS, fit_axes
from unik_jax.data.padding import repeat_tracks
from unik_jax.data.sampling import SAMPLERS
from unik_jax.data.transform import input_frames
from unik_jax.run import restore
from unik_jax.run.paths import SUMMARY
from unik_jax.run.wording import preprocessing_steps
from unik_jax.runtime.json_files import read_json_table
from unik_jax.skeletons import joint_maps
from unik_jax.skeletons.layouts import Layout

_METRICS = ('clips', 'loss', 'top1', 'mean_class', 'top5', 'intervals')


def input_shape(run: restore.Run) -> tuple[int, int, int, int]:
  """Returns (M, T, V, C), the shape of a clip at the network's input."""
  persons, _, joints, channels = run.net.abstract.input_shape
  return persons, input_frames(run.config.data), joints, channels


def describe_run(run: restore.Run) -> dict[str, Any]:
  """Returns the description of an exported model, ready for JSON.

  Raises:
    UserError: the run's summary.json is broken.
  """
  data = run.config.data
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
    'clips': {
      'layout': _layout_table(run.data_layout),
      'units': run.units,
      'image_sizes': run.image_sizes,
    },
    'network_layout': _layout_table(run.network_layout),
    'stream': data.stream,
    'preprocessing': [
      step | _explain_step(step, run) for step in preprocessing_steps(data)
    ],
    'dataset': data.name,
    'step': run.step,
    'seed': run.config.seed,
    **read_test_metrics(run),
    'versions': {'unik_jax': unik_jax.__version__, 'jax': jax.__version__},
  }


def read_test_metrics(run: restore.Run) -> dict[str, Any]:
  """Returns the metrics of the run's step on test clips, as in summary.json.

  Returns:
    `test`, empty if there are none; and `unseen` if the run has it.

  Raises:
    UserError: the run's summary.json is broken.
  """
  path = run.folder / SUMMARY
  if not path.exists():
    return {'test': {}}
  summary = read_json_table(path, 'restore it, or move it away')
  found = {'test': {}}
  suffixes = {summary.get('best_step'): '_of_best', summary.get('step'): ''}
  for part in ('test', 'unseen') if run.step in suffixes else ():
    key = part + suffixes[run.step]
    if key in summary:
      metrics = summary[key]
      found[part] = {
        name: metrics[name] for name in _METRICS if name in metrics
      }
  return found


def _layout_table(layout: Layout) -> dict[str, Any]:
  """Returns a layout as JSON, with its bones as pairs (child, parent)."""
  lists = {'joints': layout.joints, 'bones': layout.bones}
  return json.loads(json.dumps(layout.to_dict() | lists))


def _explain_step(step, run):
  """Returns an explanation of a step for readers without this library.

  If the setting names a function, its docstring is the explanation.
  """
  name, functions, suffix = step['step'], [], ''
  if name == 'normalize':
    functions = [PRESETS[step['preset']]]
  elif name == "repeat each person's track":
    functions = [repeat_tracks]
  elif name == 'scale each axis':
    functions = [fit_axes]
  elif name == 'sample frames':
    sampling = step['sampling']
    functions = [SAMPLERS[sampling]]
    if sampling == 'repeat':
      # `repeat` uses `crop` for long clips, so crop's docstring is added.
      functions.append(SAMPLERS['crop'])
    if 'test_clips' not in step and sampling != 'linear':
      suffix = ' This model uses no random sampling.'
  elif name == 'make the stream':
    stream = step['stream']
    functions = [streams.bone] * ('bone' in stream)
    functions += [streams.motion] * ('motion' in stream)
  if functions:
    texts = [inspect.getdoc(f).partition('\n\nArgs:')[0] for f in functions]
    return {'meaning': ' '.join(' '.join(texts).split()) + suffix}
  if step.get('last_is_confidence'):
    return {
      'meaning': 'the last channel is a confidence. It is mapped, padded and'
      ' sampled with the coordinates, and otherwise unchanged'
    }
  if 'layout' in step:
    return {
      'meaning': "each joint is a weighted sum of the clip's joints (shares),"
      ' and missing if one of these is missing. Its confidence is their lowest',
      'shares': _joint_shares(run.data_layout, run.network_layout),
    }
  return {}


def _joint_shares(source: Layout, target: Layout) -> dict[str, Any]:
  """Maps each target joint to the weights of its source joints."""
  weights = joint_maps.map_weights(source, target)
  return {
    joint: {
      part: round(float(weight), 6)
      for part, weight in zip(source.joints, row, strict=True)
      if weight
    }
    for joint, row in zip(target.joints, weights, strict=True)
  }
