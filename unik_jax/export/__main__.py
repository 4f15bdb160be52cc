"""Writes a trained model for use without its run, or without unik_jax.

  python -m unik_jax.export --run=DIR --out=FOLDER [--platforms=cpu,cuda,tpu]
    [--nofold]
  python -m unik_jax.export --run=DIR --weights=FILE
  python -m unik_jax.export --run=DIR [--to_folder=FOLDER]
    [--to_hub=OWNER/NAME [--private]] [--license=ID]

--out writes model.stablehlo and model.json; --weights a state dict of the
official PyTorch code (.npz, .safetensors, .pt). --to_folder and --to_hub write
the run without its optimizer, to a folder or to the Hugging Face Hub.
"""

import pathlib
import sys
import tempfile

from absl import app, flags

from unik_jax import cli

_RUN = flags.DEFINE_string(
  'run',
  None,
  'Folder of a run, its best/, one of its checkpoints/STEP, or hf://OWNER/NAME.'
  ' Required.',
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
_TO_FOLDER = flags.DEFINE_string(
  'to_folder',
  None,
  'New folder for the run without its optimizer (default: none).',
)
_TO_HUB = flags.DEFINE_string(
  'to_hub',
  None,
  'OWNER/NAME of the repository on the Hugging Face Hub to upload that to'
  ' (default: none).',
)
_PRIVATE = flags.DEFINE_boolean(
  'private', False, 'Only the owner of the repository sees it.'
)
_LICENSE = flags.DEFINE_string(
  'license',
  '',
  'License in the header of the model card, as apache-2.0 (default: none).',
)
flags.mark_flag_as_required('run')


def main(argv):
  outputs = (_OUT, _WEIGHTS, _TO_FOLDER, _TO_HUB)
  if len(argv) > 1 or not any(flag.value for flag in outputs):
    sys.exit(
      'usage: python -m unik_jax.export --run=DIR [--out=FOLDER]'
      ' [--weights=FILE] [--to_folder=FOLDER] [--to_hub=OWNER/NAME]'
    )
  with cli.command():
    # Imported here, so that --help answers at once.
    from unik_jax.export import notes, stablehlo, upload
    from unik_jax.run import restore

    if _TO_HUB.value:
      upload.check_repository(_TO_HUB.value)
    # The weights that several datasets share have no classes to predict.
    shared = not (_OUT.value or _WEIGHTS.value)
    run = restore.load_run(_RUN.value, shared=shared)
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
    if _TO_FOLDER.value or _TO_HUB.value:
      with tempfile.TemporaryDirectory() as scratch:
        _export_run(run, pathlib.Path(_TO_FOLDER.value or scratch).expanduser())


def _export_run(run, folder):
  """Writes a run without its optimizer to a folder, and uploads it."""
  from unik_jax.export import exported_run, upload

  name = _TO_HUB.value
  address = f'hf://{name}' if name else str(folder)
  exported_run.export_run(run, folder, license=_LICENSE.value, address=address)
  print(f'{address}:')
  for file, size in exported_run.list_files(folder).items():
    print(f'  {file:20} {size / 1e3:9,.1f} kB', flush=True)
  if name:
    done = upload.upload_run(folder, name, private=_PRIVATE.value)
    print(f'uploaded: {done}')


if __name__ == '__main__':
  app.run(main, flags_parser=cli.parse_flags)
