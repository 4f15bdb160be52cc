"""Penn Action: 15 sports and workout actions in 2,326 videos.

python -m unik_jax.prepare penn_action/lcrnet_2d --manual_dir=FOLDER
"""

import dataclasses

import tensorflow_datasets as tfds

from unik_jax.data import raw_files
from unik_jax.data.builder import ClipBuilder
from unik_jax.data.clips import ClipFile
from unik_jax.data.formats import lcrnet, penn
from unik_jax.errors import UserError

_HOMEPAGE = 'https://dreamdragon.github.io/PennAction/'
_CITATION = """\
@inproceedings{zhang2013actemes,
  title={From Actemes to Action: A Strongly-Supervised Representation for
         Detailed Action Understanding},
  author={Zhang, Weiyu and Zhu, Menglong and Derpanis, Konstantinos G.},
  booktitle={ICCV},
  year={2013}
}"""
_LAST_VIDEO = 2325  # that UNIK's script uses; there are 2,326


@dataclasses.dataclass
class Config(tfds.core.BuilderConfig):
  """One source of the joints.

  Attributes:
    layout: name of the joint layout.
    persons: M, most persons of a clip.
    channels: C, channels per joint.
    confidence: whether the last channel is the joint's visibility.
  """

  layout: str = 'unik_17'
  persons: int = 2
  channels: int = 2
  confidence: bool = False


class Builder(ClipBuilder):
  """Penn Action with its published splits: train (1,258 clips), test (1,068).

  Config lcrnet_2d leaves out the last video, as UNIK's script does.
  """

  VERSION = tfds.core.Version('1.0.0')
  BUILDER_CONFIGS = [
    Config(
      name='lcrnet_2d',
      description=(
        '17 joints by LCR-Net++, x, y in pixels: the input that UNIK was'
        ' published with.'
      ),
    ),
    Config(
      name='annotations',
      description=('13 joints drawn by hand: x, y in pixels, and visibility.'),
      layout='penn_13',
      persons=1,
      channels=3,
      confidence=True,
    ),
  ]
  MANUAL_DOWNLOAD_INSTRUCTIONS = (
    'Config lcrnet_2d: download the skeletons under "Data Preparation" at'
    ' https://github.com/YangDi666/UNIK. Put into the manual folder the'
    f' NNNN.json files, or a zip archive of them, and {penn.TABLE}.\n'
    f'Config annotations: download the dataset from {_HOMEPAGE}. Put its folder'
    ' labels/ with the NNNN.mat files into the manual folder.'
  )

  def _info(self):
    config = self.builder_config
    return self.clip_info(
      layout=config.layout,
      persons=config.persons,
      channels=config.channels,
      labels=list(penn.CLASSES),
      description=(
        '2,326 web videos of 15 sports and workout actions.'
        f' {config.description}'
      ),
      units='pixels',
      confidence=config.confidence,
      homepage=_HOMEPAGE,
      citation=_CITATION,
    )

  def list_clips(self, folder):
    if self.builder_config.name == 'annotations':
      return self._list_annotations(folder)
    return self._list_poses(folder)

  def reader(self):
    if self.builder_config.name == 'annotations':
      return penn.read_annotations
    return lcrnet.read_poses

  def _list_annotations(self, folder):
    for file in raw_files.find_files(folder, '.mat', self.may_skip):
      with self.may_skip(file):
        penn.parse_video_number(file)
        label, split = penn.read_label(file)
        yield ClipFile(id=file.stem, source=file, splits=(split,), label=label)

  def _list_poses(self, folder):
    poses_and_table = raw_files.find_files(
      folder, (penn.TABLE, '.json'), self.may_skip
    )
    tables = [file for file in poses_and_table if file.name == penn.TABLE]
    if len(tables) != 1:
      raise UserError(
        f'{folder}: expected one file {penn.TABLE}, got {len(tables)}.\n'
        + self.MANUAL_DOWNLOAD_INSTRUCTIONS
      )
    table = penn.read_split_table(tables[0])
    for file in poses_and_table:
      if not file.name.endswith('.json'):
        continue
      if file.name.startswith('S'):
        self.leave_out(file, "name starts with S: not one of Penn Action's")
        continue
      with self.may_skip(file):
        video = penn.parse_video_number(file)
        if video > _LAST_VIDEO:
          self.leave_out(file, f"UNIK's script uses videos 1 to {_LAST_VIDEO}")
          continue
        if video not in table:
          raise UserError(
            f'{file}: {tables[0]} has no row of video {video}. Remove the file,'
            ' or download the table again'
          )
        label, split = table[video]
        yield ClipFile(id=file.stem, source=file, splits=(split,), label=label)
