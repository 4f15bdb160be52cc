"""A trained model and the clips of a user that it takes."""
