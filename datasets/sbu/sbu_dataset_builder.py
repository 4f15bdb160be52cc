"""SBU Kinect Interaction: 8 interactions of two persons in 282 clips.

python -m unik_jax.prepare sbu --manual_dir=FOLDER
"""

import tensorflow_datasets as tfds

from unik_jax.data import raw_files
from unik_jax.data.builder import ClipBuilder
from unik_jax.data.clips import ClipFile
from unik_jax.data.formats import sbu

_HOMEPAGE = 'https://www3.cs.stonybrook.edu/~kyun/research/kinect_interaction/'
_CITATION = """\
@inproceedings{yun2012two,
  title={Two-person Interaction Detection Using Body-Pose Features and Multiple
         Instance Learning},
  author={Yun, Kiwon and Honorio, Jean and Chattopadhyay, Debaleena and
          Berg, Tamara L. and Samaras, Dimitris},
  booktitle={CVPR Workshops},
  year={2012}
}"""


class Builder(ClipBuilder):
  """SBU Kinect Interaction with the authors' five folds.

  fold_1_test has the pairs of persons of the first fold, and fold_1_train all
  others; so do fold_2 to fold_5.
  """

  VERSION = tfds.core.Version('1.0.0')
  MANUAL_DOWNLOAD_INSTRUCTIONS = (
    f'Download the clean version, one archive per pair of persons (s01s02.zip'
    f' to s07s03.zip), from {_HOMEPAGE}. Put the archives, or their folders'
    f' sXXsYY/AA/NNN/{sbu.FILE}, into the manual folder.'
  )

  def _info(self):
    return self.clip_info(
      layout='sbu_15',
      persons=2,
      channels=3,
      labels=sbu.LABELS,
      description=(
        'Two persons before a Kinect v1 in one of 8 interactions: 15 joints'
        ' each. `subject` is the acting person.'
      ),
      units='millimetres',
      homepage=_HOMEPAGE,
      citation=_CITATION,
    )

  def list_clips(self, folder):
    for file in raw_files.find_files(folder, sbu.FILE, self.may_skip):
      with self.may_skip(file):
        name = sbu.parse_clip_path(file)
        yield ClipFile(
          id=name.id,
          source=file,
          splits=tuple(
            f'fold_{fold}_{"test" if fold == name.fold else "train"}'
            for fold in range(1, len(sbu.FOLDS) + 1)
          ),
          label=name.action - 1,
          subject=int(name.pair[1:3]),
        )

  def reader(self):
    return sbu.read_skeletons
