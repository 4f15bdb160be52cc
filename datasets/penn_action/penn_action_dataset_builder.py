"""Penn Action: 15 sports and workout actions; 2,326 videos of the Internet."""

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
_LAST = 2325  # the number of the last video that UNIK's script takes


@dataclasses.dataclass
class Config(tfds.core.BuilderConfig):
  """Where the joints come from.

  Attributes:
    layout: of the joints.
    persons: M, how many of them a clip has room for.
    channels: C, per joint.
    confidence: whether the last channel is the joint's visibility.
  """

  layout: str = 'unik_17'
  persons: int = 2
  channels: int = 2
  confidence: bool = False


class Builder(ClipBuilder):
  """Splits train (1,258 clips) and test (1,068), as the dataset's flag says.

  Of lcrnet_2d the last video is left out, as UNIK's script does.
  """

  VERSION = tfds.core.Version('1.0.0')
  BUILDER_CONFIGS = [
    Config(
      name='lcrnet_2d',
      description='17 joints by LCR-Net++: x, y in pixels, as UNIK takes them.',
    ),
    Config(
      name='annotations',
      description=(
        "13 joints drawn by hand: x, y in pixels, and whether it's seen."
      ),
      layout='penn_13',
      persons=1,
      channels=3,
      confidence=True,
    ),
  ]
  MANUAL_DOWNLOAD_INSTRUCTIONS = (
    'Config lcrnet_2d: get the skeletons from "Data Preparation" at'
    ' https://github.com/YangDi666/UNIK and put them into the manual folder:'
    f' NNNN.json files, or a zip archive of them, and {penn.TABLE}.\n'
    f'Config annotations: get the dataset from {_HOMEPAGE} and put its folder'
    ' labels/ with NNNN.mat files there.'
  )

  def _info(self):
    config = self.builder_config
    return self.clip_info(
      layout=config.layout,
      persons=config.persons,
      channels=config.channels,
      labels=list(penn.CLASSES),
      description=config.description,
      units='pixels',
      confidence=config.confidence,
      homepage=_HOMEPAGE,
      citation=_CITATION,
    )

  def list_clips(self, folder):
    if self.builder_config.name == 'annotations':
      return self._annotated(folder)
    return self._estimated(folder)

  def reader(self):
    if self.builder_config.name == 'annotations':
      return penn.read_annotations
    return lcrnet.read_poses

  def _annotated(self, folder):
    for file in raw_files.find_files(folder, '.mat', self.may_skip):
      with self.may_skip(file):
        penn.parse_video_number(file)
        label, split = penn.read_label(file)
        yield ClipFile(id=file.stem, source=file, splits=(split,), label=label)

  def _estimated(self, folder):
    found = raw_files.find_files(folder, (penn.TABLE, '.json'), self.may_skip)
    tables = [file for file in found if file.name == penn.TABLE]
    if len(tables) != 1:
      raise UserError(
        f'{folder}: {len(tables)} files {penn.TABLE} where one is due.\n'
        + self.MANUAL_DOWNLOAD_INSTRUCTIONS
      )
    table = penn.read_split_table(tables[0])
    for file in found:
      if not file.name.endswith('.json'):
        continue
      if file.name.startswith('S'):
        self.leave_out(file, "name starts with S: not one of Penn Action's")
        continue
      with self.may_skip(file):
        video = penn.parse_video_number(file)
        if video > _LAST:
          self.leave_out(file, f"UNIK's script takes videos 1 to {_LAST}")
          continue
        if video not in table:
          raise UserError(
            f'{file}: {tables[0]} has no row of video {video}; remove the'
            ' file, or get the table again'
          )
        label, split = table[video]
        yield ClipFile(id=file.stem, source=file, splits=(split,), label=label)
