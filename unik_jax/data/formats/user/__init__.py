"""A user's own recordings: arrays, tables, pose estimators' output."""
