"""Data: raw formats, dataset builders, loader, augmentation, streams."""
