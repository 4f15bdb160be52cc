"""Any dataset in an annotation pickle of pyskl or MMAction2.

pyskl publishes NTU RGB+D, FineGYM, Kinetics-400, Diving48, UCF101 and HMDB51 in
this format, and its scripts write your own videos in it. A config is a file:
`pyskl/ntu60_3danno` is ntu60_3danno.pkl in the manual folder.

    python -m unik_jax.prepare pyskl/ntu60_3danno --manual_dir=FOLDER
"""

import dataclasses
import functools
import glob
import re

import tensorflow_datasets as tfds
from absl import logging

from unik_jax.data import raw_files
from unik_jax.data.builder import ClipBuilder
from unik_jax.data.clips import ClipFile
from unik_jax.data.formats import pyskl
from unik_jax.errors import UserError

_CITATION = """\
@inproceedings{duan2022pyskl,
  title={PYSKL: Towards Good Practices for Skeleton Action Recognition},
  author={Duan, Haodong and Wang, Jiaqi and Chen, Kai and Lin, Dahua},
  booktitle={ACM Multimedia},
  year={2022}
}"""


@dataclasses.dataclass
class Config(tfds.core.BuilderConfig):
  """One file.

  Attributes:
    annotations: the file's content, read once.
  """

  annotations: pyskl.Annotations = dataclasses.field(default=None, repr=False)


class Builder(ClipBuilder):
  """An annotation pickle, with the splits, joints and classes of the file.

  A clip has at most two persons.
  """

  VERSION = tfds.core.Version('1.0.0')
  configs_from_files = True
  parallel = False  # the file is in this process's memory
  MANUAL_DOWNLOAD_INSTRUCTIONS = (
    'pyskl publishes these files: see tools/data/data_doc.md at'
    ' https://github.com/kennymckormick/pyskl. Put into the manual folder one'
    ' or more of\n'
    '  ntu60_3danno.pkl  ntu60_hrnet.pkl  ntu120_3danno.pkl  ntu120_hrnet.pkl\n'
    '  gym_hrnet.pkl  diving48_hrnet.pkl  ucf101_hrnet.pkl  hmdb51_hrnet.pkl\n'
    '  k400_hrnet.pkl with its folder kpfiles/\n'
    'or your own file of this format, and name it: pyskl/ntu60_3danno.'
  )

  @classmethod
  def configure(cls, name, folder):
    paths = {p.stem: p for p in folder.glob('*.pkl') if p.name[0] != '.'}
    if not paths:
      raise UserError(
        f'{folder}: no .pkl file.\n{cls.MANUAL_DOWNLOAD_INSTRUCTIONS}'
      )
    if not name and len(paths) == 1:
      (name,) = paths
    if name not in paths:
      datasets = ', '.join(f'pyskl/{stem}' for stem in sorted(paths))
      problem = f'no file {name}.pkl' if name else 'several .pkl files'
      raise UserError(f'{folder}: {problem}. Name one of: {datasets}')
    if not re.fullmatch(r'\w[\w.-]*', name, re.ASCII):
      raise UserError(
        f'{paths[name]}: expected a name of letters, digits and underscores,'
        f' which becomes the name of the dataset; got {name!r}. Rename the file'
      )
    return Config(
      name=name,
      description=f'{name}.pkl.',
      annotations=pyskl.load_annotations(paths[name]),
    )

  @classmethod
  def fingerprint(cls, name, folder):
    del cls  # other files of the folder are other datasets
    paths = folder.glob(f'{glob.escape(name)}.pkl')
    return raw_files.fingerprint_files(folder, paths)

  def _info(self):
    annotations = self.builder_config.annotations
    return self.clip_info(
      layout=annotations.format.layout,
      persons=annotations.persons,
      channels=annotations.format.channels,
      confidence=annotations.format.confidence,
      units=annotations.format.units,
      labels=[str(label) for label in range(annotations.classes)],
      description='Skeletons and splits of an annotation pickle of pyskl.',
      homepage='https://github.com/kennymckormick/pyskl',
      citation=_CITATION,
    )

  def list_clips(self, folder):
    annotations = self.builder_config.annotations
    for note in annotations.notes:
      logging.warning('%s.pkl: %s', self.builder_config.name, note)
    for where, reason in annotations.left_out:
      self.leave_out(where, reason)
    for where, error in annotations.bad:
      with self.may_skip(where):
        raise error
    # Clips of one kpfile come one after another, so that it is read once.
    for clip in sorted(annotations.clips, key=lambda clip: clip.poses.kpfile):
      if not clip.splits:
        self.leave_out(clip, 'in no split')
        continue
      yield ClipFile(
        id=clip.id,
        source=clip,
        splits=clip.splits,
        label=clip.label,
        subject=clip.subject,
        image_size=clip.image_size,
      )

  def reader(self):
    persons = self.builder_config.annotations.persons
    return functools.partial(pyskl.read_keypoints, persons=persons)
