"""What a network has learned, and what an answer rests on, as pictures."""
