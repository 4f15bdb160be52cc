"""Pickle files, harmless and malicious."""

import pathlib
import pickle


def write(path, data, protocol=4):
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_bytes(pickle.dumps(data, protocol))
  return path


class Call:
  """Pickles as a call of a function."""

  def __init__(self, function, *args):
    self.call = function, args

  def __reduce__(self):
    return self.call


def malicious_pickle(path, protocol=None):
  """Returns a pickle that creates a file when loaded, after proving it."""
  content = pickle.dumps(Call(pathlib.Path.touch, path), protocol)
  pickle.loads(content)
  path.unlink()
  return content
