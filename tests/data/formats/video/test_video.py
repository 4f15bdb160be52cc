"""Videos: decoded, tracked, drawn on, with a fake pose estimator.

The videos are real files, written here. The estimator's weights cannot be
downloaded in tests.
"""

import struct
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from helpers import synthetic_run

from unik_jax.data.formats.user.keypoints import NobodySeenError
from unik_jax.data.formats.video import decoding, estimators, overlay, poses
from unik_jax.errors import UserError
from unik_jax.predict import outputs
from unik_jax.predictor import inputs
from unik_jax.predictor.predictor import Predictor
from unik_jax.skeletons.layouts import get_layout

av = pytest.importorskip(
  'av', reason="videos take pip install 'unik_jax[video]'"
)

WIDTH, HEIGHT, FRAMES = 160, 120, 12
COCO = get_layout('coco_17')


def write_video(path, times=range(FRAMES), size=(WIDTH, HEIGHT)):
  """Writes a white square on black that moves right, 5 pixels per frame."""
  with av.open(str(path), 'w') as container:
    stream = container.add_stream('libx264', rate=10)
    stream.width, stream.height, stream.pix_fmt = *size, 'yuv420p'
    stream.codec_context.time_base = stream.time_base = Fraction(1, 10)
    for i, time in enumerate(times):
      image = np.zeros((size[1], size[0], 3), np.uint8)
      image[40:56, 20 + 5 * i : 36 + 5 * i] = 255
      frame = av.VideoFrame.from_ndarray(image, format='rgb24')
      frame.pts, frame.time_base = time, Fraction(1, 10)
      container.mux(stream.encode(frame))
    container.mux(stream.encode())
  return str(path)


def find_square(image):
  """A fake estimator: returns a body of 17 joints around the white pixels."""
  rows, columns = np.nonzero(image.mean(-1) > 128)
  if not len(rows):
    return np.zeros((0, 17, 3))
  spread = np.random.default_rng(0).uniform(-8, 8, (17, 2))
  points = spread - spread.mean(0) + [columns.mean(), rows.mean()]
  return np.concatenate([points, np.full((17, 1), 0.9)], -1)[None]


@pytest.fixture(autouse=True)
def fake_estimator(monkeypatch):
  monkeypatch.setattr(estimators, 'load_estimator', lambda: find_square)
  monkeypatch.setattr(estimators, 'check_installed', lambda: None)
  poses.estimate_poses.cache_clear()


@pytest.fixture(scope='module')
def model():
  config = synthetic_run.make_config(
    layout='coco_17', channels=2, normalize='clean'
  )
  return Predictor(synthetic_run.make_run(config))


def predict(model, path):
  sources = inputs.find_clips([path])
  layout = inputs.resolve_layout(model, '', sources)[0]
  records = inputs.read_records(model, sources, layout=layout)
  return sources, model.predict_records(records, layout=layout)


def body_centers(video):
  return video.keypoints[0, :, :, :2].mean(1)


def test_a_person_is_tracked_in_pixels(tmp_path):
  video = poses.estimate_poses(write_video(tmp_path / 'film.mp4'))
  assert video.keypoints.shape == (1, FRAMES, 17, 3)
  assert video.image_size == (WIDTH, HEIGHT) and video.rate == 10
  x = 27.5 + 5 * np.arange(FRAMES)
  np.testing.assert_allclose(
    body_centers(video), np.c_[x, 0 * x + 47.5], atol=1
  )
  assert video.frames.tolist() == list(range(FRAMES)) and not video.note


def test_late_frames_are_repeated(tmp_path):
  times = [0, 1, 4, 5]
  video = poses.estimate_poses(write_video(tmp_path / 'film.mp4', times))
  assert decoding.resample_frames(np.array(times) / 10, 10).tolist() == [
    *(0, 1, 1, 1, 2, 3)
  ]
  assert video.keypoints.shape[1] == 4
  # The average rate is somewhat less than 10. Frames stay in order.
  assert len(video.frames) == round(0.5 * video.rate) + 1
  assert video.frames[0] == 0 and (np.diff(video.frames) >= 0).all()


def test_a_phone_on_its_side(tmp_path):
  """The file states a rotation by a quarter, clockwise."""
  path = tmp_path / 'film.mp4'
  write_video(path)
  content = path.read_bytes()
  matrix = lambda *values: struct.pack('>9i', *values)  # noqa: E731
  one, last = 1 << 16, 1 << 30
  upright = matrix(one, 0, 0, 0, one, 0, 0, 0, last)
  place = content.index(upright, content.index(b'tkhd'))
  turned = matrix(0, one, 0, -one, 0, 0, 0, 0, last)
  path.write_bytes(content[:place] + turned + content[place + 36 :])
  video = poses.estimate_poses(str(path))
  assert video.image_size == (HEIGHT, WIDTH)
  y = 27.5 + 5 * np.arange(FRAMES)
  x = np.full(FRAMES, HEIGHT - 1 - 47.5)
  np.testing.assert_allclose(body_centers(video), np.c_[x, y], atol=1)


def test_a_prediction_is_drawn_and_keypoints_are_saved(model, tmp_path):
  path = write_video(tmp_path / 'film.mp4')
  sources, predictions = predict(model, path)
  messages = []
  outputs.write_videos(
    sources,
    predictions,
    str(tmp_path / 'drawn'),
    str(tmp_path / 'keypoints'),
    messages.append,
  )
  assert len(messages) == 3 and '12 frames' in messages[0]
  # The saved keypoints give the same prediction.
  again = model.predict(
    np.load(tmp_path / 'keypoints' / 'film.npz')['keypoints'],
    layout='coco_17',
    image_size=(WIDTH, HEIGHT),
  )
  np.testing.assert_allclose(again[0].logits, predictions[0].logits, atol=1e-4)
  drawn = decoding.decode_frames(str(tmp_path / 'drawn' / 'film.mp4'))
  assert next(drawn) == (FRAMES, 10)
  images = [image for _, image in drawn]
  assert len(images) == FRAMES and images[0].shape == (HEIGHT, WIDTH, 3)
  # The body moves with the square: it is the only colour in the image.
  for i, image in enumerate(images):
    spread = np.ptp(image[36:60].astype(int), axis=-1).max(0) > 60
    assert abs(np.nonzero(spread)[0].mean() - (27.5 + 5 * i)) < 6


def test_text_and_bones_are_drawn():
  body = np.zeros((17, 3))
  a, b = COCO.bone_indices[0]
  body[a], body[b] = (30, 90, 1), (90, 90, 1)
  image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
  drawn = overlay.draw_image(image, body[None], ['wave 90%'])
  assert drawn[90, 35:85].any(-1).all()
  assert drawn[:40].max() == 255 and not drawn[110:].any()
  body[b, 2] = 0.1  # below MIN_CONFIDENCE
  assert not overlay.draw_image(image, body[None], ['wave'])[90, 50:100].any()


def test_bad_videos(model, tmp_path):
  no_video = tmp_path / 'text.mp4'
  no_video.write_text('no video')
  with pytest.raises(UserError, match='text.mp4: cannot be read as a video'):
    poses.estimate_poses(str(no_video))
  path = tmp_path / 'film.mp4'
  write_video(path)
  cut = tmp_path / 'cut.mp4'
  cut.write_bytes(path.read_bytes()[:-200])  # its index is at the end
  with pytest.raises(UserError, match='cut.mp4: no frame in this video'):
    poses.estimate_poses(str(cut))
  transport = tmp_path / 'film.mkv'
  write_video(transport)
  content = transport.read_bytes()
  transport.write_bytes(content[: len(content) * 3 // 4])
  video = poses.estimate_poses(str(transport))
  assert 0 < video.keypoints.shape[1] < FRAMES
  with pytest.raises(UserError, match='film.mp4: .*the video itself'):
    overlay.draw_video(str(path), ['wave'], str(tmp_path))


def test_nobody_is_seen(monkeypatch, tmp_path):
  path = write_video(tmp_path / 'film.mp4')
  nobody = np.zeros((0, 17, 3))
  monkeypatch.setattr(
    estimators, 'load_estimator', lambda: lambda image: nobody
  )
  with pytest.raises(NobodySeenError, match='film.mp4: nobody.* 12 frames'):
    poses.estimate_poses(path)


def load_nothing():
  pytest.fail('weights were loaded')


@pytest.mark.parametrize('name', ['rtmlib', 'av'])
def test_a_missing_extra_is_named_before_weights(monkeypatch, tmp_path, name):
  path = write_video(tmp_path / 'film.mp4')
  monkeypatch.undo()
  monkeypatch.setattr(estimators, 'load_estimator', load_nothing)
  monkeypatch.setitem(sys.modules, name, None)
  for refuse in (
    lambda: poses.estimate_poses(path),
    lambda: inputs.check_videos(inputs.find_clips([path])),
  ):
    with pytest.raises(UserError, match=r"pip install 'unik_jax\[video\]'"):
      refuse()


def test_an_unreadable_video_is_refused_before_weights(monkeypatch, tmp_path):
  monkeypatch.setattr(estimators, 'load_estimator', load_nothing)
  bad = tmp_path / 'bad.mp4'
  bad.write_bytes(b'no video')
  with pytest.raises(UserError, match='bad.mp4: cannot be read as a video'):
    poses.estimate_poses(str(bad))
  sources, errors = inputs.find_clips([str(bad)]), []
  with pytest.raises(UserError, match='bad.mp4: cannot be read as a video'):
    inputs.check_videos(sources)
  with pytest.raises(UserError, match='none of 1 clips'):
    inputs.check_videos(sources, errors.append)
  good = inputs.find_clips([write_video(tmp_path / 'good.mp4')])
  assert inputs.check_videos(sources + good, errors.append) == good
  assert len(errors) == 2


@pytest.mark.slow
def test_the_command_checks_videos_before_the_run(tmp_path):
  bad = tmp_path / 'bad.mp4'
  bad.write_bytes(b'no video')
  process = subprocess.run(
    [sys.executable, '-m', 'unik_jax.predict', '--run=missing', str(bad)],
    capture_output=True,
    text=True,
  )
  assert process.stderr.startswith(f'error: {bad}: cannot be read')


def test_help_does_not_need_the_extra():
  process = subprocess.run(
    [sys.executable, '-m', 'unik_jax.predict', '--help'],
    capture_output=True,
    text=True,
  )
  assert '--draw' in process.stdout
