"""The report of a run: one HTML page that opens from disk, with no network.

`contents` reads the run's folder, `charts` draws, `animation` picks the clips
that the model got most wrong and lays their skeletons flat, and `page` makes
the page of them.
"""
