"""A user's clips for a trained model: found, read and checked.

The supported files are videos and all clips that `skeleton_folder` reads
(docs/own_data.md).
"""

import collections
import dataclasses
import functools
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from unik_jax.data.clips import summarize_notes
from unik_jax.data.formats.user import (
  annotations,
  entries,
  frame_folders,
  named_points,
  recordings,
  settings,
  stacks,
)
from unik_jax.data.formats.user.keypoints import ParsedClip
from unik_jax.data.formats.user.recordings import ClipSource
from unik_jax.data.formats.video import decoding, estimators, poses
from unik_jax.errors import UserError
from unik_jax.predictor.adapter import check_joints
from unik_jax.skeletons.layouts import BUILT_IN, Layout

if TYPE_CHECKING:  # a wrong file name is reported before JAX is imported
  from unik_jax.predictor.predictor import Predictor

# Limits the persons of an estimator that often loses people: each fragment of a
# track becomes a person.
MAX_PERSONS = 64
_SUFFIXES = (*recordings.SUFFIXES, annotations.SUFFIX, *decoding.SUFFIXES)
_MAX_FOLDERS = 4
_TRAINING = 'the clips that the model was trained on'
_LABELS = 'label.pkl'
_NOT_CLIPS = (settings.FILE_NAME, 'manifest.csv', 'manifest.json')


def find_clips(
  paths: Sequence[str],
  image_size: tuple[int, int] | None = None,
  units: str = '',
) -> list[ClipSource]:
  """Returns the clips at some paths, without reading them.

  Args:
    paths: files, folders of frames, or folders to search.
    image_size: (width, height) in pixels, for files that do not state it;
      None for that in the nearest layout.yaml, in a clip's folder or up to
      three folders above (SPLIT/LABEL/CLIP).
    units: units of the coordinates, for files that do not define them; '' for
      those in layout.yaml.

  Raises:
    UserError: there are no paths, a file is missing or has an unknown suffix,
      or a folder has no clips.
  """
  if not paths:
    raise UserError(
      'arguments: expected files or folders of clips, got none. Name some, or'
      ' read frames with --stream'
    )
  sources = []
  for path in paths:
    path = os.path.expanduser(path)
    if not os.path.exists(path):
      raise UserError(f'{path}: no such file or folder')
    if os.path.isdir(path):
      sources += _search_folder(pathlib.Path(path))
      continue
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in _SUFFIXES:
      raise UserError(
        f'{path}: expected {", ".join(_SUFFIXES)}, or a folder of'
        f' {frame_folders.KINDS}, got the suffix {suffix!r}'
      )
    sources += _list_clips(path)
  return [_complete_source(source, image_size, units) for source in sources]


def _complete_source(source, image_size, units):
  """Returns a source with what the user states of it."""
  stated = _nearest_settings(pathlib.Path(source.path).absolute())
  return dataclasses.replace(
    source,
    image_size=image_size or stated.image_size,
    units=units or stated.units,
    checks_units=bool(units),
    confidence=stated.confidence,
  )


def _nearest_settings(path):
  folders = [path, *path.parents] if path.is_dir() else path.parents
  for folder in folders[:_MAX_FOLDERS]:
    if (folder / settings.FILE_NAME).exists():
      return _read_settings(folder)
  return settings.Settings()


_read_settings = functools.cache(settings.read_settings)


def is_video(source: ClipSource) -> bool:
  """Returns whether a file is a video, by its suffix."""
  return os.path.splitext(source.path)[1].lower() in decoding.SUFFIXES


def check_videos(
  sources: Sequence[ClipSource],
  on_bad: Callable[[UserError], None] | None = None,
) -> list[ClipSource]:
  """Returns the sources without unreadable videos, before weights are loaded.

  Args:
    sources: from `find_clips`.
    on_bad: as in `read_records`.

  Raises:
    UserError: a video cannot be read or a package for it is missing, and
      `on_bad` is None; or nothing is left.
  """
  kept = []
  for source in sources:
    try:
      if is_video(source):
        poses.check_video(source.path)
    except UserError as error:
      if on_bad is None:
        raise
      on_bad(error)
    else:
      kept.append(source)
  _check_some_readable(kept, sources)
  return kept


def _check_some_readable(readable, sources):
  if not readable:
    raise UserError(
      f'expected a readable clip, got none of {len(sources)} clips'
    )


def resolve_layout(
  model: 'Predictor', name: str, sources: Sequence[ClipSource] = ()
) -> tuple[Layout, str]:
  """Returns the joint layout of the input, and what states it.

  Args:
    model: the model. Its joints must be computable from the layout's.
    name: name of a layout, or path of a YAML file with one; '' for the default:
      the pose estimator's layout if all sources are videos; otherwise the
      layout in the nearest layout.yaml of all clips, or else the layout of the
      model's training clips.
    sources: the input.

  Raises:
    UserError: the name is unknown, the file is missing, clips state different
      layouts, or the layout cannot be mapped to the model's.
  """
  if name and settings.is_yaml(name):
    path = pathlib.Path(name).expanduser()
    if not path.exists():
      raise UserError(f'{path}: no such file')
    layout = settings.read_settings_file(path).layout
    if layout is None:
      raise UserError(f'{path}: expected a layout, got none')
    return model.resolve_layout(layout), '--layout'
  if name:
    return model.resolve_layout(name), '--layout'
  if sources and all(map(is_video, sources)):
    return model.resolve_layout(estimators.LAYOUT), _TRAINING
  stated = {}
  for path in dict.fromkeys(source.path for source in sources):
    if layout := _nearest_settings(pathlib.Path(path).absolute()).layout:
      stated[layout] = path
  if len(stated) > 1:
    (first, place), (second, other) = list(stated.items())[:2]
    raise UserError(
      f'{place} has the layout {first.name!r}, and {other} {second.name!r}, as'
      ' their layout.yaml say. Predict them one after the other'
    )
  for layout in stated:
    return model.resolve_layout(layout), 'layout.yaml'
  return model.resolve_layout(None), _TRAINING


def _list_clips(path):
  """Returns the clips in a file: one, or those of a file of several."""
  if path.endswith(annotations.SUFFIX):
    return [ClipSource(path, name) for name in annotations.list_clips(path)]
  return [
    ClipSource(path, name)
    for stack in stacks.find_stacks(path)
    for name in stack.clip_names()
  ] or [ClipSource(path)]


def _search_folder(root):
  """Returns the clips below a folder, sorted by name."""
  sources, names_by_folder = [], collections.defaultdict(list)
  for file in entries.list_files(root):
    folder, name = os.path.split(file.path)
    if frame_folders.frame_suffix(folder, name):
      names_by_folder[folder].append(name)
    elif os.path.splitext(name)[1].lower() in _SUFFIXES:
      is_label = name.endswith(_LABELS)  # of a stack
      if name not in _NOT_CLIPS and not is_label:
        sources += _list_clips(file.path)
  for folder, names in names_by_folder.items():
    videos = frame_folders.group_frames(folder, names)
    is_clip = len(videos) == 1
    for video in videos:
      sources.append(ClipSource(folder, None if is_clip else video))
  if not sources:
    raise UserError(
      f'{root}: expected {", ".join(_SUFFIXES)} or {frame_folders.KINDS}, got'
      ' no clip in this folder'
    )
  return sorted(sources, key=str)


def read_records(
  model: 'Predictor',
  sources: Sequence[ClipSource],
  *,
  layout: Layout,
  origin: str = _TRAINING,
  confidence: bool | None = None,
  together: bool = True,
  on_bad: Callable[[UserError], None] | None = None,
  on_note: Callable[[str], None] | None = None,
) -> list[dict[str, Any]]:
  """Reads and checks all clips, for `Predictor.predict_records`.

  Args:
    model: the model.
    sources: from `find_clips`.
    layout: joint layout of the clips.
    origin: what states the layout, from `resolve_layout`.
    confidence: as in `Predictor.predict`, for formats that do not define it;
      None for what layout.yaml states.
    together: as in `Predictor.predict`.
    on_bad: called with the error of each bad clip, which is then skipped; None
      to raise the error.
    on_note: called with each note of the clips' readers; None for no notes.

  Raises:
    UserError: a clip cannot be read or does not fit the model, and `on_bad` is
      None; or no clip could be read.
  """
  records, notes = [], []
  for n, source in enumerate(sources):
    stated_confidence = source.confidence if confidence is None else confidence
    try:
      parsed = read_clip(
        source,
        layout,
        origin,
        persons=model.run.config.data.persons if together else MAX_PERSONS,
        confidence=stated_confidence,
      )
      clip_records = model.build_records(
        parsed.keypoints,
        layout=layout,
        image_size=parsed.image_size,
        units=parsed.units,
        confidence=stated_confidence if parsed.is_open else parsed.confidence,
        together=together,
        where=str(source),
      )
    except UserError as error:
      if on_bad is None:
        raise
      on_bad(error)
      continue
    records += [record | {'clip': n} for record in clip_records]
    notes.append((source, parsed.notes))
  _check_some_readable(records, sources)
  if on_note:
    for note in summarize_notes(notes):
      on_note(note)
  return records


def read_clip(
  source: ClipSource,
  layout: Layout,
  origin: str = _TRAINING,
  *,
  persons: int,
  confidence: bool | None = None,
) -> ParsedClip:
  """Returns a clip's contents after checking its layout.

  Args:
    source: the file.
    layout: the expected layout.
    origin: what states the layout, from `resolve_layout`.
    persons: maximum number of persons, in formats that list bodies.
    confidence: as in `recordings.parse_clip`.

  Raises:
    UserError: the file cannot be read, or its format has other joints than the
      layout.
  """
  if is_video(source):
    parsed = poses.parse_video(source.path)
    recordings.check_units(source, parsed.units)
  else:
    parsed = _parse_file(source, layout, persons, confidence)
  named_points.check_points(parsed.layout, layout, origin, str(source))
  _, frames, joints, _ = parsed.keypoints.shape
  # A user's own layout may be the format's under another name, and points of
  # the file may be those of a layout.
  is_renamed = joints == layout.num_joints and (
    layout.name not in BUILT_IN or named_points.is_named_points(parsed.layout)
  )
  if parsed.layout not in ('', layout.name) and not is_renamed:
    raise UserError(
      f'{source}: expected the joints of {layout.name!r}, as in {origin}, got'
      f' the joints of {parsed.layout!r}. Use --layout={parsed.layout} to map'
      ' joints by name'
    )
  check_joints(joints, layout, str(source), frames)
  return parsed


def _parse_file(source, layout, persons, confidence):
  options = {'persons': persons, 'confidence': confidence}
  try:
    return recordings.parse_clip(source, layout, **options)
  except UserError as error:
    # A table's header may name the joints of another layout. The caller's
    # error, which suggests that layout, is then more helpful.
    try:
      parsed = recordings.parse_clip(source, None, **options)
    except UserError:
      raise error from None
    if parsed.layout in ('', layout.name):
      raise
    return parsed
