"""A run's folder: config, checkpoints, scores, progress, model card."""
