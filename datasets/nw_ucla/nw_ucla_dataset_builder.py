"""Northwestern-UCLA: 10 actions of 10 subjects before three Kinects.

python -m unik_jax.prepare nw_ucla --manual_dir=FOLDER
"""

import tensorflow_datasets as tfds

from unik_jax.data import raw_files
from unik_jax.data.builder import ClipBuilder
from unik_jax.data.clips import ClipFile
from unik_jax.data.formats import nw_ucla

_HOMEPAGE = 'https://wangjiangb.github.io/my_data.html'
_CITATION = """\
@inproceedings{wang2014cross,
  title={Cross-view Action Modeling, Learning and Recognition},
  author={Wang, Jiang and Nie, Xiaohan and Xia, Yin and Wu, Ying and
          Zhu, Song-Chun},
  booktitle={CVPR},
  year={2014}
}"""
# Protocol to the view that it tests.
_PROTOCOLS = {'xview': 3, 'xview_1': 1, 'xview_2': 2}


class Builder(ClipBuilder):
  """Northwestern-UCLA with cross-view splits: train on two views, test on one.

  xview tests view 3 (1,020 and 464 clips), as papers do; xview_1 and xview_2
  test the others. In the copy that papers use, 95 test clips of xview are,
  number for number, training clips of view 2. xview_clean leaves those out of
  training (925 clips) and tests the same 464.
  """

  VERSION = tfds.core.Version('1.0.0')
  MANUAL_DOWNLOAD_INSTRUCTIONS = (
    'Download the skeletons that CTR-GCN uses, all_sqe.zip: see "NW-UCLA" under'
    ' "Data Preparation" at https://github.com/Uason-Chen/CTR-GCN. Put the'
    ' archive, or its folder all_sqe/ of aAA_sSS_eEE_vVV.json files, into the'
    f' manual folder. The dataset itself: {_HOMEPAGE}.'
  )

  def _info(self):
    return self.clip_info(
      layout='kinect_20',
      persons=1,
      channels=3,
      labels=list(nw_ucla.ACTIONS.values()),
      description=(
        'One person performs one of 10 everyday actions, recorded by three'
        ' Kinect v1 cameras at once from three sides: 20 joints.'
      ),
      units='metres',
      homepage=_HOMEPAGE,
      citation=_CITATION,
    )

  def list_clips(self, folder):
    names, hashes = {}, {}
    for file in raw_files.find_files(folder, '.json', self.may_skip):
      with self.may_skip(file):
        names[file] = nw_ucla.parse_clip_name(file)
        # Twins are found by their numbers, not by a rule that a corrected copy
        # of the dataset would break.
        hashes[file] = nw_ucla.hash_skeletons(file)
    tested = {h for f, h in hashes.items() if names[f].view == 3}
    for file, name in names.items():
      if file not in hashes:
        continue
      splits = [
        f'{protocol}_{"test" if name.view == view else "train"}'
        for protocol, view in _PROTOCOLS.items()
      ]
      if name.view == 3:
        splits.append('xview_clean_test')
      elif hashes[file] not in tested:
        splits.append('xview_clean_train')
      yield ClipFile(
        id=file.stem,
        source=file,
        splits=tuple(splits),
        label=name.label,
        subject=name.subject,
      )

  def reader(self):
    return nw_ucla.read_skeletons
