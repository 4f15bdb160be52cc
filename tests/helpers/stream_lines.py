"""Lines of a stream of frames, for tests."""

import json


def person_line(body):
  """Returns a frame with a single person (V, C)."""
  return json.dumps({'keypoints': body.tolist()})


def frame_line(*bodies, ids=None):
  """Returns a frame with persons (V, C), optionally with identities."""
  if ids is not None:
    bodies = [
      {'id': name, 'keypoints': body.tolist()}
      for name, body in zip(ids, bodies, strict=True)
    ]
    return json.dumps({'persons': bodies})
  return json.dumps({'persons': [body.tolist() for body in bodies]})
