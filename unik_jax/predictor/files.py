"""Predictions for files: what `Predictor.predict` does with paths."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from absl import logging

from unik_jax.data.formats.user.recordings import ClipSource
from unik_jax.errors import UserError
from unik_jax.predictor import arguments, conversion, inputs
from unik_jax.skeletons.layouts import Layout

if TYPE_CHECKING:  # imports this module
  from unik_jax.predictor.predictor import Prediction, Predictor


def read_files(
  model: 'Predictor',
  sources: Sequence[ClipSource],
  *,
  layout: str | Layout | None = None,
  confidence: bool | None = None,
  together: bool = True,
  on_bad: Callable[[UserError], None] | None = None,
  on_note: Callable[[str], None] = logging.warning,
) -> tuple[Layout, list[dict[str, Any]]]:
  """Reads and checks all clips.

  Args:
    model: the model.
    sources: from `inputs.find_clips`.
    layout: as in `Predictor.predict`, or the path of a layout.yaml.
    confidence: as in `Predictor.predict`.
    together: as in `Predictor.predict`.
    on_bad: called with the error of each bad clip, which is then skipped; None
      to raise the error.
    on_note: called with each message for the user.

  Returns:
    The joint layout of the clips, and the records for `predict_records`.

  Raises:
    UserError: a clip cannot be read or does not fit the model, and `on_bad` is
      None; or no clip could be read.
  """
  if isinstance(layout, Layout):
    layout, origin = model.resolve_layout(layout), 'layout='
  else:
    layout, origin = inputs.resolve_layout(model, layout or '', sources)
  records = inputs.read_records(
    model,
    sources,
    layout=layout,
    origin=origin,
    confidence=confidence,
    together=together,
    on_bad=on_bad,
    on_note=on_note,
  )
  units = [record['units'] for record in records]
  if note := conversion.explain_other_units(units, model.run):
    on_note(note)
  return layout, records


def predict_files(
  model: 'Predictor',
  paths: Sequence[str],
  *,
  layout: str | Layout | None,
  image_size: Any,
  units: str,
  confidence: bool | None,
  together: bool,
  top_k: int,
) -> 'list[Prediction]':
  """Returns the predictions for files and folders; see `Predictor.predict`."""
  size = arguments.select_size(image_size, 0, clips=1)
  size = None if size is None else (int(size[0]), int(size[1]))
  sources = inputs.find_clips(paths, size, units)
  inputs.check_videos(sources)
  layout, records = read_files(
    model, sources, layout=layout, confidence=confidence, together=together
  )
  predictions = model.predict_records(records, layout=layout, top_k=top_k)
  return [p._replace(file=str(sources[p.clip])) for p in predictions]
