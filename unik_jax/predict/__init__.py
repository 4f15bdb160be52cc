"""Predictions of a trained model for a user's own arrays, files and streams."""
