"""Command `python -m unik_jax.predict`: predictions for files and streams."""
