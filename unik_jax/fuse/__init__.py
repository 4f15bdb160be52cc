"""Command `python -m unik_jax.fuse`: combines predictions of several runs."""
