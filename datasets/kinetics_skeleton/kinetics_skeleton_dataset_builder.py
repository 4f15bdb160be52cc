"""Kinetics-skeleton: OpenPose's bodies in the videos of Kinetics-400.

It has the clips, and the two bodies of each frame, that the feeder of ST-GCN
uses. Coordinates are written unchanged.

    python -m unik_jax.prepare kinetics_skeleton --manual_dir=FOLDER
"""

import collections
import pathlib
import re

import tensorflow_datasets as tfds

from unik_jax.data import raw_files
from unik_jax.data.builder import ClipBuilder
from unik_jax.data.clips import ClipFile
from unik_jax.data.formats import kinetics
from unik_jax.data.formats.label_table import find_label, read_label_table
from unik_jax.errors import UserError

_PARTS = {'train': 'train', 'test': 'val'}  # split: its name in the files
_CITATION = """\
@inproceedings{yan2018spatial,
  title={Spatial Temporal Graph Convolutional Networks for Skeleton-Based
         Action Recognition},
  author={Yan, Sijie and Xiong, Yuanjun and Lin, Dahua},
  booktitle={AAAI},
  year={2018}
}"""


class Builder(ClipBuilder):
  """Kinetics-skeleton with splits train and test.

  The test split is the validation set of Kinetics-400.
  """

  VERSION = tfds.core.Version('1.0.0')
  MANUAL_DOWNLOAD_INSTRUCTIONS = (
    'Download kinetics-skeleton.zip of ST-GCN, see'
    ' https://github.com/yysijie/st-gcn#kinetics-skeleton. Put it into the'
    ' manual folder, or extract it there. It has\n'
    '  kinetics_train_label.json  kinetics_train/ with its YOUTUBEID.json\n'
    '  kinetics_val_label.json    kinetics_val/ with its YOUTUBEID.json'
  )

  def _info(self):
    return self.clip_info(
      layout='openpose_18',
      persons=2,
      channels=3,
      confidence=True,
      labels=kinetics.LABELS,
      description=(
        "400 actions in the videos of Kinetics-400, as OpenPose's 18 joints of"
        ' up to two persons, with confidence. Persons are not tracked.'
      ),
      units='image widths and heights, from 0 to 1',
      homepage='https://github.com/yysijie/st-gcn',
      citation=_CITATION,
    )

  def list_clips(self, folder):
    files_by_place = collections.defaultdict(list)
    for file in raw_files.find_files(folder, '.json', self.may_skip):
      path = pathlib.PurePath(file.member or file.path)
      is_table = re.fullmatch(r'kinetics_(train|val)_label\.json', file.name)
      place = file.name if is_table else path.parent.name
      files_by_place[place].append(file)
    for split, part in _PARTS.items():
      table_files = files_by_place[f'kinetics_{part}_label.json']
      clip_files = files_by_place[f'kinetics_{part}']
      if len(table_files) != 1 or not clip_files:
        raise UserError(
          f'{folder}: expected one file kinetics_{part}_label.json and clips'
          f' kinetics_{part}/*.json, got {len(table_files)} and'
          f' {len(clip_files)}.\n{self.MANUAL_DOWNLOAD_INSTRUCTIONS}'
        )
      table = read_label_table(table_files[0])
      for file in clip_files:
        with self.may_skip(file):
          label = _find_label(table, file, table_files[0])
          if not label.has_skeleton:
            self.leave_out(file, 'has_skeleton is false')
            continue
          yield ClipFile(
            id=file.stem, source=file, splits=(split,), label=label.index
          )
      videos = {file.stem for file in clip_files}
      for video in table:
        if video not in videos:
          self.leave_out(f'{table_files[0]}, {video}', 'there is no such file')

  def reader(self):
    return kinetics.read_bodies


def _find_label(table, file, table_file):
  label = find_label(
    table,
    file.stem,
    clip=file,
    table_file=table_file,
    num_classes=len(kinetics.LABELS),
  )
  expected = kinetics.LABELS[label.index]
  if label.name is not None and _letters(label.name) != _letters(expected):
    raise UserError(
      f'{table_file}, {file.stem}: label {label.index}: expected {expected!r},'
      f' as in Kinetics-400, got {label.name!r:.40}. For other actions, use'
      ' skeleton_folder'
    )
  return label


def _letters(name):
  """Returns a name's letters and digits in lower case, to compare spellings."""
  return re.sub(r'\W', '', str(name)).lower()
