"""Command `python -m unik_jax.export`: writes models for use without a run."""
