"""The steps between a recorded clip and the network's input, as a table."""

from typing import Any

from unik_jax.data.transform import WHOLE, frames_to_test


def input_frames(data: Any) -> int:
  """Returns the number of frames of the network's input at test time.

  A network tested on whole clips takes any number; this is then the number it
  was trained on.

  Args:
    data: the `data` part of a config.
  """
  frames = frames_to_test(data)
  return data.frames if frames == WHOLE else frames


def preprocessing_steps(data: Any) -> list[dict[str, Any]]:
  """Lists what `data.transform.Transform` does to a clip at test time.

  Args:
    data: the `data` part of a config.

  Returns:
    In order, each step's name under `step` and its settings beside it. Steps
    that change nothing with these settings are left out.
  """
  sample = {
    'step': 'sample frames',
    'sampling': data.sampling,
    'frames': input_frames(data),
  }
  for key, what in (
    ('test_clips', 'random samplings of a clip'),
    ('test_crops', 'evenly spaced runs of frames of a clip'),
  ):
    if data[key] > 1:
      sample[key] = data[key]
      sample['note'] = f'{data[key]} {what}; their probabilities are averaged'
  steps = [
    {
      'step': 'cut channels',
      'channels': data.channels,
      'last_is_confidence': bool(data.confidence),
    },
    {'step': 'cut or zero-pad persons', 'persons': data.persons},
    {'step': 'map joints by name', 'layout': data.joints},
    {'step': 'drop frames at both ends with nobody in them', 'on': data.trim},
    {'step': "repeat each person's track", 'frames': data.pad},
    {'step': 'normalize', 'preset': data.normalize},
    {'step': 'divide', 'scale': data.scale},
    sample,
    {'step': 'make the stream', 'stream': data.stream},
  ]
  # The values with which a step does nothing.
  no_change = (
    ('layout', ''),
    ('on', False),
    ('frames', 0),
    ('preset', 'none'),
    ('scale', 1.0),
    ('stream', 'joint'),
  )
  return [
    step
    for step in steps
    if not any(key in step and step[key] == value for key, value in no_change)
  ]
