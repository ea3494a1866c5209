"""Arrays on disk behave as NumPy arrays, within bounded memory."""

import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import dask.array
import mrcfile
import numpy as np
import pytest
import tifffile

from mendem import io
from mendem.errors import MendemError
from mendem.image import Image
from mendem.io import lazy, tiff_planes

KEYS = [
    ...,
    0,
    -1,
    (1, 2),
    (1, 2, 3),
    (slice(None), 5),
    (..., 7),
    (slice(1, 3), slice(10, 50), slice(3, 60, 7)),
    (0, slice(60, 5, -4), slice(None, None, -1)),
    (slice(None), slice(5, 5)),
    (np.int64(2), slice(-9, None), slice(-5, -1)),
    (slice(None, None, 2), ..., slice(0, 1)),
]
KINDS = ["mrc", "raw", "strips", "tiles", "deflate strips", "deflate tiles", "big-endian", "pages", "rgb"]


def _image(data):
    return Image(data.astype(np.uint16))


@pytest.fixture(params=KINDS)
def on_disk(request, tmp_path):
    data = np.random.default_rng(1).integers(0, 60000, (3, 70, 90), np.uint16)
    kind = request.param
    path = tmp_path / ("a.mrc" if kind == "mrc" else "a.tif")
    if kind == "mrc":
        mrcfile.new(path, data=data).close()
    elif kind == "pages":
        with tifffile.TiffWriter(path) as tif:
            for page in data:
                tif.write(page, contiguous=False, metadata=None)
    elif kind == "rgb":
        tifffile.imwrite(path, np.repeat(data[..., None], 3, -1), photometric="rgb", rowsperstrip=16)
    else:
        options = {
            "raw": {"imagej": True},
            "strips": {"rowsperstrip": 16},
            "tiles": {"tile": (32, 48)},
            "deflate strips": {"compression": "zlib", "rowsperstrip": 16, "predictor": True},
            "deflate tiles": {"compression": "zlib", "tile": (32, 48)},
            "big-endian": {"byteorder": ">", "compression": "zlib"},
        }[kind]
        tifffile.imwrite(path, data, photometric="minisblack", **options)
    return io.read(path, lazy_above=0).data, data


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_slicing_gives_what_numpy_gives(on_disk, key, monkeypatch):
    monkeypatch.setattr(lazy, "BAND_BYTES", 1000)
    array, data = on_disk
    assert isinstance(array, io.LazyArray)
    found = array[key]
    assert isinstance(found, np.ndarray | np.generic)
    assert found.dtype == data.dtype
    np.testing.assert_array_equal(found, data[key])


def test_it_converts_pickles_and_serves_dask(on_disk):
    array, data = on_disk
    assert (array.shape, array.dtype, array.ndim, array.nbytes, len(array)) == (
        data.shape,
        data.dtype,
        3,
        data.nbytes,
        3,
    )
    assert np.array_equal(np.asarray(array), data)
    assert np.array_equal(pickle.loads(pickle.dumps(array))[1], data[1])
    assert np.array_equal(dask.array.from_array(array, chunks=(1, 40, 40))[:, 3:60].compute(), data[:, 3:60])


def test_threads_may_read_at_once(on_disk, monkeypatch):
    monkeypatch.setattr(tiff_planes, "CACHE_BYTES", 10000)
    array, data = on_disk
    boxes = [
        (p, slice(y, y + 23), slice(x, x + 31)) for p in range(3) for y in range(0, 70, 7) for x in range(0, 90, 13)
    ]
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda box: np.array_equal(array[box], data[box]), boxes * 3))


@pytest.mark.parametrize("key", [(0, 0, 0, 0), 99, (..., ...)])
def test_wrong_indices_raise_index_errors(on_disk, key):
    with pytest.raises(IndexError):
        on_disk[0][key]


@pytest.mark.parametrize("key", [[0, 1], True, np.array([True, False, True]), "x", 1.5])
def test_fancy_indices_are_refused(on_disk, key):
    with pytest.raises(TypeError, match="integers and slices"):
        on_disk[0][key]


def test_a_file_that_changes_after_opening_is_not_read_as_something_else(tmp_path):
    for name in ("a.tif", "a.mrc"):
        path = tmp_path / name
        io.write(path, _image(np.zeros((8, 9))))
        array = io.read(path, lazy_above=0).data
        io.write(path, _image(np.ones((8, 9))), overwrite=True)
        os.utime(path, ns=(1, 1))
        with pytest.raises(MendemError, match="changed on disk"):
            array[0]


def test_damaged_compressed_pixels_are_one_clear_error(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.random.default_rng(0).integers(0, 9, (64, 64), np.uint8), compression="zlib")
    with tifffile.TiffFile(path) as tif:
        offset, count = tif.pages[0].dataoffsets[0], tif.pages[0].databytecounts[0]
    raw = bytearray(path.read_bytes())
    raw[offset : offset + count] = bytes(count)
    path.write_bytes(raw)
    with pytest.raises(MendemError, match="damaged"):
        io.read(path)


def test_large_files_stay_on_disk_and_small_ones_do_not(tmp_path):
    path = tmp_path / "a.mrc"
    io.write(path, _image(np.zeros((10, 10))))
    assert isinstance(io.read(path).data, np.ndarray)
    with io.open_writer(path, (6000, 6000), np.uint16, overwrite=True):
        pass
    assert isinstance(io.read(path).data, io.LazyArray)


COPY = """
import resource, sys
import numpy as np
from mendem import io
import tifffile
image = io.read(sys.argv[1])
start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with io.open_writer(sys.argv[2], image.shape, image.dtype, image.axes, image.voxel_size) as writer:
    for y in range(0, image.shape[0], 1024):
        for x in range(0, image.shape[1], 1024):
            writer.put(0, y, x, image.read(0, slice(y, y + 1024), slice(x, x + 1024)))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the unit of ru_maxrss differs")
@pytest.mark.parametrize("target", ["b.tif", "b.mrc"])
def test_copying_an_image_by_blocks_never_holds_it_in_memory(tmp_path, target):
    source = tmp_path / "a.tif"
    with io.open_writer(source, (8192, 8192), np.uint16) as writer:
        writer.put(0, 8191, 8191, np.full((1, 1), 7, np.uint16))
    grown = subprocess.run(
        [sys.executable, "-c", COPY, source, tmp_path / target], capture_output=True, text=True, check=True
    )
    # The image has 128 MiB; a block has 2, and a band for the statistics 8 (64 as float64 with its temporaries).
    assert int(grown.stdout) < 100 * 1024
    assert io.read(tmp_path / target).data[8191, 8191] == 7
