"""Command `python -m unik_jax.enroll`: new actions from a few clips."""
