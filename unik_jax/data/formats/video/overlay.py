"""A video with the skeletons that were found in it, and the answer."""

import pathlib
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from tqdm import tqdm

from unik_jax.data.formats.video import estimators, films
from unik_jax.runtime import atomic_files
from unik_jax.skeletons.layouts import get_layout

COLOURS = ('#ffd166', '#06d6a0', '#ef476f', '#4cc9f0', '#f78c6b', '#b892ff')
SURE = 0.3  # the least confidence with which a joint is drawn


def draw(path: str, lines: Sequence[str], folder: str) -> pathlib.Path:
  """Writes FOLDER/NAME.mp4: the video at a constant rate, drawn on.

  Args:
    path: of the video.
    lines: of text, the answers.
    folder: made if missing.

  Returns:
    The file.

  Raises:
    UserError: it cannot be written, or would be the video itself.
  """
  from unik_jax.errors import UserError

  av, film = films._av(), films.look(path)
  file = pathlib.Path(folder).expanduser() / f'{pathlib.Path(path).stem}.mp4'
  if file.exists() and file.samefile(path):
    raise UserError(f'{file} is the video itself; name another folder')
  times = np.bincount(film.frames, minlength=film.keypoints.shape[1])
  width, height = (n - n % 2 for n in film.image_size)  # as the format wants
  images = films.decode(path)
  next(images)
  with (
    atomic_files.atomic_write(file) as part,
    av.open(str(part), 'w', format='mp4') as container,
  ):
    rate = Fraction(film.rate).limit_denominator(1001)
    codec = 'libx264' if 'libx264' in av.codecs_available else 'mpeg4'
    stream = container.add_stream(codec, rate=rate)
    stream.width, stream.height, stream.pix_fmt = width, height, 'yuv420p'
    # Zipped in this order, what cannot be decoded any more is not asked for.
    frames = zip(times, film.keypoints.swapaxes(0, 1), images, strict=False)
    for count, bodies, (_, image) in tqdm(
      frames, desc=str(file), total=len(times), unit=' frames'
    ):
      drawn = on_image(image, bodies, lines)[:height, :width]
      for _ in range(count):
        frame = av.VideoFrame.from_ndarray(drawn, format='rgb24')
        container.mux(stream.encode(frame))
    container.mux(stream.encode())
  return file


def on_image(
  image: np.ndarray, bodies: np.ndarray, lines: Sequence[str]
) -> np.ndarray:
  """An image (H, W, 3) with bodies (M, V, 3) and lines of text on it."""
  from PIL import Image, ImageDraw, ImageFont

  picture = Image.fromarray(np.ascontiguousarray(image))
  pen = ImageDraw.Draw(picture, 'RGBA')
  thick = max(picture.height // 200, 2)
  bones = get_layout(estimators.LAYOUT).bone_indices
  for body, colour in zip(bodies, COLOURS * len(bodies), strict=False):
    points = [tuple(point) for point in body[:, :2].tolist()]
    sure = body[:, 2] >= SURE
    for a, b in bones:
      if sure[a] and sure[b]:
        pen.line([points[a], points[b]], fill=colour, width=thick)
    for (x, y), there in zip(points, sure, strict=True):
      if there:
        pen.circle((x, y), 1.5 * thick, fill=colour, outline='black')
  size = max(picture.height // 24, 12)
  text, font = '\n'.join(lines), ImageFont.load_default(size)
  box = pen.multiline_textbbox((size, size), text, font=font)
  left, top, right, bottom = box
  edge = size // 3
  pen.rectangle(
    (left - edge, top - edge, right + edge, bottom + edge), fill=(0, 0, 0, 160)
  )
  pen.multiline_text((size, size), text, fill='white', font=font)
  return np.asarray(picture)
