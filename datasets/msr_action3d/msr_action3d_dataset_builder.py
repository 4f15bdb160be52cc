"""MSR-Action3D: 20 actions, 10 subjects, one Kinect; 557 clips."""

import tensorflow_datasets as tfds

from unik_jax.data.builder import ClipBuilder
from unik_jax.data.clips import ClipFile
from unik_jax.data.formats import msr_action3d

_CITATION = """\
@inproceedings{li2010action,
  title={Action recognition based on a bag of 3D points},
  author={Li, Wanqing and Zhang, Zhengyou and Liu, Zicheng},
  booktitle={CVPR Workshops},
  year={2010}
}"""


class Builder(ClipBuilder):
  """Cross-subject: subjects 1 3 5 7 9 train (284 clips), the rest test."""

  VERSION = tfds.core.Version('1.1.0')
  RELEASE_NOTES = {'1.1.0': 'Image sizes; clips as bytes.'}
  parallel = False  # the archive is read whole
  MANUAL_DOWNLOAD_INSTRUCTIONS = (
    'MSR-Action3D may be used for research. Get msraction3d.tar.gz (the 3-D'
    ' skeletons in real-world coordinates, with files_used.mat) through'
    ' https://sites.google.com/view/wanqingli/data-sets/msr-action3d and put'
    ' it, or its extracted files, into the manual folder.'
  )

  def _info(self):
    return self.clip_info(
      layout='msr_20',
      persons=1,
      channels=4,
      labels=msr_action3d.LABELS,
      description='Kinect v1 skeletons of 20 gaming actions, with confidence.',
      units='metres',
      confidence=True,
      homepage='https://sites.google.com/view/wanqingli/data-sets/msr-action3d',
      citation=_CITATION,
    )

  def list_clips(self, folder):
    contents = msr_action3d.read_used_files(folder, self.may_skip)
    for name, content in contents.items():
      with self.may_skip(name):
        action, subject = msr_action3d.parse_clip_name(name, name)
        yield ClipFile(
          id=name,
          source=msr_action3d.SkeletonText(name, content),
          splits=('train',) if subject % 2 else ('test',),
          label=action - 1,
          subject=subject,
        )

  def reader(self):
    return msr_action3d.read_skeleton
