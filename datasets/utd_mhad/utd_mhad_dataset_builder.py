"""UTD-MHAD: 27 actions of 8 subjects in 861 clips, 20 joints, one Kinect.

python -m unik_jax.prepare utd_mhad --manual_dir=FOLDER
"""

import tensorflow_datasets as tfds

from unik_jax.data import raw_files
from unik_jax.data.builder import ClipBuilder
from unik_jax.data.clips import ClipFile
from unik_jax.data.formats import utd_mhad

_HOMEPAGE = 'https://personal.utdallas.edu/~kehtar/UTD-MHAD.html'
_CITATION = """\
@inproceedings{chen2015utd,
  title={UTD-MHAD: A Multimodal Dataset for Human Action Recognition Utilizing a
         Depth Camera and a Wearable Inertial Sensor},
  author={Chen, Chen and Jafari, Roozbeh and Kehtarnavaz, Nasser},
  booktitle={ICIP},
  year={2015}
}"""


class Builder(ClipBuilder):
  """UTD-MHAD with cross-subject splits.

  Subjects 1, 3, 5 and 7 are in train (431 clips), the others in test (430).
  """

  VERSION = tfds.core.Version('1.0.0')
  MANUAL_DOWNLOAD_INSTRUCTIONS = (
    f'Download Skeleton.zip from {_HOMEPAGE}, and put it, or its files'
    f' aA_sS_tT{utd_mhad.SUFFIX}, into the manual folder.'
  )

  def _info(self):
    return self.clip_info(
      layout='utd_20',
      persons=1,
      channels=3,
      labels=utd_mhad.LABELS,
      description=(
        'One person before a Kinect v1 performs one of 27 gestures, sports and'
        ' everyday actions: 20 joints.'
      ),
      units='metres',
      homepage=_HOMEPAGE,
      citation=_CITATION,
    )

  def list_clips(self, folder):
    for file in raw_files.find_files(folder, utd_mhad.SUFFIX, self.may_skip):
      with self.may_skip(file):
        name = utd_mhad.parse_clip_name(file)
        yield ClipFile(
          id=file.name.removesuffix(utd_mhad.SUFFIX),
          source=file,
          splits=('train',) if name.subject % 2 else ('test',),
          label=name.action - 1,
          subject=name.subject,
        )

  def reader(self):
    return utd_mhad.read_skeleton
