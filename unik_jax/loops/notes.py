"""What a training prints about itself at its start, and checks at its end."""

import pathlib
from collections.abc import Mapping
from typing import Any

import jax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from unik_jax import transfer
from unik_jax.errors import UserError
from unik_jax.run import paths
from unik_jax.run.data_file import RunData
from unik_jax.run.wording import describe_experiment


def describe_size(
  config: ConfigDict,
  train_clips: int,
  test_clips: int,
  net: Any,
  mesh: Mesh,
) -> str:
  """Returns how much is trained on what, and where, in a line."""
  return (
    f'{config.data.name}: {train_clips} clips to train, {test_clips} to test;'
    f' {config.model.name} of {net.num_params():,} parameters on'
    f' {len(mesh.devices.flat)} {jax.devices()[0].device_kind} device(s)'
  )


def describe_new_run(start: transfer.Start, data: RunData | None) -> str:
  """Returns the settings and the initial weights of a run, in lines."""
  lines = [f'Settings: {describe_experiment(start.config)}']
  if data:  # on the first process, which prints
    lines += transfer.describe_start(start, data.units, data.image_sizes)
  return '\n'.join(lines)


def describe_resumption(step: int, total_steps: int) -> str:
  """Returns from where a run resumes, in a line."""
  if step == total_steps:
    return f'Already complete ({total_steps} steps). Evaluates it again.'
  return f'Resuming from step {step} of {total_steps}.'


def describe_shares(shares: Mapping[str, float], warm_steps: int) -> str:
  """Returns the share of each dataset in the steps, in a line."""
  parts = [f'{name} {100 * share:.0f}%' for name, share in shares.items()]
  return (
    f'Steps by dataset: {", ".join(parts)}. Each compiles at its first step,'
    f' the last one at step {warm_steps} from here.'
  )


def check_last_saved(workdir: pathlib.Path, is_saved: bool) -> None:
  """Raises a UserError if a finished run lacks its last state."""
  if not is_saved:
    raise UserError(
      f'{workdir}: the last checkpoint could not be written. The results are'
      f' in {paths.SUMMARY}. Make room, and run the same command again.'
    )


def check_best_saved(
  workdir: pathlib.Path, step: int, is_saved: bool, has_best: bool
) -> None:
  """Raises a UserError if a finished run lacks its best state.

  Args:
    workdir: folder of the run.
    step: step of the last state.
    is_saved: whether the best state is on disk.
    has_best: whether it was tested, if there is one.
  """
  results_in = f'The results are in {paths.SUMMARY}.'
  if not is_saved:
    raise UserError(
      f'{workdir / paths.BEST}: the best state on validation could not be'
      f' written. {results_in} Make room before the next run.'
    )
  if not has_best:
    raise UserError(
      f'{workdir / paths.BEST}: the best state on validation is damaged or'
      f' lost, and was not tested. {results_in} They are those of the last'
      f' state, step {step}. Restore {paths.BEST}/ from a copy and run the same'
      ' command again, or train in another --workdir.'
    )
