"""The loop over optimizer steps, and training on several datasets."""
