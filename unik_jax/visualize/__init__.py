"""Pictures of what a network has learned, and of what a prediction rests on."""
