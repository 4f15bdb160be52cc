"""MATLAB files (.mat, versions 4 to 7.2) as numpy arrays.

MSR-Action3D and Penn Action publish lists and annotations in this form. The
format: https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf.
"""

import io
import warnings
from collections.abc import Sequence

import numpy as np
import scipy.io

from unik_jax.data.raw_files import FETCH_AGAIN
from unik_jax.errors import UserError


def read_mat_fields(
  content: bytes, where: str, names: Sequence[str]
) -> dict[str, np.ndarray]:
  """Returns the named variables of a MATLAB file.

  Args:
    content: the file's bytes.
    where: the file, for errors.
    names: variables to read. All others are skipped.

  Raises:
    UserError: the file cannot be read, or a variable is missing or sparse.
  """
  try:
    with warnings.catch_warnings():
      # scipy 1.18 and later deprecate the class that they return for a sparse
      # matrix. Sparse matrices of any class are refused below.
      warnings.simplefilter('ignore', DeprecationWarning)
      fields = scipy.io.loadmat(io.BytesIO(content), variable_names=names)
  except Exception as error:  # scipy raises many types on a broken file
    raise UserError(
      f'{where}: not a MATLAB file that can be read ({error}). {FETCH_AGAIN}'
    ) from error
  for name in names:
    if name not in fields:
      raise UserError(f'{where}: no field {name!r}. {FETCH_AGAIN}')
    if not isinstance(fields[name], np.ndarray):
      raise UserError(f'{where}: {name} is a sparse matrix. {FETCH_AGAIN}')
  return {name: fields[name] for name in names}
