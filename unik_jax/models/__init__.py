"""Skeleton-based action recognition networks: one architecture per file."""
