"""A body's size in the data of two runs: what is told, and what is not."""

import re

import pytest

from unik_jax.config import default_config
from unik_jax.run.data_scale import DataScale, explain_other_scale

HD, VGA, UNKNOWN = (1920, 1080), (640, 480), (0, 0)


def scale_of(units, sizes=None, **data):
  config = default_config()
  config.data.update(**data)
  return DataScale(config.data, units, sizes)


def image(units='pixels', sizes=None, normalize='screen_640'):
  return scale_of(units, sizes, channels=2, normalize=normalize)


@pytest.mark.parametrize(
  'here, there, words',
  [
    # A scale in metres, 0.32, is 320 in millimetres and 32 in centimetres.
    (('millimetres', 1), ('metres', 0.32), 'data.scale=320 .here 1'),
    (('metres', 0.32), ('centimetres', 32), None),
    (('metres', 0.32), ('centimetres', 3200), 'data.scale=32 '),
    (('metres', 1), ('metres', 0.32), None),
    (('pixels', 1), ('metres', 1), 'in pixels, .* in metres. Convert'),
    (('as in the files', 1), ('metres', 1), None),
    (('', 1), ('metres', 1), None),
  ],
)
def test_units_and_scale(here, there, words):
  note = explain_other_scale(
    *(scale_of(units, scale=float(scale)) for units, scale in (here, there))
  )
  check(note, words)


@pytest.mark.parametrize(
  'here, there, words',
  [
    ('body', 'body', None),
    ('clean', 'body', 'only its training.*normalize=body --.*scale=1$'),
    ('body', 'screen_640', 'only the data.*normalize=screen_640 --.*scale=1$'),
  ],
)
def test_sizes_of_bodies_are_not_compared_if_removed(here, there, words):
  here, there = image('pixels', [HD], here), image('pixels', [VGA], there)
  check(explain_other_scale(here, there), words)
  if words is None:
    assert (
      explain_other_scale(here, scale_of('metres', normalize='body')) is None
    )


def test_body_sizes_have_one_scale():
  here, there = (
    scale_of('metres', normalize='body', scale=scale) for scale in (0.42, 1.0)
  )
  check(explain_other_scale(here, there), '0.42 here.*Set --.*scale=1$')


@pytest.mark.parametrize(
  'here, there, words',
  [
    ([HD], [VGA], '1920 x 1080 pixels.* 640 x 480'),
    ([VGA], [VGA, HD], None),
    ([UNKNOWN], [HD], None),
    ([HD], None, None),
  ],
)
def test_sizes_of_images(here, there, words):
  check(explain_other_scale(image(sizes=here), image(sizes=there)), words)


@pytest.mark.parametrize(
  'here, there, words',
  [
    ([HD], [VGA], None),
    ([UNKNOWN], [UNKNOWN], None),
    ([UNKNOWN], [VGA], 'not known for the data only'),
    ([HD], [UNKNOWN], 'not known for its training clips only'),
  ],
)
def test_clean_coordinates_have_no_units(here, there, words):
  note = explain_other_scale(
    image('pixels', here, 'clean'), image('fractions', there, 'clean')
  )
  check(note, words)


def check(note, words):
  if words is None:
    assert note is None
  else:
    assert note and re.search(words, note), note
