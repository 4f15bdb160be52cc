"""The machine: device mesh, processes, signals, files, compile cache, heap."""
