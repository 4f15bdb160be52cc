"""Any dataset in an annotation pickle of pyskl or MMAction2.

The form in which NTU RGB+D, FineGYM, Kinetics-400, Diving48, UCF101 and HMDB51
are given out ready for skeleton models, and which both projects' scripts make
of own videos. A config is a file: `pyskl/ntu60_3danno` is ntu60_3danno.pkl in
the manual folder.
"""

import dataclasses
import functools
import glob
import re

import tensorflow_datasets as tfds

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
    annotations: its content, read once for all that depends on it.
  """

  annotations: pyskl.Annotations = dataclasses.field(default=None, repr=False)


class Builder(ClipBuilder):
  """Splits, joints, persons (two at most) and classes as in the file."""

  VERSION = tfds.core.Version('1.0.0')
  configs_from_files = True
  parallel = False  # the whole file is in memory here
  MANUAL_DOWNLOAD_INSTRUCTIONS = (
    'pyskl and MMAction2 give out these files: see tools/data/data_doc.md at'
    ' https://github.com/kennymckormick/pyskl. Put into the manual folder one'
    ' or more of\n'
    '  ntu60_3danno.pkl  ntu60_hrnet.pkl  ntu120_3danno.pkl  ntu120_hrnet.pkl\n'
    '  gym_hrnet.pkl  diving48_hrnet.pkl  ucf101_hrnet.pkl  hmdb51_hrnet.pkl\n'
    '  k400_hrnet.pkl with its folder kpfiles/\n'
    'or your own of this form, and name it: pyskl/ntu60_3danno.'
  )

  @classmethod
  def configure(cls, name, folder):
    paths = {p.stem: p for p in folder.glob('*.pkl') if p.name[0] != '.'}
    if not paths:
      raise UserError(
        f'{folder}: no .pkl file there.\n{cls.MANUAL_DOWNLOAD_INSTRUCTIONS}'
      )
    if not name and len(paths) == 1:
      (name,) = paths
    if name not in paths:
      known = ', '.join(f'pyskl/{stem}' for stem in sorted(paths))
      problem = f'no file {name}.pkl' if name else 'several .pkl files'
      raise UserError(f'{folder}: {problem} there; name one of: {known}')
    if not re.fullmatch(r'\w[\w.-]*', name, re.ASCII):
      raise UserError(
        f'{paths[name]}: its name becomes that of the dataset; rename it with'
        ' letters, digits and underscores'
      )
    return Config(
      name=name,
      description=f'{name}.pkl.',
      annotations=pyskl.load_annotations(paths[name]),
    )

  @classmethod
  def fingerprint(cls, name, folder):
    del cls  # other files in the folder are other datasets
    paths = folder.glob(f'{glob.escape(name)}.pkl')
    return raw_files.fingerprint_files(folder, paths)

  def _info(self):
    found = self.builder_config.annotations
    return self.clip_info(
      layout=found.form.layout,
      persons=found.persons,
      channels=found.form.channels,
      confidence=found.form.confidence,
      units=found.form.units,
      labels=[str(label) for label in range(found.classes)],
      description='Skeletons and splits as in an annotation pickle of pyskl.',
      homepage='https://github.com/kennymckormick/pyskl',
      citation=_CITATION,
    )

  def list_clips(self, folder):
    found = self.builder_config.annotations
    for where, reason in found.left_out:
      self.leave_out(where, reason)
    for where, error in found.bad:
      with self.may_skip(where):
        raise error
    # Those in a kpfile one after the other, so that it is read once.
    for clip in sorted(found.clips, key=lambda clip: clip.poses.kpfile):
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
