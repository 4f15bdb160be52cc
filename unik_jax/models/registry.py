"""The networks by name.

A new network is one file in this folder and one line in `MODELS`. Its class is
a `recognizer.Recognizer` and takes (num_classes, num_persons, in_channels, *,
dtype, rngs), one or both of num_joints and layout, and options. Options that
no other network has are lines in `options.DEFAULTS`.
"""

from unik_jax.errors import UserError, check_choice
from unik_jax.models.agcn import AAGCN, AGCN
from unik_jax.models.ctr_gcn import CTRGCN
from unik_jax.models.ms_g3d import MSG3D
from unik_jax.models.options import ROCKETS
from unik_jax.models.recognizer import Recognizer
from unik_jax.models.res_gcn import ResGCN
from unik_jax.models.st_gcn import STGCN
from unik_jax.models.st_gcn_pp import STGCNPP
from unik_jax.models.unik import UNIK
from unik_jax.models.unik_pp import UNIKPP

MODELS: dict[str, type[Recognizer]] = {
  'unik': UNIK,
  'unik_pp': UNIKPP,
  'agcn': AGCN,
  'aagcn': AAGCN,
  'st_gcn': STGCN,
  'ms_g3d': MSG3D,
  'ctr_gcn': CTRGCN,
  'st_gcn_pp': STGCNPP,
  'res_gcn': ResGCN,
}


def get_model(name: str) -> type[Recognizer]:
  """Returns the class of a model.

  Raises:
    UserError: no model has that name, or it is no network.
  """
  if name in ROCKETS:
    raise UserError(
      f'model.name: expected a network here ({", ".join(sorted(MODELS))}), got'
      f' {name!r}, which is fitted and not trained'
    )
  check_choice('model.name', name, (*sorted(MODELS), *ROCKETS))
  return MODELS[name]
