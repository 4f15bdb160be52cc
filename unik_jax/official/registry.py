"""Which architectures have an official PyTorch state dict, and its names."""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from unik_jax.errors import UserError
from unik_jax.models.agcn import AGCN
from unik_jax.models.ctr_gcn import CTRGCN
from unik_jax.models.ms_g3d import MSG3D
from unik_jax.models.recognizer import Recognizer
from unik_jax.models.registry import get_model
from unik_jax.models.st_gcn import STGCN
from unik_jax.models.unik import UNIK
from unik_jax.official import ctr_gcn, ms_g3d, st_gcn, state_dict, unik


class Format(NamedTuple):
  """An architecture's official state dict.

  Attributes:
    tensors: yields its tensors, of a model.
    shape: reads the data's shape off one; None if it is of another model.
  """

  tensors: Callable[[Any], Iterator[state_dict.Tensor]]
  shape: Callable[..., dict[str, int] | None]


# AAGCN and ST-GCN++ are missing: no official file was at hand to compare with.
FORMATS: dict[type[Recognizer], Format] = {
  UNIK: Format(unik.tensors, unik.shape),
  AGCN: Format(
    functools.partial(unik.tensors, names=unik.AGCN), unik.agcn_shape
  ),
  STGCN: Format(st_gcn.tensors, st_gcn.shape),
  MSG3D: Format(ms_g3d.tensors, ms_g3d.shape),
  CTRGCN: Format(ctr_gcn.tensors, ctr_gcn.shape),
}


def list_tensors(model: Recognizer) -> list[state_dict.Tensor]:
  """Lists the tensors of a model's official state dict, in its order.

  Args:
    model: abstract (`Network.abstract`) or not.

  Raises:
    UserError: the model has no known official state dict.
  """
  if type(model) not in FORMATS:
    raise UserError(
      f'{type(model).__name__}: no official state dict is known. Checkpoints of'
      ' the run carry its weights.'
    )
  return list(FORMATS[type(model)].tensors(model))


def data_shape(
  name: str, tensors: Mapping[str, np.ndarray], options: Mapping[str, Any]
) -> dict[str, int] | None:
  """Reads the shape of the data that a state dict's model was trained on.

  Args:
    name: a key of `models.registry.MODELS`.
    tensors: arrays by official name.
    options: of the model.

  Returns:
    Some of num_classes, num_joints, num_persons and in_channels; None if the
    state dict is of another model.
  """
  official = FORMATS.get(get_model(name))
  return official.shape(tensors, options) if official else None
