"""Label maps: YAML files that merge labels into classes.

  merge:                       a class, and the labels that become this class
    making food: [making a cake, making pizza, making sushi]
  keep: [washing feet, washing hair]      labels that stay unchanged

Posetics merges the 400 labels of Kinetics into 320 classes by body motion, so
that "making cakes", "making sushi" and "making pizza" are one class (Yang et
al., "UNIK", BMVC 2021, section 4). The authors' list is not published;
`kinetics_320.yaml` is a suggestion by this project.
"""

import difflib
import importlib.resources
import os
import pathlib
from collections.abc import Iterable

from unik_jax.errors import UserError, check_choice
from unik_jax.runtime.yaml_files import read_yaml

KINETICS = 'kinetics_320'
_UNLISTED = ('error', 'keep', 'drop')


def read_label_map(path: str | os.PathLike) -> dict[str, str]:
  """Returns the class of each label in a label map.

  Args:
    path: path of the YAML file, or 'kinetics_320'.

  Raises:
    UserError: the file cannot be read or is malformed, or a label is in two
      classes.
  """
  if str(path) == KINETICS:
    folder = importlib.resources.files('unik_jax.curate')
    file = folder.joinpath(f'{KINETICS}.yaml')
  else:
    file = path = pathlib.Path(path).expanduser()
  table = read_yaml(file, str(path))
  if not isinstance(table, dict) or not table.keys() <= {'merge', 'keep'}:
    keys = sorted(map(str, table)) if isinstance(table, dict) else table
    raise UserError(
      f'{path}: expected the keys merge and keep, got {keys!r}. Write'
      ' `merge: {making food: [making pizza, making sushi]}` and'
      ' `keep: [washing feet]`'
    )
  merged, unchanged = table.get('merge') or {}, table.get('keep') or []
  for key, value, form in (
    ('merge', merged, dict),
    ('keep', unchanged, list),
  ):
    if not isinstance(value, form):
      kind = 'a table of classes' if form is dict else 'a list of labels'
      raise UserError(f'{path}, {key}: expected {kind}, got {value!r}')
  classes = {}
  for name, labels in [*merged.items(), *((x, [x]) for x in unchanged)]:
    if not isinstance(labels, list):
      raise UserError(
        f'{path}, class {name!r}: expected a list of labels, got {labels!r}'
      )
    for label in (name, *labels):
      # YAML reads yes, no, on, off and 12 as booleans and a number.
      if not isinstance(label, str) or not label.strip():
        raise UserError(
          f'{path}, class {name!r}: expected text, got {label!r}. Put it in'
          ' quotes'
        )
    for label in labels:
      if label in classes:
        raise UserError(
          f'{path}: label {label!r} is in the classes {classes[label]!r} and'
          f' {name!r}. Remove it from one of them'
        )
      classes[label] = name
  if not classes:
    raise UserError(f'{path}: expected at least one label, got none')
  return classes


def merge_labels(
  labels: Iterable[tuple[str, str]],
  classes: dict[str, str],
  map_name: str,
  unlisted: str = 'error',
) -> list[str | None]:
  """Returns the class of each label, None for a label that is dropped.

  Args:
    labels: pairs (label, place of the label for errors).
    classes: from `read_label_map`.
    map_name: name of the label map for errors.
    unlisted: what to do with a label that the map lacks: 'error', 'keep' it as
      a class, or 'drop' its clips.

  Raises:
    UserError: the map lacks a label, and `unlisted` is 'error'.
  """
  check_choice('unlisted', unlisted, _UNLISTED)
  merged = []
  for label, place in labels:
    if label not in classes and unlisted == 'error':
      near = difflib.get_close_matches(label, classes, 1, 0.7)
      raise UserError(
        f'{place}: label {label!r} is not in {map_name}'
        + (f', which has {near[0]!r}' if near else '')
        + '. Add it there, or use --unlisted=keep or --unlisted=drop'
      )
    merged.append(classes.get(label, label if unlisted == 'keep' else None))
  return merged
