"""Fingerprints of curated videos."""

from unik_jax.curate import clip_writer
from unik_jax.curate.estimators import Estimator
from unik_jax.curate.refinement import Options
from unik_jax.curate.videos import Video
from unik_jax.skeletons.layouts import get_layout


def test_fingerprints_of_version_2_stay_valid():
  """A change would refine all videos of existing datasets again."""
  setup = clip_writer.Setup(
    estimators=(Estimator('folder'),),
    layout=get_layout('unik_17'),
    options=Options(),
    first_frame=0,
    skip_bad=False,
    folder='out',
  )
  video = Video('a', (None,), 'label', 'source', '', (640, 360), 'labels.csv')
  assert clip_writer.fingerprint_video(setup, video) == '7db5f1d2c21237522062'
