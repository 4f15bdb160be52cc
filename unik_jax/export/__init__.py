"""Export of a trained network as StableHLO."""
