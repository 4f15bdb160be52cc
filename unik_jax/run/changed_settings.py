"""How two experiments' settings differ: from the defaults, or on resume."""

from ml_collections import ConfigDict

from unik_jax.config import default_config, flatten
from unik_jax.errors import UserError

_MAX_SHOWN = 8  # settings that differ, in an error
# Settings that may change when a run resumes: they affect no weight.
_MAY_CHANGE = (
  'eval_only',
  'floor',
  'eval_batch_size',
  'eval_every',
  'checkpoint_every',
  'keep',
  'log_every',
  'mesh',
  'model.implementation',
  'tensorboard',
  'profile',
  'save_official',
  'data.data_dir',
  'data.manual_dir',
  'data.test_split',
  'data.test_subjects',
  'data.test_frames',
  'data.test_clips',
  'data.test_crops',
  'data.threads',
  'data.prefetch',
  'data.on_device',
)


def changed_settings(config: ConfigDict) -> dict[str, str]:
  """Returns the settings that differ from the defaults, as 'a.b' to value.

  Args:
    config: settings of an experiment.

  Returns:
    Values as Python writes them, in at most 60 characters.
  """
  flat, defaults = flatten(config.to_dict()), _flat_defaults()
  shared = defaults | flat  # what all datasets have is named once, in `data`
  changed = {}
  for key, value in flat.items():
    general = _any_dataset(key)
    default = (defaults if general == key else shared).get(general)
    if _tuple_to_list(value) != _tuple_to_list(default):
      changed[key] = _shorten(value)
  return changed


def check_same_experiment(config: ConfigDict, before: dict, where: str) -> None:
  """Raises a UserError if `config` would not resume the run of `before`.

  Args:
    config: the config of this run.
    before: the config, as a dict, that the workdir was started with.
    where: the file of `before`, to name in the error.
  """
  # A run that is older than a setting was trained with its default.
  defaults = _flat_defaults()
  new, old = defaults | flatten(config.to_dict()), defaults | flatten(before)
  different = []
  for key in sorted(new.keys() | old.keys()):
    default = defaults.get(_any_dataset(key))
    there, here = old.get(key, default), new.get(key, default)
    if _any_dataset(key) not in _MAY_CHANGE and (
      _tuple_to_list(there) != _tuple_to_list(here)
    ):
      texts = _shorten(there), _shorten(here)
      different.append('  {}: {} there, {} here'.format(key, *texts))
  if different:
    shown = different[:_MAX_SHOWN]
    if hidden := len(different) - len(shown):
      shown.append(f'  and {hidden} more')
    raise UserError(
      f'{where}: the workdir belongs to another experiment:\n'
      + '\n'.join(shown)
      + '\nUse another --workdir, or the same settings to resume.'
    )


def _flat_defaults():
  """Returns the defaults, with that of a dataset's weight."""
  return flatten(default_config().to_dict()) | {'data.weight': 0.0}


def _any_dataset(key):
  """Returns data.KEY for datasets.NAME.KEY: its default and its rules."""
  first, *rest = key.split('.')
  return f'data.{rest[1]}' if first == 'datasets' else key


def _shorten(value):
  """Returns a value as Python writes it, in at most 60 characters."""
  text = repr(value)
  return text if len(text) <= 60 else f'{text[:57]}...'


def _tuple_to_list(value):
  """Returns a list for a tuple, since a config read from JSON has lists."""
  return list(value) if isinstance(value, tuple) else value
