"""Image files: `read`, `write`, and `open_writer` for results too large for memory.

>>> from mendem import io
>>> image = io.read("tomogram.mrc")                                            # doctest: +SKIP
>>> io.write("tomogram.tif", image)                                            # doctest: +SKIP
"""

from mendem.io.files import SUFFIXES, check_output, open_writer, read, read_levels, write
from mendem.io.lazy import LazyArray
from mendem.io.writer import ImageWriter

__all__ = ["SUFFIXES", "ImageWriter", "LazyArray", "check_output", "open_writer", "read", "read_levels", "write"]
