"""Share of a dataset's test clips that are called unfamiliar, if altered.

  python benchmarks/familiarity.py [CONFIG[:VARIANT] ...] [--data_dir=DIR]

CONFIG is a file of configs/, its dataset prepared. The statistics are those
that a run keeps of its training split (`unik_jax.data.familiarity`). Unchanged
clips should not be called unfamiliar, altered ones should.
"""

import argparse
import importlib.util
import pathlib

import numpy as np

from unik_jax.data import splits
from unik_jax.data.familiarity import explain_unfamiliar
from unik_jax.data.training_clips import describe_clips
from unik_jax.data.transform import Transform
from unik_jax.skeletons.layouts import get_layout

CONFIGS = pathlib.Path(__file__).parents[1] / 'configs'
FACTORS = {'half size': 0.5, 'a thousandfold': 1000}


def alter(keypoints, image_size, axes):
  """Yields (name, keypoints) for each alteration of a clip (M, T, V, C).

  Missing joints stay zeros. In images, reversed axes stay within the image.
  """
  seen = keypoints[..., :axes].any(-1)
  yield 'unchanged', keypoints
  for name, axis in (('mirrored', 0), ('upside down', 1)):
    altered = keypoints.copy()
    altered[..., axis][seen] = image_size[axis] - altered[..., axis][seen]
    yield name, altered
  for name, factor in FACTORS.items():
    altered = keypoints.copy()
    altered[..., :axes] *= factor
    yield name, altered


def measure(config):
  """Returns the share of test clips called unfamiliar by alteration."""
  config = splits.complete_config(config)
  data = config.data
  known = describe_clips(splits.open_split(data, 'train'), data).familiarity
  transform = Transform(data, train=False)
  axes = data.channels - bool(data.confidence)
  layout = get_layout(data.joints or data.layout)
  named = {}
  for record in splits.open_split(data, 'test'):
    for name, keypoints in alter(
      record['keypoints'], record['image_size'], axes
    ):
      clip = transform.standardize({**record, 'keypoints': keypoints})
      reason = explain_unfamiliar(clip[..., :axes], known, layout)
      named.setdefault(name, []).append(reason is not None)
  return {name: np.array(values) for name, values in named.items()}


def main():
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
  )
  defaults = ['msr_action3d', 'penn:13_joints']
  parser.add_argument('configs', nargs='*', default=defaults)
  parser.add_argument('--data_dir', help='folder of prepared datasets')
  options = parser.parse_args()
  for name in options.configs:
    file, _, variant = name.partition(':')
    spec = importlib.util.spec_from_file_location(file, CONFIGS / f'{file}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config(*filter(None, [variant]))
    if options.data_dir:
      config.data.data_dir = options.data_dir
    for alteration, named in measure(config).items():
      print(f'{name}, {alteration}: {named.mean():.1%} of {len(named)} clips')


if __name__ == '__main__':
  main()
