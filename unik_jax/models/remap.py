"""Mapping a network's arrays to other joints, persons and channels, by name."""

import functools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from unik_jax.skeletons import joint_maps
from unik_jax.skeletons.layouts import Layout


class DataShape(NamedTuple):
  """The data dimensions of a network's input.

  Attributes:
    layout: joint layout.
    persons: number of persons, M.
    channels: names of the channels.
  """

  layout: Layout
  persons: int
  channels: tuple[str, ...]


def channel_names(count: int, confidence: bool) -> tuple[str, ...]:
  """Returns the names of a number of channels.

  Args:
    count: number of channels.
    confidence: whether the last one is a confidence.
  """
  names = ('x', 'y', 'z')[: count - bool(confidence)]
  return names + ('confidence',) * bool(confidence)


class Remap:
  """Maps arrays of a network for some data to arrays for other data.

  Args:
    old: data of the network that has values.
    new: data of the network to be filled.
    fresh: leave joints that `old` lacks to the new network, instead of copying
      the nearest joint.

  Attributes:
    changes: whether any array is changed.

  Raises:
    UserError: the layouts have no joint in common.
  """

  def __init__(self, old: DataShape, new: DataShape, *, fresh: bool):
    self._old, self._new = old, new
    joints: Sequence[int | None]
    if old.layout == new.layout:
      joints = list(range(new.layout.num_joints))
    elif fresh:
      joints = joint_maps.find_counterparts(old.layout, new.layout)
    else:
      joints = joint_maps.find_nearest(old.layout, new.layout)
    # A kernel over joints has an odd number of taps. Its middle stays the
    # middle.
    num_joints = old.layout.num_joints
    taps, new_taps = (
      n - 1 + n % 2 for n in (num_joints, new.layout.num_joints)
    )
    shift = (taps - new_taps) // 2
    # By data dimension (`data_axes` of a model): the old index, or None, of
    # each new index.
    self._indices: dict[str, Sequence[int | None]] = {
      # Further persons start as a copy of the last one.
      'persons': [min(m, old.persons - 1) for m in range(new.persons)],
      'joints': joints,
      'inputs': joints,
      'reach': [
        tap if 0 <= tap < taps else None
        for tap in range(shift, new_taps + shift)
      ],
      'channels': [
        old.channels.index(name) if name in old.channels else None
        for name in new.channels
      ],
    }
    self._old_sizes = {
      'persons': old.persons,
      'joints': num_joints,
      'inputs': num_joints,
      'reach': taps,
      'channels': len(old.channels),
    }
    self.changes = any(
      indices != list(range(self._old_sizes[name]))
      for name, indices in self._indices.items()
    )

  def __call__(
    self, old: np.ndarray, new: np.ndarray, axes: tuple[tuple, ...]
  ) -> np.ndarray:
    """Returns an array like `new`, filled from `old` where a name matches.

    Args:
      old: array of the network that has values.
      new: array of the network to be filled.
      axes: per axis, the data dimensions that it is made of, slowest-varying
        first (`data_axes` of a model).
    """
    # Split each axis into its data dimensions, so that each has its own index.
    factors = []
    for axis, length in zip(axes, old.shape, strict=True):
      factors += axis or (length,)
    split_shape = [self._old_sizes.get(f, f) for f in factors]
    indices: list[Sequence[int | None]] = [
      self._indices.get(f, range(n))
      for f, n in zip(factors, split_shape, strict=True)
    ]
    taken = old.reshape(split_shape)[
      np.ix_(*[[i or 0 for i in index] for index in indices])
    ]
    # New joints that copy one old joint share its weight where joints are
    # summed over ('inputs'), so that the sum stays the same.
    for n, factor in enumerate(factors):
      if factor == 'inputs':
        copies = [max(indices[n].count(i), 1) for i in indices[n]]
        shape = [-1 if m == n else 1 for m in range(len(factors))]
        taken = taken / np.reshape(copies, shape)
    has_old: np.ndarray = functools.reduce(
      np.multiply.outer, [[i is not None for i in index] for index in indices]
    )
    filled = np.where(has_old, taken, new.reshape(has_old.shape))
    return filled.reshape(new.shape)

  def differences(self) -> Iterator[str]:
    """Yields lines that say how the new data differs from the old."""
    old, new = self._old, self._new
    if old.layout != new.layout:
      same = joint_maps.find_counterparts(old.layout, new.layout)
      yield (
        f'joints: {old.layout.name} to {new.layout.name}, with'
        f' {sum(i is not None for i in same)} of {len(same)} in common'
      )
      for joint, match, copied in zip(
        new.layout.joints, same, self._indices['joints'], strict=True
      ):
        if match is None:
          is_new = copied is None
          yield f'  {joint}: ' + (
            'new' if is_new else f'as {old.layout.joints[copied]}'
          )
    if old.channels != new.channels:
      yield f'channels: {" ".join(old.channels)} to {" ".join(new.channels)}'
    if old.persons != new.persons:
      yield f'persons: {old.persons} to {new.persons}'
