"""A run without its optimizer: a small folder to predict and fine-tune with.

`restore.load_run` opens it as any run. The files are those of `paths.EXPORTED`.
"""

import os
import pathlib
import shutil
from typing import Any

import yaml

from unik_jax.errors import UserError
from unik_jax.export.notes import read_test_metrics
from unik_jax.run import paths, restore
from unik_jax.run.weights_file import write_weights
from unik_jax.runtime.atomic_files import atomic_write
from unik_jax.runtime.json_files import read_json_table, write_json_table

_COPIED = (paths.DATA, paths.FAMILIARITY, paths.SUMMARY)
# Paths on the machine that trained.
_PATHS = ('data_dir', 'manual_dir')
# The type is how the Hub groups results, the name is what it prints.
_TASK = {
  'type': 'skeleton-based-action-recognition',
  'name': 'Skeleton-based action recognition',
}
_TAGS = ('skeleton-based-action-recognition', 'action-recognition', 'jax')
_METRICS = {
  'top1': 'Top-1 accuracy',
  'mean_class': 'Mean class accuracy',
  'top5': 'Top-5 accuracy',
}
_PARTS = {'test': '', 'unseen': ', test clips that are not in training'}


def export_run(
  run: restore.Run,
  folder: str | os.PathLike,
  *,
  address: str,
  license: str = '',
) -> pathlib.Path:
  """Writes a finished run without its optimizer; copies an exported run.

  Args:
    run: from `restore.load_run`.
    folder: created; it must be missing or empty.
    address: where readers of the model card find the run: hf://owner/name, or
      a folder.
    license: identifier for the header of the card, such as 'apache-2.0'; '' for
      none.

  Returns:
    The folder.

  Raises:
    UserError: the run is not finished, a file of it is missing or broken, the
      folder has other files or cannot be written to.
  """
  folder = pathlib.Path(folder).expanduser()
  if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
    raise UserError(
      f'{folder}: expected a new or an empty folder. Name another, or delete it'
    )
  if restore.is_exported(run.folder):
    if license:
      raise UserError(
        f'--license: {run.folder} has its model card already. Write the license'
        f' in the header of its {paths.EXPORTED_CARD}'
      )
    _copy(run.folder, folder, paths.EXPORTED)
    return folder
  _check_finished(run)
  card = _read_card(run)
  config = run.config.to_dict()
  config['save_official'] = ''
  for data in (config['data'], *config['datasets'].values()):
    data.update(dict.fromkeys(_PATHS, ''))
  write_json_table(folder / paths.CONFIG, config)
  _copy(run.folder, folder, _COPIED)
  header = yaml.safe_dump(_card_header(run, license), sort_keys=False)
  with atomic_write(folder / paths.EXPORTED_CARD) as part:
    part.write_text(
      f'---\n{header}---\n\n{card}\n{_example(run, address)}',
      encoding='utf-8',
    )
  write_weights(folder / paths.WEIGHTS, run.params, run.batch_stats, run.step)
  return folder


def list_files(folder: pathlib.Path) -> dict[str, int]:
  """Maps the names of an exported run's files to their sizes in bytes."""
  files = [folder / name for name in paths.EXPORTED]
  return {file.name: file.stat().st_size for file in files if file.exists()}


def _check_finished(run):
  """Raises a UserError unless summary.json has results of the run's step."""
  file, finish = run.folder / paths.SUMMARY, 'run its training command again'
  if not file.exists():
    raise UserError(
      f'{run.folder}: expected a finished run, got one at step {run.step}'
      f' without {paths.SUMMARY}. To finish it, {finish}'
    )
  summary = read_json_table(file, finish)
  steps = {summary.get('step'), summary.get('best_step')} - {None}
  if run.step not in steps:
    raise UserError(
      f'{run.folder}: expected the weights of a step with results in'
      f' {paths.SUMMARY} ({", ".join(map(str, sorted(steps))) or "none"}), got'
      f' step {run.step}. Name its {paths.BEST}, or finish it: {finish}'
    )


def _read_card(run):
  file = run.folder / paths.MODEL_CARD
  try:
    return file.read_text(encoding='utf-8')
  except (OSError, ValueError) as error:
    raise UserError(
      f'{file}: cannot be read ({error}). Run the training command again: it'
      ' writes the card'
    ) from None


def _copy(source, target, names):
  for name in names:
    if (source / name).exists():
      with atomic_write(target / name) as part:
        shutil.copyfile(source / name, part)


def _card_header(run, license) -> dict[str, Any]:
  """Returns the metadata of a model card, as the Hub defines them.

  Source: https://huggingface.co/docs/hub/model-cards.
  """
  header: dict[str, Any] = {'library_name': 'unik_jax'}
  if license:
    header['license'] = license
  header['tags'] = [*_TAGS, run.config.model.name]
  data, results = run.config.data, []
  for part, metrics in read_test_metrics(run).items():
    if values := metrics.get('clips') and [
      {'type': 'accuracy', 'name': name, 'value': round(metrics[key], 4)}
      for key, name in _METRICS.items()
      if key in metrics
    ]:
      dataset = {'type': data.name, 'name': data.name + _PARTS[part]}
      results.append(
        {'task': _TASK | {}, 'dataset': dataset, 'metrics': values}
      )
  if results:
    header['model-index'] = [{'name': run.folder.name, 'results': results}]
  return header


def _example(run, address):
  """Returns the last section of a card: how the weights are used."""
  load = f"""```python
import unik_jax

model = unik_jax.load({address!r})
for prediction in model.predict('clips/'):
  print(prediction.file, prediction.label)
```

"""
  if run.config.datasets:  # the shared weights are only to start from
    load = ''
  return f"""## Load

{load}The weights are those of step {run.step:,}. To fine-tune them on other
actions or joints, add `--config.init_from={address}` to the command that
trains.
"""
