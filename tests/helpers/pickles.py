"""Pickle files, harmless and malicious."""

import pathlib
import pickle


def write_pickle(path, data, protocol=4):
  """Writes a pickle, and the folders above it. Returns its path."""
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_bytes(pickle.dumps(data, protocol))
  return path


class Call:
  """An object whose pickle calls a function when it is loaded."""

  def __init__(self, function, *args):
    self.call = function, args

  def __reduce__(self):
    return self.call


def malicious_pickle(path, protocol=None):
  """Returns a pickle that creates the file `path` when it is loaded.

  It is loaded once, to show that it does.
  """
  content = pickle.dumps(Call(pathlib.Path.touch, path), protocol)
  pickle.loads(content)
  path.unlink()
  return content
