"""From the output of pose estimators to a dataset of skeletons.

The way in which Posetics was made (Yang et al., "UNIK", BMVC 2021, section 4),
with the aggregation of its authors (Yang et al., "Selective Spatio-Temporal
Aggregation Based Pose Refinement System", WACV 2021): estimators are the
experts, their poses of one person are aggregated, smoothed and, where a body is
seen often enough, written as a clip.

Poses here are x, y and a confidence from 0 to 1 in the last axis, all zeros
where a joint is missing.

Shape legend: N experts, M persons, T frames, V joints.
"""
