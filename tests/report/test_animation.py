"""Clips as the page draws them."""

import numpy as np
import pytest

from unik_jax.data import synthetic
from unik_jax.report import animation
from unik_jax.skeletons.layouts import get_layout


@pytest.mark.parametrize('layout', ['ntu_25', 'msr_20'])
def test_bodies_in_space_stand_upright(layout):
  clip = next(
    c for c in synthetic.list_episodes() if synthetic.LABELS[c.label] == 'drink'
  )
  track = synthetic.read_episode(clip.source, layout=layout, channels=3)
  track = np.asarray(getattr(track, 'keypoints', track))
  layout = get_layout(layout)
  flat = animation.flatten_clip(track, layout)
  frames = np.array(flat['frames'])[:, 0].reshape(-1, layout.num_joints, 2)
  head, foot, hip = (
    frames[:, layout.index(j), 1] for j in ('head', 'left_ankle', 'left_hip')
  )
  seen = (head >= 0) & (foot >= 0) & (hip >= 0)
  assert seen.mean() > 0.5
  assert (head < hip)[seen].all() and (hip < foot)[seen].all()
  assert frames.max() == 1000  # the longer side is filled


def test_long_clips_are_thinned_and_the_absent_left_out():
  rng = np.random.default_rng(0)
  clip = rng.uniform(1, 2, (3, 400, 17, 2)).astype(np.float32)
  clip[1] = 0  # absent
  clip[:, :20] = 0
  clip[:, 370:] = 0
  clip[0, :, 5] = 0
  clip[2, :100] = 0
  flat = animation.flatten_clip(clip, get_layout('unik_17'))
  frames = np.array(flat['frames'])
  assert frames.shape == (100, 2, 34)
  assert flat['seconds'] == pytest.approx(350 / 30, abs=0.01)
  frames = frames.reshape(100, 2, 17, 2)
  assert (frames[:, 0, 5] == -1).all() and (frames[:, 0, 6] >= 0).all()
  assert (frames[0, 1] == -1).all() and (frames[-1, 1] >= 0).all()
  assert (
    animation.flatten_clip(clip[1:2], get_layout('unik_17'))['frames'] == []
  )
