"""The paper's tables, run again: rows, runs, what they cost and came to."""
