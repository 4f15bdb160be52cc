"""Label tables of Kinetics-skeleton and Posetics: JSON, by YouTube id.

Each part of such a dataset has one, `kinetics_train_label.json` for example:

  {"YOUTUBEID": {"label": "clapping", "label_index": 57, "has_skeleton": true},
   ...}

Posetics has no "label". Documented at
https://github.com/yysijie/st-gcn#kinetics-skeleton.
"""

from typing import Any, NamedTuple

from unik_jax.data import raw_files
from unik_jax.errors import UserError


class VideoLabel(NamedTuple):
  """One entry of a label table.

  Attributes:
    index: index of the class, from 0.
    has_skeleton: False if the estimator found nobody in the video. The
      published scripts skip such clips.
    name: name of the class; None if the table has no names.
  """

  index: int
  has_skeleton: bool
  name: Any


def read_label_table(file: raw_files.RawFile) -> dict[str, Any]:
  """Reads a label table. Its entries are checked by `find_label`.

  Raises:
    UserError: the file cannot be read, or is not a JSON object.
  """
  table = raw_files.read_json(file)
  if not isinstance(table, dict):
    raise UserError(
      f'{file}: expected {{"YOUTUBEID": {{"label_index": 57, "has_skeleton":'
      f' true}}, ...}}, got a {type(table).__name__}. {raw_files.FETCH_AGAIN}'
    )
  return table


def find_label(
  table: dict[str, Any],
  video: str,
  *,
  clip: raw_files.RawFile,
  table_file: raw_files.RawFile,
  num_classes: int,
) -> VideoLabel:
  """Returns the checked label of a video.

  Args:
    table: from `read_label_table`.
    video: YouTube id.
    clip: the clip's file, for errors.
    table_file: the table's file, for errors.
    num_classes: number of classes; labels are less.

  Raises:
    UserError: the table has no such video, or its entry has wrong values.
  """
  entry = table.get(video)
  if not isinstance(entry, dict):
    raise UserError(
      f'{clip}: {table_file} has no label for {video}. Remove the clip, or'
      ' download the labels again'
    )
  where = f'{table_file}, {video}'
  index, has_skeleton = entry.get('label_index'), entry.get('has_skeleton')
  if type(index) is not int or not 0 <= index < num_classes:
    raise UserError(
      f'{where}: label_index: expected an integer from 0 to {num_classes - 1},'
      f' got {index!r:.40}. Correct it, or download the labels again'
    )
  if not isinstance(has_skeleton, bool):
    raise UserError(
      f'{where}: has_skeleton: expected true or false, got'
      f' {has_skeleton!r:.40}. Correct it, or download the labels again'
    )
  return VideoLabel(index, has_skeleton, entry.get('label'))
