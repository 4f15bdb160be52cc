"""Raw formats of public datasets, one per file."""
