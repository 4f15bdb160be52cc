"""Damage of files, as a failing disk does it."""

import pathlib


def flip_bit(path: pathlib.Path, at: int) -> None:
  """Flips a bit of the byte `at`; the file keeps its length."""
  content = bytearray(path.read_bytes())
  content[at] ^= 4
  path.write_bytes(content)
