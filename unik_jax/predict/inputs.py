"""Files of a user's own, found and read for a trained model.

Any clip that `skeleton_folder` reads; see docs/own_data.md for the formats.
"""

import collections
import json
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from unik_jax.data.formats.user import (
  entries,
  openpose,
  people,
  recordings,
  settings,
)
from unik_jax.data.formats.user.people import Found
from unik_jax.data.formats.video import estimators, films, overlay
from unik_jax.errors import UserError
from unik_jax.predict import keypoints
from unik_jax.skeletons.layouts import BUILT_IN, Layout

if TYPE_CHECKING:  # so that a name that is wrong is told before JAX is there
  from unik_jax.predict.predictor import Prediction, Predictor

# Of an estimator that loses people all the time, each crumb would be one.
MOST_PERSONS = 64
_ALL = (*recordings.SUFFIXES, *films.SUFFIXES)
_LISTS = (settings.NAME, 'manifest.csv', 'manifest.json')


def find(
  paths: Sequence[str], image_size: tuple[int, int] | None = None
) -> list[recordings.Source]:
  """The clips that are meant, before any is read.

  Args:
    paths: of files, folders of OpenPose's frames, or folders to be searched.
    image_size: (width, height) in pixels, where no file says it.

  Raises:
    UserError: nothing named, no such file, a suffix that is not known, or a
      folder without clips.
  """
  if not paths:
    raise UserError(
      'no clip is named; name files, or folders of them, or give frames to'
      ' --stream'
    )
  found = []
  for path in paths:
    path = os.path.expanduser(path)
    if not os.path.exists(path):
      raise UserError(f'{path}: no such file or folder')
    if os.path.isdir(path):
      found += _search(pathlib.Path(path), image_size)
      continue
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in _ALL:
      raise UserError(
        f'{path}: unknown suffix {suffix!r}; use one of'
        f" {', '.join(_ALL)}, or a folder of OpenPose's"
        f' *{openpose.SUFFIX} files'
      )
    found.append(recordings.Source(path, image_size=image_size))
  return found


def size_of(words: Sequence[str]) -> tuple[int, int] | None:
  """(width, height) of two words; None of none; a UserError of others."""
  try:
    return people.image_size([int(word) for word in words], '--image_size')
  except ValueError:  # of which a UserError is one
    raise UserError(
      f'--image_size is {",".join(words)!r}; width and height in pixels are'
      ' due, as in --image_size=1920,1080'
    ) from None


def is_video(source: recordings.Source) -> bool:
  """Whether a file is a video, by its suffix."""
  return os.path.splitext(source.path)[1].lower() in films.SUFFIXES


def layout_of(
  model: 'Predictor', name: str, sources: Sequence[recordings.Source] = ()
) -> Layout:
  """The layout that a user names.

  Args:
    model: whose joints are to be made of it.
    sources: what is to be answered for; where all are videos and no name is
      given, the layout is that of the joints which are found in them.
    name: of a layout that is known, or the path of a layout.yaml; '' for that
      of the clips that the model was trained on.

  Raises:
    UserError: unknown, no such file, or it cannot be mapped.
  """
  if not name and sources and all(map(is_video, sources)):
    return model.layout(estimators.LAYOUT)
  path = pathlib.Path(name).expanduser()
  if path.name != settings.NAME:
    return model.layout(name or None)
  if not path.exists():
    raise UserError(f'{path}: no such file')
  stated = settings.read(path.parent).layout
  if stated is None:
    raise UserError(f'{path}: it names no layout')
  return model.layout(stated)


def _search(root, image_size):
  """The clips below a folder, in the order of their names."""
  found, frames = [], collections.defaultdict(set)
  for file in entries.files_in(root):
    folder, name = os.path.split(file.path)
    if name.endswith(openpose.SUFFIX):
      frames[folder].add(openpose.clip_of(name))
    elif os.path.splitext(name)[1].lower() in _ALL:
      if name not in _LISTS:
        found.append(recordings.Source(file.path, image_size=image_size))
  for folder, videos in frames.items():
    alone = len(videos) == 1
    for video in videos:
      found.append(
        recordings.Source(folder, None if alone else video, image_size)
      )
  if not found:
    raise UserError(
      f'{root}: no clip in this folder; looked for were'
      f" {', '.join(_ALL)} and OpenPose's *{openpose.SUFFIX}"
    )
  return sorted(found, key=str)


def records(
  model: 'Predictor',
  sources: Sequence[recordings.Source],
  *,
  layout: Layout,
  stated: bool,
  confidence: bool | None = None,
  together: bool = True,
  on_bad: Callable[[UserError], None] | None = None,
) -> list[dict[str, Any]]:
  """Reads and checks all clips, for `model.answer`.

  Args:
    model: that is to answer.
    sources: of `find`.
    layout: of their joints.
    stated: whether the user named it, and not the model.
    confidence: as in `Predictor.predict`, of formats that leave it open.
    together: likewise.
    on_bad: is told what is wrong with a clip, which is then left out.

  Raises:
    UserError: a clip cannot be read or does not fit the model, and there is no
      `on_bad`; or none is left.
  """
  made = []
  for n, source in enumerate(sources):
    try:
      found = read(
        source,
        layout,
        stated,
        persons=model.run.config.data.persons if together else MOST_PERSONS,
        confidence=confidence,
      )
      ones = model.records(
        found.keypoints,
        layout=layout,
        image_size=found.image_size or source.image_size,
        confidence=confidence if found.is_open else found.confidence,
        together=together,
        where=str(source),
      )
    except UserError as error:
      if on_bad is None:
        raise
      on_bad(error)
      continue
    made += [one | {'clip': n, 'units': found.units} for one in ones]
  if not made:
    raise UserError(f'none of {len(sources)} clips could be read')
  return made


def read(
  source: recordings.Source,
  layout: Layout,
  stated: bool,
  *,
  persons: int,
  confidence: bool | None = None,
) -> Found:
  """What a clip's file holds, if it is of a layout.

  Args:
    source: the file.
    layout: that its joints should have.
    stated: whether the user named it.
    persons: how many are kept, where the file does not say who is who.
    confidence: as in `own.find`.

  Raises:
    UserError: as `own.find`, or the format has other joints.
  """
  options = {'persons': persons, 'confidence': confidence}
  try:
    if is_video(source):
      found = films.found(source.path)
    else:
      found = recordings.find(source, layout, **options)
  except UserError:
    if is_video(source):
      raise
    # A table whose header names other joints says of which layout they are.
    try:
      found = recordings.find(source, None, **options)
    except UserError:
      found = None
    if found is None or found.layout in ('', layout.name):
      raise
  clip = found.keypoints
  same_number = clip.shape[2] == layout.num_joints
  # A layout of one's own may be that of a format under another name.
  renamed = same_number and layout.name not in BUILT_IN
  if found.layout not in ('', layout.name) and not renamed:
    raise UserError(
      f'{source}: its format has the joints of {found.layout!r}, but'
      + (' --layout says' if stated else ' the model was trained on')
      + f' {layout.name!r}; --layout={found.layout} has them mapped by name'
    )
  keypoints.check_joints(clip.shape[2], layout, str(source), clip.shape[1])
  return found


def finish(
  sources: Sequence[recordings.Source],
  answers: Sequence['Prediction'],
  draw: str,
  save: str,
  *,
  say: Callable[[str], None],
) -> None:
  """Draws answers on videos, and saves what was seen in them.

  Args:
    sources: of `find`.
    answers: for them.
    draw: folder for videos with skeletons and answers; '' for none.
    save: folder for keypoints; '' for none.
    say: is told what was done.

  Raises:
    UserError: a file cannot be written.
  """
  for n in sorted({one.clip for one in answers}):
    if not is_video(sources[n]):
      continue
    path = sources[n].path
    film = films.look(path)
    if film.note:
      say(f'note: {film.note}')
    say(
      f'{path}: {film.keypoints.shape[1]} frames,'
      f' {film.milliseconds:.0f} ms each to find poses'
    )
    if save:
      say(f'keypoints: {films.save(path, save)}')
    if draw:
      lines = [
        ('' if one.person is None else f'person {one.person}: ')
        + f'{one.label} {one.probability:.0%}'
        for one in answers
        if one.clip == n
      ]
      say(f'drawn: {overlay.draw(path, lines, draw)}')


def note_on_units(
  model: 'Predictor', records: Sequence[dict[str, Any]]
) -> str | None:
  """What to say where clips are in other units than the model's training."""
  ours = model.run.units
  others = {record['units'] for record in records} - {'', ours}
  # The image's size, or the box around the joints, takes the units' place.
  flat = model.run.config.data.channels - model.run.config.data.confidence == 2
  scaled = flat and model.run.config.data.normalize == 'clean'
  if not others or not ours or ours == 'as in the files' or scaled:
    return None
  return (
    f'clips are in {sorted(others)[0]}, but the model was trained on'
    f' coordinates in: {ours}; convert them, or the answers mean nothing'
  )


def to_json(
  sources: Sequence[recordings.Source], answers: Sequence['Prediction']
) -> Iterator[str]:
  """Answers as lines of JSON."""
  for one in answers:
    person = {} if one.person is None else {'person': one.person}
    yield json.dumps(
      {'file': str(sources[one.clip])}
      | person
      | {
        'label': one.label,
        'probability': round(one.probability, 6),
        'top': [[name, round(p, 6)] for name, p in one.top],
      }
    )


def table(
  sources: Sequence[recordings.Source], answers: Sequence['Prediction']
) -> Iterator[str]:
  """Answers as lines of a table, its head first."""
  rows = [('file', 'person', 'answer', 'probability', 'next best')]
  for one in answers:
    others = ', '.join(f'{label} {p:.1%}' for label, p in one.top[1:])
    rows.append(
      (
        str(sources[one.clip]),
        str(one.person),
        one.label,
        f'{one.probability:.1%}',
        others,
      )
    )
  together = all(one.person is None for one in answers)
  columns = [
    column
    for column in zip(*rows, strict=True)
    if any(column[1:]) and not (together and column[0] == 'person')
  ]
  widths = [max(map(len, column)) for column in columns]
  for row in zip(*columns, strict=True):
    cells = (c.ljust(w) for c, w in zip(row, widths, strict=True))
    yield '  '.join(cells).rstrip()
