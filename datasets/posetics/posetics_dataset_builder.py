"""Posetics: 320 actions of Kinetics-400's videos, 17 joints; 141,937 clips.

The files are those that UNIK's own script reads, and the clips those that it
keeps. That script goes on to pad with zeros to 300 frames and to normalise by
640 x 480 pixels; here the loader does.
"""

import collections
import dataclasses
import json

import tensorflow_datasets as tfds
from absl import logging

from unik_jax.data.clips import ClipBuilder, check_clip
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

  VERSION = tfds.core.Version('1.0.0')
  RELEASE_NOTES = {'1.0.0': 'From the files that the authors give out.'}
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

  def _split_generators(self, dl_manager):
    # All labels are looked up before the first of the clips is read: reading
    # takes hours, and the last file should not be what stops it.
    folder = dl_manager.manual_dir
    clips = {split: _clips(folder, part) for split, part in _PARTS.items()}
    _check_disjoint(clips)
    return {split: self._generate_examples(v) for split, v in clips.items()}

  def _generate_examples(self, clips):
    skipped = collections.Counter()
    written = 0
    for path, label, has_skeleton in clips:
      if not has_skeleton:
        skipped['has_skeleton is false'] += 1
        continue
      poses = lcrnet.parse_poses(
        path.read_bytes(), str(path), channels=self.builder_config.name
      )
      if not poses.any():
        skipped['no pose in the file'] += 1
        continue
      poses = lcrnet.to_unik_17(poses)
      yield (
        written,
        {
          # Not the video alone, of which a user may have cut several clips.
          'id': path.stem,
          'keypoints': check_clip(poses, 'unik_17', str(path)),
          'label': label,
          'subject': -1,
        },
      )
      written += 1
    folder = clips[0][0].parent
    reasons = ', '.join(f'{reason}: {n}' for reason, n in skipped.items())
    if not written:
      raise UserError(
        f'{folder}: all {len(clips)} clips were skipped ({reasons}); get the'
        ' files again'
      )
    if skipped:
      logging.warning(
        '%s: %d of %d clips skipped (%s)',
        folder,
        skipped.total(),
        len(clips),
        reasons,
      )


def _clips(folder, part):
  """(path, label, has_skeleton) of a split, in the order of file names."""
  label_path = folder / f'posetics_{part}_label.json'
  folder = folder / f'posetics_{part}'
  paths = sorted(
    path for path in folder.glob('*.json') if not path.name.startswith('.')
  )
  if not paths:
    raise UserError(
      f'{folder}: no .json files there.\n{Builder.MANUAL_DOWNLOAD_INSTRUCTIONS}'
    )
  labels = _read_json(label_path)
  return [(path, *_label(labels, path, label_path)) for path in paths]


def _video(path):
  """The YouTube id in YOUTUBEID_SSSSSS_SSSSSS.json."""
  if len(path.name) < 30:
    raise UserError(
      f'{path}: name is not of the form YOUTUBEID_SSSSSS_SSSSSS.json; give it'
      ' its name again, or remove it'
    )
  # By place, as published: ids have dashes and underscores of their own.
  return path.name[-30:-19]


def _check_disjoint(clips):
  trained_on = {_video(path) for path, *_ in clips['train']}
  for path, *_ in clips['test']:
    if _video(path) in trained_on:
      raise UserError(
        f'{path}: video {_video(path)} is in posetics_train/ too, so the test'
        ' would be of what was trained on; remove one of the two'
      )


def _read_json(path):
  try:
    labels = json.loads(path.read_text(encoding='utf-8'))
  except FileNotFoundError:
    raise UserError(
      f'{path}: no such file.\n{Builder.MANUAL_DOWNLOAD_INSTRUCTIONS}'
    ) from None
  except ValueError as error:  # not UTF-8, or not JSON
    raise UserError(
      f'{path}: cut short or not JSON ({error}); get it again'
    ) from None
  if not isinstance(labels, dict):
    raise UserError(
      f'{path}: not of the form'
      ' {"YOUTUBEID": {"label_index": 0, "has_skeleton": true}, ...}'
    )
  return labels


def _label(labels, path, label_path):
  """(label_index, has_skeleton) of a clip."""
  video = _video(path)
  entry = labels.get(video)
  if not isinstance(entry, dict):
    raise UserError(
      f'{path}: {label_path.name} has no label for video {video}; remove the'
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
