"""Posetics: 320 actions of Kinetics-400's videos, 17 joints; 141,937 clips.

The files are those that UNIK's own script reads, and the clips those that it
keeps. That script goes on to pad with zeros to 300 frames and to normalise by
640 x 480 pixels; here the loader does.
"""

import dataclasses
import functools

import tensorflow_datasets as tfds

from unik_jax.data import raw_files
from unik_jax.data.builder import ClipBuilder
from unik_jax.data.clips import ClipFile
from unik_jax.data.formats import lcrnet
from unik_jax.errors import UserError

_PARTS = {'train': 'train', 'test': 'val'}  # split: as the files call it
_CLASSES = 320
_CITATION = """\
@inproceedings{yang2021unik,
  title={UNIK: A Unified Framework for Real-world Skeleton-based Action
         Recognition},
  author={Yang, Di and Wang, Yaohui and Dantcheva, Antitza and
          Garattoni, Lorenzo and Francesca, Gianpiero and Bremond, Francois},
  booktitle={BMVC},
  year={2021}
}"""


@dataclasses.dataclass
class Config(tfds.core.BuilderConfig):
  """Poses in the image, or in space.

  Attributes:
    channels: C, coordinates per joint.
    units: of the coordinates.
  """

  channels: int = 2
  units: str = 'pixels'


class Builder(ClipBuilder):
  """Splits train (131,268 clips) and test (10,669), as published."""

  VERSION = tfds.core.Version('1.1.0')
  RELEASE_NOTES = {'1.1.0': 'Image sizes; clips as bytes.'}
  BUILDER_CONFIGS = [
    Config(name='2d', description='x, y in the image, as UNIK is trained on.'),
    Config(
      name='3d',
      description="x, y, z relative to the body, LCR-Net's estimate.",
      channels=3,
      units="as LCR-Net's pose3d, about metres",
    ),
  ]
  MANUAL_DOWNLOAD_INSTRUCTIONS = (
    'Posetics is given out by its authors on request: see "Data Preparation"'
    ' at https://github.com/YangDi666/UNIK. Put into the manual folder, as in'
    ' what they send:\n'
    '  posetics_train_label.json  posetics_train/ with its *.json files\n'
    '  posetics_val_label.json    posetics_val/ with its *.json files\n'
    'A file is named YOUTUBEID_SSSSSS_SSSSSS.json (start and end second).'
  )

  def _info(self):
    config = self.builder_config
    return self.clip_info(
      layout='unik_17',
      persons=2,
      channels=config.channels,
      # The authors publish numbers alone.
      labels=[str(label) for label in range(_CLASSES)],
      description=(
        "Poses of Kinetics-400's videos by refined LCR-Net++, with its labels"
        ' merged into 320 by what the body does.'
      ),
      units=config.units,
      homepage='https://github.com/YangDi666/UNIK',
      citation=_CITATION,
    )

  def list_clips(self, folder):
    trained_on = set()
    for split, part in _PARTS.items():
      place = folder / f'posetics_{part}'
      found = raw_files.find_files(place, '.json', self.may_skip)
      if not found:
        raise UserError(
          f'{place}: no .json files there.\n{self.MANUAL_DOWNLOAD_INSTRUCTIONS}'
        )
      label_path = folder / f'posetics_{part}_label.json'
      labels = _read_labels(label_path)
      kept = 0
      for file in found:
        with self.may_skip(file):
          video = _video(file)
          label, has_skeleton = _label(labels, video, file, label_path)
          if split == 'train':
            trained_on.add(video)
          elif video in trained_on:
            raise UserError(
              f'{file}: video {video} is in posetics_train/ too, so the test'
              ' would be of what was trained on; remove one of the two'
            )
          if not has_skeleton:
            self.leave_out(file, 'has_skeleton is false')
            continue
          kept += 1
          # Not the video alone, of which a user may have cut several clips.
          yield ClipFile(
            id=file.stem, source=file, splits=(split,), label=label
          )
      if not kept:
        raise UserError(
          f'{place}: all {len(found)} clips were skipped, as bad or since'
          f' has_skeleton is false in {label_path}; get the files again'
        )

  def reader(self):
    return functools.partial(
      lcrnet.read_poses, channels=self.builder_config.name
    )


def _video(file):
  """The YouTube id in YOUTUBEID_SSSSSS_SSSSSS.json."""
  if len(file.name) < 30:
    raise UserError(
      f'{file}: name is not of the form YOUTUBEID_SSSSSS_SSSSSS.json; give it'
      ' its name again, or remove it'
    )
  # By place, as published: ids have dashes and underscores of their own.
  return file.name[-30:-19]


def _read_labels(path):
  if not path.exists():
    raise UserError(
      f'{path}: no such file.\n{Builder.MANUAL_DOWNLOAD_INSTRUCTIONS}'
    )
  labels = raw_files.read_json(raw_files.RawFile(str(path)))
  if not isinstance(labels, dict):
    raise UserError(
      f'{path}: not of the form'
      ' {"YOUTUBEID": {"label_index": 0, "has_skeleton": true}, ...}'
    )
  return labels


def _label(labels, video, file, label_path):
  """(label_index, has_skeleton) of a video."""
  entry = labels.get(video)
  if not isinstance(entry, dict):
    raise UserError(
      f'{file}: {label_path.name} has no label for video {video}; remove the'
      ' file, or get the labels again'
    )
  label, has_skeleton = entry.get('label_index'), entry.get('has_skeleton')
  if type(label) is not int or not 0 <= label < _CLASSES:
    raise UserError(
      f'{label_path}, video {video}: label_index is {label!r}, but labels go'
      f' from 0 to {_CLASSES - 1}; correct it, or get the labels again'
    )
  if not isinstance(has_skeleton, bool):
    raise UserError(
      f'{label_path}, video {video}: has_skeleton is {has_skeleton!r} where'
      ' true or false is due; correct it, or get the labels again'
    )
  return label, has_skeleton
