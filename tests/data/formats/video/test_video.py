"""Videos: read, followed, drawn; a stand-in takes the pose estimator's place.

The films are real files, made here; no estimator's weights are at hand.
"""

import struct
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from helpers import made_run

from unik_jax.data.formats.user import people
from unik_jax.data.formats.video import estimators, films, overlay
from unik_jax.errors import UserError
from unik_jax.predict import inputs
from unik_jax.predict.predictor import Predictor
from unik_jax.skeletons.layouts import get_layout

av = pytest.importorskip(
  'av', reason="videos take pip install 'unik_jax[video]'"
)

WIDTH, HEIGHT, FRAMES = 160, 120, 12
COCO = get_layout('coco_17')


def write_film(path, times=range(FRAMES), size=(WIDTH, HEIGHT)):
  """A white square on black, that goes right by 5 pixels a frame."""
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
  """Stands in for an estimator: a body of 17 joints around what is white."""
  rows, columns = np.nonzero(image.mean(-1) > 128)
  if not len(rows):
    return np.zeros((0, 17, 3))
  spread = np.random.default_rng(0).uniform(-8, 8, (17, 2))
  points = spread - spread.mean(0) + [columns.mean(), rows.mean()]
  return np.concatenate([points, np.full((17, 1), 0.9)], -1)[None]


@pytest.fixture(autouse=True)
def stand_in(monkeypatch):
  monkeypatch.setattr(estimators, 'make', lambda: find_square)
  films.look.cache_clear()


@pytest.fixture(scope='module')
def model():
  config = made_run.settings(layout='coco_17', channels=2, normalize='clean')
  return Predictor(made_run.make(config))


def predict(model, path):
  sources = inputs.find([path])
  layout = inputs.layout_of(model, '', sources)
  records = inputs.records(model, sources, layout=layout, stated=False)
  return sources, model.answer(records, layout=layout)


def middles(film):
  return film.keypoints[0, :, :, :2].mean(1)


def test_a_person_is_followed_in_pixels(tmp_path):
  film = films.look(write_film(tmp_path / 'film.mp4'))
  assert film.keypoints.shape == (1, FRAMES, 17, 3)
  assert film.image_size == (WIDTH, HEIGHT) and film.rate == 10
  x = 27.5 + 5 * np.arange(FRAMES)
  np.testing.assert_allclose(middles(film), np.c_[x, 0 * x + 47.5], atol=1)
  assert film.frames.tolist() == list(range(FRAMES)) and not film.note


def test_frames_that_come_late_are_there_several_times(tmp_path):
  times = [0, 1, 4, 5]
  film = films.look(write_film(tmp_path / 'film.mp4', times))
  assert films.at_constant_rate(np.array(times) / 10, 10).tolist() == [
    *(0, 1, 1, 1, 2, 3)
  ]
  assert film.keypoints.shape[1] == 4
  # At the average rate, somewhat less than 10, in the order of the film.
  assert len(film.frames) == round(0.5 * film.rate) + 1
  assert film.frames[0] == 0 and (np.diff(film.frames) >= 0).all()


def test_a_phone_on_its_side(tmp_path):
  """The file says that it is to be turned clockwise by a quarter."""
  path = tmp_path / 'film.mp4'
  write_film(path)
  content = path.read_bytes()
  matrix = lambda *values: struct.pack('>9i', *values)  # noqa: E731
  one, last = 1 << 16, 1 << 30
  upright = matrix(one, 0, 0, 0, one, 0, 0, 0, last)
  place = content.index(upright, content.index(b'tkhd'))
  turned = matrix(0, one, 0, -one, 0, 0, 0, 0, last)
  path.write_bytes(content[:place] + turned + content[place + 36 :])
  film = films.look(str(path))
  assert film.image_size == (HEIGHT, WIDTH)
  y = 27.5 + 5 * np.arange(FRAMES)
  x = np.full(FRAMES, HEIGHT - 1 - 47.5)
  np.testing.assert_allclose(middles(film), np.c_[x, y], atol=1)


def test_an_answer_drawn_and_saved(model, tmp_path):
  path = write_film(tmp_path / 'film.mp4')
  sources, answers = predict(model, path)
  told = []
  inputs.finish(
    sources,
    answers,
    str(tmp_path / 'drawn'),
    str(tmp_path / 'keypoints'),
    say=told.append,
  )
  assert len(told) == 3 and '12 frames' in told[0]
  # Of the saved keypoints the answer is the same.
  again = model.predict(
    np.load(tmp_path / 'keypoints' / 'film.npz')['keypoints'],
    layout='coco_17',
    image_size=(WIDTH, HEIGHT),
  )
  np.testing.assert_allclose(again[0].logits, answers[0].logits, atol=1e-4)
  drawn = films.decode(str(tmp_path / 'drawn' / 'film.mp4'))
  assert next(drawn) == (FRAMES, 10)
  images = [image for _, image in drawn]
  assert len(images) == FRAMES and images[0].shape == (HEIGHT, WIDTH, 3)
  # The body goes with the square: colour, where all was black and white.
  for i, image in enumerate(images):
    spread = np.ptp(image[36:60].astype(int), axis=-1).max(0) > 60
    assert abs(np.nonzero(spread)[0].mean() - (27.5 + 5 * i)) < 6


def test_text_and_bones_are_where_they_should_be():
  body = np.zeros((17, 3))
  a, b = COCO.bone_indices[0]
  body[a], body[b] = (30, 90, 1), (90, 90, 1)
  image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
  drawn = overlay.on_image(image, body[None], ['wave 90%'])
  assert drawn[90, 35:85].any(-1).all()
  assert drawn[:40].max() == 255 and not drawn[110:].any()
  body[b, 2] = 0.1  # too unsure to be drawn
  assert not overlay.on_image(image, body[None], ['wave'])[90, 50:100].any()


def test_bad_films(model, tmp_path):
  no_film = tmp_path / 'text.mp4'
  no_film.write_text('no film')
  with pytest.raises(UserError, match='text.mp4: cannot be read as a video'):
    films.look(str(no_film))
  path = tmp_path / 'film.mp4'
  write_film(path)
  cut = tmp_path / 'cut.mp4'
  cut.write_bytes(path.read_bytes()[:-200])  # its index is at the end
  with pytest.raises(UserError, match='cut.mp4: no frame in this video'):
    films.look(str(cut))
  transport = tmp_path / 'film.mkv'
  write_film(transport)
  content = transport.read_bytes()
  transport.write_bytes(content[: len(content) * 3 // 4])
  film = films.look(str(transport))
  assert 0 < film.keypoints.shape[1] < FRAMES
  with pytest.raises(UserError, match='film.mp4 is the video itself'):
    overlay.draw(str(path), ['wave'], str(tmp_path))


def test_nobody(monkeypatch, tmp_path):
  path = write_film(tmp_path / 'film.mp4')
  nobody = np.zeros((0, 17, 3))
  monkeypatch.setattr(estimators, 'make', lambda: lambda image: nobody)
  with pytest.raises(people.Nobody, match='nobody is found in 12 frames'):
    films.look(path)


@pytest.mark.parametrize('name', ['rtmlib', 'av'])
def test_the_extra_is_named_where_it_is_missing(monkeypatch, tmp_path, name):
  path = write_film(tmp_path / 'film.mp4')
  monkeypatch.undo()
  films.look.cache_clear()
  monkeypatch.setitem(sys.modules, name, None)
  with pytest.raises(UserError, match=r"pip install 'unik_jax\[video\]'"):
    films.look(path)


def test_help_answers_without_the_extra():
  done = subprocess.run(
    [sys.executable, '-m', 'unik_jax.predict', '--help'],
    capture_output=True,
    text=True,
  )
  assert '--draw' in done.stdout
