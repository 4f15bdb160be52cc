"""Videos: keypoints from a pose estimator, and skeletons drawn on frames."""
