"""Functions that alter a folder of raw files, for tests of bad files."""


def write_file(name, content=''):
  """Returns a function that writes a file, text or bytes, into a folder."""
  if isinstance(content, str):
    content = content.encode()
  return lambda folder: (folder / name).write_bytes(content)


def remove_files(pattern):
  """Returns a function that removes the files of a folder that match."""

  def alter(folder):
    for path in folder.glob(pattern):
      path.unlink()

  return alter
