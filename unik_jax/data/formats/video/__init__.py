"""Skeletons of the persons in a video, by a pose estimator, and drawn on it."""
