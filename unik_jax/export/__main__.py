"""Writes a trained model for use without its run, or without unik_jax.

  python -m unik_jax.export --run=DIR [--out=FOLDER]
    [--platforms=cpu,cuda,tpu] [--nofold] [--weights=FILE]

FOLDER gets model.stablehlo and model.json. FILE (.npz, .safetensors, .pt) gets
the weights as a state dict of the official PyTorch code.
"""

import sys

from absl import app, flags

from unik_jax import cli

_RUN = flags.DEFINE_string(
  'run',
  None,
  'Folder of a run, its best/, or one of its checkpoints/STEP. Required.',
)
_OUT = flags.DEFINE_string(
  'out',
  None,
  'Folder to write model.stablehlo and model.json to (default: none).',
)
_PLATFORMS = flags.DEFINE_list(
  'platforms',
  ['cpu', 'cuda', 'tpu'],
  'Platforms of the artifact: cpu, cuda, rocm, tpu.',
)
_FOLD = flags.DEFINE_boolean(
  'fold', True, 'Fold batch norm into the maps before it.'
)
_WEIGHTS = flags.DEFINE_string(
  'weights',
  None,
  'File to write a PyTorch state dict with the official names to (default:'
  ' none).',
)
flags.mark_flag_as_required('run')


def main(argv):
  if len(argv) > 1 or not (_OUT.value or _WEIGHTS.value):
    sys.exit(
      'usage: python -m unik_jax.export --run=DIR [--out=FOLDER]'
      ' [--weights=FILE]'
    )
  with cli.command():
    # Imported here, so that --help answers at once.
    from unik_jax.export import notes, stablehlo
    from unik_jax.run import restore

    run = restore.load_run(_RUN.value)
    if _WEIGHTS.value:  # first: it is quick
      count = stablehlo.save_official_weights(run, _WEIGHTS.value)
      print(f'{_WEIGHTS.value}: {count} tensors with the official names')
    if _OUT.value:
      folder = stablehlo.save_artifact(
        run, _OUT.value, platforms=_PLATFORMS.value, folded=_FOLD.value
      )
      size = (folder / stablehlo.ARTIFACT).stat().st_size
      shape = ', '.join(map(str, notes.input_shape(run)))
      print(
        f'{folder / stablehlo.ARTIFACT}: {size / 1e6:.1f} MB, keypoints (batch,'
        f' {shape}) to logits of {len(run.classes)} classes, for'
        f' {", ".join(_PLATFORMS.value)}'
      )
      print(f'{folder / stablehlo.NOTES}: how clips become such keypoints')


if __name__ == '__main__':
  app.run(main, flags_parser=cli.parse_flags)
