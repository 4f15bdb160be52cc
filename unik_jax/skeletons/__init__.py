"""Joint layouts, and maps between them by joint name."""
