"""Kinetics-skeleton: OpenPose's bodies in Kinetics-400's videos, 400 actions.

The files that ST-GCN's authors give out, and the clips and the two bodies of a
frame that their feeder takes. Coordinates are written as they are there.
"""

import collections
import pathlib
import re

import tensorflow_datasets as tfds

from unik_jax.data import raw_files
from unik_jax.data.builder import ClipBuilder
from unik_jax.data.clips import ClipFile
from unik_jax.data.formats import kinetics
from unik_jax.errors import UserError

_PARTS = {'train': 'train', 'test': 'val'}  # split: as the files call it
_CITATION = """\
@inproceedings{yan2018spatial,
  title={Spatial Temporal Graph Convolutional Networks for Skeleton-Based
         Action Recognition},
  author={Yan, Sijie and Xiong, Yuanjun and Lin, Dahua},
  booktitle={AAAI},
  year={2018}
}"""


class Builder(ClipBuilder):
  """Splits train and test, which is Kinetics' validation set."""

  VERSION = tfds.core.Version('1.0.0')
  MANUAL_DOWNLOAD_INSTRUCTIONS = (
    'Kinetics-skeleton is given out by the authors of ST-GCN: see'
    ' https://github.com/yysijie/st-gcn. Put into the manual folder, as it is'
    ' or extracted, kinetics-skeleton.zip with\n'
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
      description="OpenPose's bodies in the videos of Kinetics-400.",
      units='image widths and heights, from 0 to 1',
      homepage='https://github.com/yysijie/st-gcn',
      citation=_CITATION,
    )

  def list_clips(self, folder):
    found = collections.defaultdict(list)
    for file in raw_files.find_files(folder, '.json', self.may_skip):
      path = pathlib.PurePath(file.member or file.path)
      is_label = re.fullmatch(r'kinetics_(train|val)_label\.json', file.name)
      found[file.name if is_label else path.parent.name].append(file)
    for split, part in _PARTS.items():
      label_files = found[f'kinetics_{part}_label.json']
      clip_files = found[f'kinetics_{part}']
      if len(label_files) != 1 or not clip_files:
        raise UserError(
          f'{folder}: {len(label_files)} files kinetics_{part}_label.json, and'
          f' {len(clip_files)} .json files in kinetics_{part}/.\n'
          + self.MANUAL_DOWNLOAD_INSTRUCTIONS
        )
      labels = _read_labels(label_files[0])
      for file in clip_files:
        with self.may_skip(file):
          label, has_skeleton = _label(labels, file, label_files[0])
          if not has_skeleton:
            self.leave_out(file, 'has_skeleton is false')
            continue
          yield ClipFile(
            id=file.stem, source=file, splits=(split,), label=label
          )
      there = {file.stem for file in clip_files}
      for video in labels:
        if video not in there:
          self.leave_out(f'{label_files[0]}, {video}', 'there is no such file')

  def reader(self):
    return kinetics.read_bodies


def _read_labels(file):
  labels = raw_files.read_json(file)
  if not isinstance(labels, dict):
    raise UserError(
      f'{file}: not of the form {{"YOUTUBEID": {{"label": "clapping",'
      ' "label_index": 57, "has_skeleton": true}}, ...}}'
    )
  return labels


def _label(labels, file, label_file):
  """(label_index, has_skeleton) of a clip."""
  entry = labels.get(file.stem)
  if not isinstance(entry, dict):
    raise UserError(
      f'{file}: {label_file} has no label for {file.stem}; remove the file, or'
      ' get the labels again'
    )
  where = f'{label_file}, {file.stem}'
  label, has_skeleton = entry.get('label_index'), entry.get('has_skeleton')
  if type(label) is not int or not 0 <= label < len(kinetics.LABELS):
    raise UserError(
      f'{where}: label_index is {label!r:.40}, but labels go from 0 to'
      f' {len(kinetics.LABELS) - 1}; correct it, or get the labels again'
    )
  name = entry.get('label', kinetics.LABELS[label])
  if _letters(name) != _letters(kinetics.LABELS[label]):
    raise UserError(
      f'{where}: label {label} is {name!r:.40}, which is'
      f' {kinetics.LABELS[label]!r} in Kinetics-400; for actions of your own,'
      ' see skeleton_folder'
    )
  if not isinstance(has_skeleton, bool):
    raise UserError(
      f'{where}: has_skeleton is {has_skeleton!r:.40} where true or false is'
      ' due; correct it, or get the labels again'
    )
  return label, has_skeleton


def _letters(name):
  return re.sub(r'\W', '', str(name)).lower()
