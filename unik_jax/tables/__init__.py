"""Command `python -m unik_jax.tables`: runs the paper's tables again."""
