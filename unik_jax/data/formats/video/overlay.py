"""Drawing of skeletons and predictions on a video."""

import pathlib
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from tqdm import tqdm

from unik_jax.data.formats.video import estimators
from unik_jax.data.formats.video.decoding import decode_frames, import_av
from unik_jax.data.formats.video.poses import estimate_poses
from unik_jax.errors import UserError
from unik_jax.runtime.atomic_files import atomic_write
from unik_jax.skeletons.layouts import get_layout

_COLORS = ('#ffd166', '#06d6a0', '#ef476f', '#4cc9f0', '#f78c6b', '#b892ff')
MIN_CONFIDENCE = 0.3  # joints with a lower confidence are not drawn


def draw_video(path: str, lines: Sequence[str], folder: str) -> pathlib.Path:
  """Writes FOLDER/NAME.mp4: the video at a constant frame rate, with skeletons.

  Args:
    path: path of the video.
    lines: text to draw: the predictions.
    folder: output folder, created if missing.

  Returns:
    The path of the new file.

  Raises:
    UserError: the file cannot be written, or would replace the video itself.
  """
  av, video = import_av(), estimate_poses(path)
  file = pathlib.Path(folder).expanduser() / f'{pathlib.Path(path).stem}.mp4'
  if file.exists() and file.samefile(path):
    raise UserError(
      f'{file}: expected a new file, got the video itself. Name another folder'
    )
  repeats = np.bincount(video.frames, minlength=video.keypoints.shape[1])
  width, height = (n - n % 2 for n in video.image_size)  # even for yuv420p
  images = decode_frames(path)
  next(images)
  with (
    atomic_write(file) as part,
    av.open(str(part), 'w', format='mp4') as container,
  ):
    rate = Fraction(video.rate).limit_denominator(1001)
    codec = 'libx264' if 'libx264' in av.codecs_available else 'mpeg4'
    stream = container.add_stream(codec, rate=rate)
    stream.width, stream.height, stream.pix_fmt = width, height, 'yuv420p'
    # `images` comes last, so that zip stops before it reaches damaged frames.
    frames = zip(repeats, video.keypoints.swapaxes(0, 1), images, strict=False)
    for count, bodies, (_, image) in tqdm(
      frames, desc=str(file), total=len(repeats), unit=' frames'
    ):
      drawn = draw_image(image, bodies, lines)[:height, :width]
      for _ in range(count):
        frame = av.VideoFrame.from_ndarray(drawn, format='rgb24')
        container.mux(stream.encode(frame))
    container.mux(stream.encode())
  return file


def draw_image(
  image: np.ndarray, bodies: np.ndarray, lines: Sequence[str]
) -> np.ndarray:
  """Returns an image (H, W, 3) with bodies (M, V, 3) and lines of text."""
  from PIL import Image, ImageDraw, ImageFont

  picture = Image.fromarray(np.ascontiguousarray(image))
  pen = ImageDraw.Draw(picture, 'RGBA')
  line_width = max(picture.height // 200, 2)
  bones = get_layout(estimators.LAYOUT).bone_indices
  for body, color in zip(bodies, _COLORS * len(bodies), strict=False):
    points = [tuple(point) for point in body[:, :2].tolist()]
    is_drawn = body[:, 2] >= MIN_CONFIDENCE
    for a, b in bones:
      if is_drawn[a] and is_drawn[b]:
        pen.line([points[a], points[b]], fill=color, width=line_width)
    for (x, y), drawn in zip(points, is_drawn, strict=True):
      if drawn:
        pen.circle((x, y), 1.5 * line_width, fill=color, outline='black')
  # The text goes on a dark box, so that it is legible on any image.
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
