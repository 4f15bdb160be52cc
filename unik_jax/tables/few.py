"""Table few: accuracy from a few training clips of each class.

Each number of clips is drawn several times (`data.clips_per_class`,
`data.draw`). A draw with all clips varies the seed only. Networks and the floor
have the same training clips and the same test clips. Test clips that are in
training, when all clips are, do not count for any number of clips.
"""

import collections
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ml_collections import ConfigDict

from unik_jax.data import splits
from unik_jax.errors import UserError
from unik_jax.floor.comparison import Comparison
from unik_jax.floor.measure import FloorRow, measure_floor, pool_floors
from unik_jax.tables.plan import Plan
from unik_jax.tables.summary import (
  Outcome,
  compare_with_floors,
  read_outcomes,
)

NAME = 'few'
ALL = 0  # the number of clips that stands for all
SIZES = (5, 10, 20, ALL)


class Clips(NamedTuple):
  """The clips of a dataset, as the table uses them.

  Attributes:
    train: mean number of training clips of a fold, by number of clips per
      class. A number that no class exceeds is left out: it is all clips.
    per_class: mean number of all training clips of a class.
    seen: ids of the test clips that are in training.
    sizes: the numbers of clips per class to measure.
  """

  train: Mapping[int, float]
  per_class: float
  seen: frozenset[str]
  sizes: tuple[int, ...] = SIZES


class Point(NamedTuple):
  """Results with one number of clips of each class.

  Attributes:
    outcomes: results by row, of networks and of the floor. Their seeds are the
      draws.
    above: each network beside the best row of the floor.
  """

  outcomes: Mapping[str, Outcome]
  above: Mapping[str, Comparison]


def list_repetitions(
  sizes: Sequence[int], draws: int
) -> dict[str, tuple[str, ...]]:
  """Maps the name of each repetition to its arguments of `unik_jax.main`.

  Args:
    sizes: numbers of clips of each class.
    draws: number of draws, which count from 0.
  """
  repetitions: dict[str, tuple[str, ...]] = {}
  for size in sizes:
    for draw in range(draws):
      seed = f'--config.seed={draw}'
      if size == ALL:
        repetitions[str(draw)] = (seed,)
      else:
        repetitions[f'few{size}_{draw}'] = (
          seed,
          f'--config.data.clips_per_class={size}',
          f'--config.data.draw={draw}',
        )
  return repetitions


def parse_sizes(words: Sequence[str]) -> tuple[int, ...]:
  """Returns numbers of clips per class, from numbers and 'all'.

  Raises:
    UserError: a word is neither 'all' nor a number of at least 1.
  """
  for word in words:
    if word != 'all' and not (word.isdecimal() and int(word)):
      raise UserError(
        f'--clips: expected numbers of at least 1, or all, got {word!r}'
      )
  sizes = {ALL if word == 'all' else int(word) for word in words}
  return tuple(sorted(sizes, key=lambda size: (size == ALL, size)))


def refuse_clips(table: str, *, given: bool) -> None:
  """Raises a UserError if `--clips` was given for another table.

  Args:
    table: name of the table.
    given: whether the command line has the flag.
  """
  if given:
    raise UserError(
      f'--clips: only for table {NAME}, got table {table!r}. Leave it out'
    )


def count_clips(
  folds: Sequence[ConfigDict], sizes: Sequence[int] = SIZES
) -> Clips:
  """Counts the training clips, and finds the test clips that are among them.

  Args:
    folds: `data` settings of each fold, prepared, with all clips.
    sizes: numbers of clips per class to measure.

  Raises:
    UserError: the dataset is not prepared or damaged, or no number is below
      that of the largest class.
  """
  counts, seen = [], set()
  for data in folds:
    clips = splits.open_split(data, 'train')
    labels = (clips[i]['label'] for i in range(len(clips)))
    counts.append(collections.Counter(labels))
    tested = splits.open_split(data, 'test')
    if (is_seen := splits.find_seen(data, tested)) is not None:
      ids = zip(tested.ids(), is_seen, strict=True)
      seen.update(name for name, found in ids if found)
  most = max(max(count.values()) for count in counts)
  train = {
    size: sum(min(n, size or n) for count in counts for n in count.values())
    / len(folds)
    for size in sizes
    if size < most
  }
  if not train:
    raise UserError(
      f'--clips: expected a number below {most}, the clips of the largest'
      f' class, or all, got {", ".join(map(str, sizes)) or "none"}'
    )
  classes = sum(map(len, counts)) / len(folds)
  clips = sum(map(collections.Counter.total, counts)) / len(folds)
  per_class = clips / classes
  return Clips(train, per_class, frozenset(seen), tuple(sizes))


def draw_clips(data: ConfigDict, size: int, draw: int) -> ConfigDict:
  """Returns a copy of `data` settings with a draw of the training clips."""
  data = data.copy_and_resolve_references()
  data.update(clips_per_class=size, draw=draw if size != ALL else 0)
  return data


def measure_points(
  planned: Plan,
  clips: Clips,
  draws: int,
  floor: Sequence[str] | None,
  log: Callable[[str], None],
) -> dict[int, Point]:
  """Returns the results by number of clips; fits what is not kept yet.

  Args:
    planned: the networks' runs; some may be unfinished.
    clips: from `count_clips`.
    draws: number of draws.
    floor: rows of the floor, as in `measure_floor`.
    log: as in `measure_floor`.

  Raises:
    UserError: files cannot be read or written.
  """
  headline = planned.folds[0].headline
  points = {}
  for size in clips.train:
    rows = _measure_draws(planned, size, draws, floor, log)
    runs = Plan(
      planned.folds,
      {
        row: [
          runs
          for runs in repetitions
          if runs[0].config.data.clips_per_class == size
        ]
        for row, repetitions in planned.rows.items()
      },
      planned.trainings,
    )
    outcomes = read_outcomes(runs, headline, rows, clips.seen)
    above = compare_with_floors(outcomes, headline)
    points[size] = Point(outcomes, above)
  return points


def _measure_draws(planned, size, draws, floor, log):
  """The floor, with the draws instead of seeds."""
  by_draw = [
    pool_floors(
      [
        measure_floor(
          draw_clips(fold.data, size, draw), (draw,), floor, log=log
        )
        for fold in planned.folds
      ]
    )
    for draw in range(draws)
  ]
  return [
    FloorRow(
      rows[0].name,
      tuple(row.scores[0] for row in rows),
      statistics.median(row.seconds for row in rows),
      rows[0].fitted,
      rows[0].train,
    )
    for rows in zip(*by_draw, strict=True)
  ]
