"""State dicts of the official PyTorch models, read and written."""
