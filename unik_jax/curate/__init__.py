"""Builds a dataset of skeletons from several pose estimators' output."""
