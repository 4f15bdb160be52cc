"""Runs that are shared by the tests of predictions."""

from helpers.prediction_fixtures import clips, config, model, run_dir

__all__ = ['clips', 'config', 'model', 'run_dir']
