"""Posetics: 320 actions in 141,937 clips of Kinetics-400, 17 joints.

It has the clips that UNIK's own script keeps. That script also pads them to 300
frames with zeros and normalises by 640 x 480 pixels. Here the loader does so.

    python -m unik_jax.prepare posetics/2d --manual_dir=FOLDER
"""

import functools
import pathlib

import tensorflow_datasets as tfds

from unik_jax.data import raw_files
from unik_jax.data.builder import ClipBuilder
from unik_jax.data.clips import ClipFile
from unik_jax.data.formats import lcrnet
from unik_jax.data.formats.clip_names import RESTORE_NAME
from unik_jax.data.formats.label_table import find_label, read_label_table
from unik_jax.data.formats.lcrnet_configs import make_pose_configs
from unik_jax.errors import UserError

_PARTS = {'train': 'train', 'test': 'val'}  # split: its name in the files
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


class Builder(ClipBuilder):
  """Posetics with its published splits.

  train has 131,268 clips, test 10,669.
  """

  VERSION = tfds.core.Version('1.1.0')
  RELEASE_NOTES = {'1.1.0': 'Image sizes; clips as bytes.'}
  BUILDER_CONFIGS = make_pose_configs()
  MANUAL_DOWNLOAD_INSTRUCTIONS = (
    'The authors share Posetics on request: see "Data Preparation" at'
    ' https://github.com/YangDi666/UNIK. Put into the manual folder:\n'
    '  posetics_train_label.json  posetics_train/ with its *.json files\n'
    '  posetics_val_label.json    posetics_val/ with its *.json files\n'
    'A clip is a file YOUTUBEID_SSSSSS_SSSSSS.json (start and end second).'
  )

  def _info(self):
    config = self.builder_config
    return self.clip_info(
      layout='unik_17',
      persons=2,
      channels=config.channels,
      # The authors publish no class names.
      labels=[str(label) for label in range(_CLASSES)],
      description=(
        'Poses of up to two persons in videos of Kinetics-400, estimated by'
        ' LCR-Net++ and refined. Its 400 classes are merged into 320 by the'
        ' motion of the body.'
      ),
      units=config.units,
      homepage='https://github.com/YangDi666/UNIK',
      citation=_CITATION,
    )

  def list_clips(self, folder):
    train_videos = set()
    for split, part in _PARTS.items():
      place = folder / f'posetics_{part}'
      clip_files = raw_files.find_files(place, '.json', self.may_skip)
      if not clip_files:
        raise UserError(
          f'{place}: no .json files.\n{self.MANUAL_DOWNLOAD_INSTRUCTIONS}'
        )
      table_file = raw_files.RawFile(
        str(folder / f'posetics_{part}_label.json')
      )
      if not pathlib.Path(table_file.path).exists():
        raise UserError(
          f'{table_file}: no such file.\n{self.MANUAL_DOWNLOAD_INSTRUCTIONS}'
        )
      table = read_label_table(table_file)
      has_clips = False
      for file in clip_files:
        with self.may_skip(file):
          video = _parse_video(file)
          label = find_label(
            table,
            video,
            clip=file,
            table_file=table_file,
            num_classes=_CLASSES,
          )
          if split == 'train':
            train_videos.add(video)
          elif video in train_videos:
            raise UserError(
              f'{file}: video {video} is in posetics_train/ too. Remove one of'
              ' the two, or the test is on training data'
            )
          if not label.has_skeleton:
            self.leave_out(file, 'has_skeleton is false')
            continue
          has_clips = True
          # The file's name, not the video: a user may have cut several clips
          # from one video.
          yield ClipFile(
            id=file.stem, source=file, splits=(split,), label=label.index
          )
      if not has_clips:
        raise UserError(
          f'{place}: all {len(clip_files)} clips were skipped, because they are'
          f' bad or has_skeleton is false in {table_file}. Download the files'
          ' again'
        )

  def reader(self):
    return functools.partial(
      lcrnet.read_poses, channels=self.builder_config.name
    )


def _parse_video(file):
  """Returns the YouTube id in YOUTUBEID_SSSSSS_SSSSSS.json."""
  if len(file.name) < 30:
    raise UserError(
      f'{file}: expected a name of the form YOUTUBEID_SSSSSS_SSSSSS.json.'
      f' {RESTORE_NAME}'
    )
  # By position, as in the published script: ids have dashes and underscores.
  return file.name[-30:-19]
