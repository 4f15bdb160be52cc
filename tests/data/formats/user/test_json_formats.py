"""JSON files whose format is unknown."""

import pytest
from helpers.user_clips import (
  read_keypoints,
  write_file,
)

from unik_jax.errors import UserError

UNKNOWN = {
  'object': ('{}', 'unknown JSON format.*AlphaPose.*COCO.*MediaPipe'),
  'number': ('3', 'unknown JSON format'),
  'LCR-Net': (
    {'frames': [[{'pose2d': [1] * 26, 'pose3d': [1] * 39}]]},
    'unknown JSON format',
  ),
  'OpenPose': ({'people': []}, 'single frame of OpenPose.*folder'),
  'truncated': ('[{"image_id"', 'cut short or not JSON, at line 1, column'),
  'empty': ('', 'cut short or not JSON'),
  'not UTF-8': (b'["\xe4"]', 'byte 2 is not UTF-8'),
  'nested': ('[' * 100_000, 'nested'),
  'a huge number': ('[' + '9' * 9999 + ']', 'unknown JSON format'),
}


@pytest.mark.parametrize('case', UNKNOWN)
def test_unknown_json(tmp_path, case):
  content, message = UNKNOWN[case]
  with pytest.raises(UserError, match=f'clip.json.*{message}'):
    read_keypoints(write_file(tmp_path / 'clip.json', content))


def test_errors_describe_the_json(tmp_path):
  path = write_file(tmp_path / 'a.json', '{"frame": 0}\n{"frame": 1}\n')
  with pytest.raises(UserError, match='a.json: .*several.*JSON Lines'):
    read_keypoints(path)
  write_file(path, {'data': [{'marks': [1, 2]}]})
  with pytest.raises(
    UserError,
    match="with keys 'data', which holds a list of 1, the first an object with"
    " keys 'marks'",
  ):
    read_keypoints(path)
  write_file(path, [[0.5] * 132])
  with pytest.raises(UserError, match='a list of 132, the first a number'):
    read_keypoints(path)
