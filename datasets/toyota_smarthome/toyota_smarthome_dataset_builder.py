"""Toyota Smarthome: 31 daily activities, 18 seniors, 7 cameras, 17 joints.

python -m unik_jax.prepare toyota_smarthome/2d --manual_dir=FOLDER
"""

import functools

import tensorflow_datasets as tfds

from unik_jax.data import raw_files
from unik_jax.data.builder import ClipBuilder
from unik_jax.data.clips import ClipFile
from unik_jax.data.formats import lcrnet, smarthome
from unik_jax.data.formats.lcrnet_configs import make_pose_configs

_CITATION = """\
@inproceedings{das2019toyota,
  title={Toyota Smarthome: Real-World Activities of Daily Living},
  author={Das, Srijan and Dai, Rui and Koperski, Michal and Minciullo, Luca and
          Garattoni, Lorenzo and Bremond, Francois and Francesca, Gianpiero},
  booktitle={ICCV},
  year={2019}
}"""


class Builder(ClipBuilder):
  """Toyota Smarthome with cross-subject (cs) and cross-view (cv1, cv2) splits.

  cs_train and cs_test have all 31 classes. cv1_train (camera 1), cv2_train
  (cameras 1, 3, 4, 6, 7), cv1_test and cv2_test (camera 2) have the 19 of
  `smarthome.CLASSES_19`. Their labels are indices into the 31 too. The persons
  of a clip are in descending order of their motion in the image.
  """

  VERSION = tfds.core.Version('1.0.0')
  BUILDER_CONFIGS = make_pose_configs()
  MANUAL_DOWNLOAD_INSTRUCTIONS = (
    'The authors share Toyota Smarthome (trimmed) on request: see'
    ' https://project.inria.fr/toyotasmarthome/. Put the skeletons into the'
    ' manual folder: files Action_pPP_rRR_vVV_cCC_*.json, or their zip'
    ' archives. UNIK uses version 2.0, refined by SSTA-PRS: see'
    ' https://github.com/YangDi666/SSTA-PRS.'
  )

  def _info(self):
    config = self.builder_config
    return self.clip_info(
      layout='unik_17',
      persons=2,
      channels=config.channels,
      labels=list(smarthome.CLASSES_31),
      description=(
        'Daily activities of seniors in a home with seven cameras: poses of up'
        ' to two persons, estimated by LCR-Net++.'
      ),
      units=config.units,
      homepage='https://project.inria.fr/toyotasmarthome/',
      citation=_CITATION,
    )

  def list_clips(self, folder):
    for file in raw_files.find_files(folder, '.json', self.may_skip):
      with self.may_skip(file):
        name = smarthome.parse_clip_name(file.name, str(file))
        yield ClipFile(
          id=name.clip,
          source=file,
          splits=smarthome.assign_splits(name),
          label=smarthome.CLASSES_31.index(name.action),
          subject=name.subject,
          image_size=(640, 480),
        )

  def reader(self):
    return functools.partial(
      lcrnet.read_poses, channels=self.builder_config.name, order='energy'
    )
