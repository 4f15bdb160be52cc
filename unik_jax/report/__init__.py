"""The report of a run: one HTML page that opens without a network."""
