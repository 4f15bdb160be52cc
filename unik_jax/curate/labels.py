"""Labels merged into classes, by a map in YAML.

  merge:                       a class, and the labels that become it
    making food: [making a cake, making pizza, making sushi]
  keep: [washing feet, washing hair]      labels that are classes as they are

The paper merges the 400 of Kinetics into 320 by what the body does, so that
"making cakes", "making sushi" and "making pizza" are one. Its list is not
published; `kinetics_320.yaml` is a suggestion of ours.
"""

import difflib
import importlib.resources
import os
import pathlib
from collections.abc import Iterable

import yaml

from unik_jax.errors import UserError

KINETICS = 'kinetics_320'
_UNLISTED = ('error', 'keep', 'drop')


def read(path: str | os.PathLike) -> dict[str, str]:
  """The class of each label.

  Args:
    path: of the YAML file, or 'kinetics_320'.

  Raises:
    UserError: it cannot be read, is not of the form, or has a label twice.
  """
  if str(path) == KINETICS:
    folder = importlib.resources.files(__package__)
    path = folder.joinpath(f'{KINETICS}.yaml')
  else:
    path = pathlib.Path(path).expanduser()
  try:
    table = yaml.safe_load(path.read_text(encoding='utf-8'))
  except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
    raise UserError(f'{path}: cannot be read: {error}') from None
  if not isinstance(table, dict) or not table.keys() <= {'merge', 'keep'}:
    raise UserError(
      f'{path}: keys merge and keep are due, as in `merge: {{making food:'
      ' [making pizza, making sushi]}}` and `keep: [washing feet]`'
    )
  merged, kept = table.get('merge') or {}, table.get('keep') or []
  if not isinstance(merged, dict) or not isinstance(kept, list):
    raise UserError(f'{path}: merge is a table of classes, and keep a list')
  classes = {}
  for name, labels in [*merged.items(), *((label, [label]) for label in kept)]:
    if not isinstance(labels, list):
      raise UserError(f'{path}: class {name!r} needs a list of labels')
    for label in (name, *labels):
      # YAML takes yes, no, on, off and 12 for something else.
      if not isinstance(label, str) or not label.strip():
        raise UserError(
          f'{path}: {label!r} (class {name!r}) is no text; quote it'
        )
    for label in labels:
      if label in classes:
        raise UserError(
          f'{path}: label {label!r} is in class {classes[label]!r} and in'
          f' {name!r}; leave it in one of them'
        )
      classes[label] = name
  if not classes:
    raise UserError(f'{path}: no label in it')
  return classes


def merge(
  labels: Iterable[tuple[str, str]],
  classes: dict[str, str],
  where: str,
  unlisted: str = 'error',
) -> list[str | None]:
  """The class of each label, None for one that is dropped.

  Args:
    labels: (label, the place that has it) each.
    classes: of `read`.
    where: the map, to be named in errors.
    unlisted: what becomes of a label that the map does not have: 'error',
      'keep' as a class of its own, or 'drop'.

  Raises:
    UserError: a label that the map does not have, with the nearest ones.
  """
  if unlisted not in _UNLISTED:
    raise UserError(f'unlisted: {unlisted!r}; use one of {_UNLISTED}')
  out = []
  for label, place in labels:
    if label not in classes and unlisted == 'error':
      near = difflib.get_close_matches(label, classes, 1, 0.7)
      raise UserError(
        f'{place}: label {label!r} is not in {where}'
        + (f', which has {near[0]!r}' if near else '')
        + '; add it there, or go on with --unlisted=keep or --unlisted=drop'
      )
    out.append(classes.get(label, label if unlisted == 'keep' else None))
  return out
