"""NTU RGB+D 60 and 120: daily and mutual actions, 25 joints, three Kinects.

python -m unik_jax.prepare ntu_rgbd/ntu60 --manual_dir=FOLDER
"""

import dataclasses
import functools

import tensorflow_datasets as tfds
from absl import logging

from unik_jax.data import raw_files
from unik_jax.data.builder import ClipBuilder
from unik_jax.data.clips import ClipFile
from unik_jax.data.formats import ntu, ntu_actions

_LISTS = 'https://github.com/shahroudy/NTURGB-D/tree/master/Matlab'
_CITATION = """\
@inproceedings{shahroudy2016ntu,
  title={{NTU RGB+D}: A Large Scale Dataset for {3D} Human Activity Analysis},
  author={Shahroudy, Amir and Liu, Jun and Ng, Tian-Tsong and Wang, Gang},
  booktitle={CVPR},
  year={2016}
}
@article{liu2019ntu,
  title={{NTU RGB+D} 120: A Large-Scale Benchmark for {3D} Human Activity
         Understanding},
  author={Liu, Jun and Shahroudy, Amir and Perez, Mauricio and Wang, Gang and
          Duan, Ling-Yu and Kot, Alex C.},
  journal={IEEE Transactions on Pattern Analysis and Machine Intelligence},
  year={2019}
}"""


@dataclasses.dataclass
class Config(tfds.core.BuilderConfig):
  """One of the two datasets, with one way to track persons.

  Attributes:
    actions: 60 or 120: the dataset has the first classes of NTU RGB+D.
    tracking: 'body' tracks persons by bodyID; 'slot' by the order of the bodies
      in each frame, as the published scripts do.
  """

  actions: int = 60
  tracking: str = 'body'


def _make_configs():
  for tracking, suffix, description in (
    ('body', '', 'persons tracked by bodyID.'),
    ('slot', '_slots', 'persons by slot, as in the published scripts.'),
  ):
    for actions in (60, 120):
      yield Config(
        name=f'ntu{actions}{suffix}',
        description=f'NTU-{actions}, {description}',
        actions=actions,
        tracking=tracking,
      )


class Builder(ClipBuilder):
  """NTU RGB+D with its published splits.

  Both datasets have xsub_train and xsub_test (cross-subject). With 60 actions
  there are xview_train and xview_test too (cross-view), with 120 xset_train and
  xset_test (cross-setup).
  """

  VERSION = tfds.core.Version('1.0.0')
  BUILDER_CONFIGS = list(_make_configs())
  MANUAL_DOWNLOAD_INSTRUCTIONS = (
    'The ROSE Lab shares NTU RGB+D on request: see'
    ' https://rose1.ntu.edu.sg/dataset/actionRecognition/. Put into the manual'
    ' folder these archives, or their files in folders of any name:\n'
    '  nturgbd_skeletons_s001_to_s017.zip  (NTU-60, and half of NTU-120)\n'
    '  nturgbd_skeletons_s018_to_s032.zip  (the other half of NTU-120)\n'
    f'and the lists of clips to ignore, from {_LISTS}:\n'
    '  NTU_RGBD_samples_with_missing_skeletons.txt     (NTU-60)\n'
    '  NTU_RGBD120_samples_with_missing_skeletons.txt  (NTU-120)'
  )

  def _info(self):
    actions = self.builder_config.actions
    return self.clip_info(
      layout='ntu_25',
      persons=2,
      channels=3,
      labels=list(ntu_actions.ACTIONS[:actions]),
      description=(
        f'{actions} actions of one or two persons, recorded by three Kinect v2'
        ' cameras. A clip has the two persons who move most, the most active'
        ' first.'
      ),
      units='metres',
      homepage='https://rose1.ntu.edu.sg/dataset/actionRecognition/',
      citation=_CITATION,
    )

  def list_clips(self, folder):
    actions = self.builder_config.actions
    assign_splits = {
      60: ntu_actions.assign_splits_60,
      120: ntu_actions.assign_splits_120,
    }[actions]
    missing = _read_missing_lists(folder, actions)
    for file in raw_files.find_files(folder, '.skeleton', self.may_skip):
      with self.may_skip(file):
        name = ntu.parse_clip_name(file.stem, str(file))
        if name.action > actions:
          continue
        if file.stem in missing:
          self.leave_out(file, "on the authors' list of missing skeletons")
          continue
        yield ClipFile(
          id=file.stem,
          source=file,
          splits=assign_splits(name),
          label=name.action - 1,
          subject=name.subject,
        )

  def reader(self):
    return functools.partial(
      ntu.read_skeletons, tracking=self.builder_config.tracking
    )


def _read_missing_lists(folder, actions):
  """Returns the names of the clips that the authors say to ignore."""
  missing = set()
  for path in sorted(folder.glob('*missing*.txt')):
    if not path.name.startswith('.'):
      file = raw_files.RawFile(str(path))
      missing |= ntu.parse_missing_list(raw_files.read_text(file), str(path))
  # Both lists have clips of NTU-60. The list of NTU-120 must also have clips of
  # its own actions.
  if not any(int(name[-3:]) > actions - 60 for name in missing):
    logging.warning(
      '%s: no NTU_RGBD%s_samples_with_missing_skeletons.txt. Clips that the'
      ' authors ignore are prepared too, so results do not compare with'
      ' published ones, and a clip without any body is an error. Download the'
      ' list from %s',
      folder,
      '' if actions == 60 else actions,
      _LISTS,
    )
  return missing
