"""Skeleton-based action recognition in JAX: UNIK (BMVC 2021) and beyond."""

__version__ = '0.1.0'
