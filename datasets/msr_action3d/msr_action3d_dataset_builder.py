"""MSR-Action3D: 20 actions of 10 subjects in 557 clips, 20 joints, one Kinect.

python -m unik_jax.prepare msr_action3d --manual_dir=FOLDER
"""

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
  """MSR-Action3D with cross-subject splits.

  Subjects 1, 3, 5, 7 and 9 are in train (284 clips), the others in test (273).
  """

  VERSION = tfds.core.Version('1.1.0')
  RELEASE_NOTES = {'1.1.0': 'Image sizes; clips as bytes.'}
  parallel = False  # the archive is read at once
  MANUAL_DOWNLOAD_INSTRUCTIONS = (
    'Download msraction3d.tar.gz (the 3-D skeletons in real-world coordinates,'
    ' with files_used.mat; for research only) from'
    ' https://sites.google.com/view/wanqingli/data-sets/msr-action3d. Put it,'
    ' or its extracted files, into the manual folder.'
  )

  def _info(self):
    return self.clip_info(
      layout='msr_20',
      persons=1,
      channels=4,
      labels=msr_action3d.LABELS,
      description=(
        'One person before a Kinect v1 performs one of 20 gaming actions: 20'
        ' joints with confidence.'
      ),
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
