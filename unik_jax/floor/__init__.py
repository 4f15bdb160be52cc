"""Floors: cheap classifiers on the same clips as the networks."""
