"""The napari plugin: widgets, live preview, layers, readers and writers. The science is in `mendem`."""
