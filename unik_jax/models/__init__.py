"""Networks for skeleton-based action recognition, their layers and registry."""
