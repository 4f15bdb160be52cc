"""Motion energy of the persons of a clip, and their order by it.

UNIK's and 2s-AGCN's scripts order the persons of a clip by this "energy"
(data_gen/ of https://github.com/lshiwjx/2s-AGCN). It tells people who act from
bystanders, and from furniture that a sensor took for a body.
"""

import numpy as np


def motion_energy(poses: np.ndarray) -> np.ndarray:
  """Returns the motion energy of each person.

  The sum over channels of the standard deviation over all joints and all frames
  in which the person is present.

  Args:
    poses: (M, T, V, C). A person who is all zeros in a frame is absent.

  Returns:
    (M,) float64 in the units of `poses`; 0 for a person who is never present.
  """
  persons = [person[person.any((1, 2))] for person in poses.astype(np.float64)]
  return np.array([p.std((0, 1)).sum() if len(p) else 0.0 for p in persons])


def rank_by_energy(poses: np.ndarray) -> np.ndarray:
  """Returns the indices (M,) of the persons (M, T, V, C), highest energy first.

  Persons of equal energy keep their order.
  """
  return np.argsort(-motion_energy(poses), kind='stable')


def sort_by_energy(poses: np.ndarray) -> np.ndarray:
  """Returns the persons (M, T, V, C), highest energy first."""
  return poses[rank_by_energy(poses)]
