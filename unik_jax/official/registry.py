"""Official state-dict format of each architecture that has one."""

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
from unik_jax.models.res_gcn import ResGCN
from unik_jax.models.st_gcn import STGCN
from unik_jax.models.st_gcn_pp import STGCNPP
from unik_jax.models.unik import UNIK
from unik_jax.official import (
  ctr_gcn,
  ms_g3d,
  res_gcn,
  st_gcn,
  st_gcn_pp,
  state_dict,
  unik,
)


class Format(NamedTuple):
  """The official state-dict format of an architecture.

  Attributes:
    tensors: function that yields the tensors of a model's state dict.
    shape: function that returns the shape of the data that a state dict was
      trained on; None if the state dict belongs to another architecture.
  """

  tensors: Callable[[Any], Iterator[state_dict.Tensor]]
  shape: Callable[..., dict[str, int] | None]


# AAGCN is missing, because no official file was available for comparison.
FORMATS: dict[type[Recognizer], Format] = {
  UNIK: Format(unik.tensors, unik.shape),
  AGCN: Format(
    functools.partial(unik.tensors, names=unik.AGCN), unik.agcn_shape
  ),
  STGCN: Format(st_gcn.tensors, st_gcn.shape),
  MSG3D: Format(ms_g3d.tensors, ms_g3d.shape),
  CTRGCN: Format(ctr_gcn.tensors, ctr_gcn.shape),
  STGCNPP: Format(st_gcn_pp.tensors, st_gcn_pp.shape),
  ResGCN: Format(res_gcn.tensors, res_gcn.shape),
}


def list_tensors(model: Recognizer) -> list[state_dict.Tensor]:
  """Returns the tensors of a model's official state dict, in its order.

  Args:
    model: the model, abstract (`Network.abstract`) or with weights.

  Raises:
    UserError: the model's architecture has no official format.
  """
  if type(model) not in FORMATS:
    raise UserError(
      'config.model.name: expected a model with an official format, got'
      f' {type(model).__name__}. Use the checkpoints, which hold its weights.'
    )
  return list(FORMATS[type(model)].tensors(model))


def data_shape(
  name: str, tensors: Mapping[str, np.ndarray], options: Mapping[str, Any]
) -> dict[str, int] | None:
  """Returns the shape of the data that a state dict was trained on.

  Args:
    name: a key of `models.registry.MODELS`.
    tensors: arrays by official name.
    options: options of the model.

  Returns:
    Those of num_classes, num_joints, num_persons and in_channels that the
    state dict defines; None if it belongs to another architecture.
  """
  official = FORMATS.get(get_model(name))
  return official.shape(tensors, options) if official else None
