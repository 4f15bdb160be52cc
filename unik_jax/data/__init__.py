"""Raw files to batches: formats, builder, prepared split, transform, loader."""
