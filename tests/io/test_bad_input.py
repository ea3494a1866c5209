"""Whatever is given as a file, the answer is an image or one sentence."""

import logging
import subprocess
import sys

import numpy as np
import pytest
import tifffile

from mendem import io
from mendem.errors import MendemError
from mendem.image import Image


@pytest.mark.parametrize("name", ["a.tif", "a.mrc", "a.dm3", "a.xyz"])
def test_missing_empty_and_folder(tmp_path, name):
    with pytest.raises(MendemError, match="does not exist"):
        io.read(tmp_path / name)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(MendemError, match="0 bytes"):
        io.read(tmp_path / name)
    with pytest.raises(MendemError, match="is a folder"):
        io.read(tmp_path)


def test_unknown_suffix_lists_the_known_ones(tmp_path):
    (tmp_path / "a.xyz").write_bytes(b"hello")
    with pytest.raises(MendemError, match=r"\.tif.*\.mrc.*\.dm4"):
        io.read(tmp_path / "a.xyz")


@pytest.mark.parametrize("suffix", [".tif", ".mrc"])
@pytest.mark.parametrize("wrong", [".xyz", ".dat", "", ".tif", ".mrc"])
def test_files_are_known_by_their_first_bytes_whatever_the_name(tmp_path, suffix, wrong):
    data = np.arange(30, dtype=np.float32).reshape(5, 6)
    io.write(tmp_path / f"right{suffix}", Image(data))
    (tmp_path / f"right{suffix}").rename(tmp_path / f"a{wrong}")
    assert np.array_equal(io.read(tmp_path / f"a{wrong}").data, data)


def test_not_a_tiff_in_spite_of_its_name(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(MendemError, match="not a TIFF file"):
        io.read(tmp_path / "a.tif")


@pytest.mark.parametrize("kind", ["a.tif", "a.mrc", "z.tif"])
def test_random_damage_never_gives_anything_but_an_image_or_a_clear_error(tmp_path, kind):
    path = tmp_path / kind
    data = np.random.default_rng(0).integers(0, 255, (3, 40, 50), np.uint8)
    if kind == "z.tif":
        tifffile.imwrite(path, data, compression="zlib", photometric="minisblack", rowsperstrip=8)
    else:
        io.write(path, Image(data))
    raw = path.read_bytes()
    rng = np.random.default_rng(5)
    refused = 0
    for _ in range(100):
        damaged = bytearray(raw)
        # Headers lie at the beginning of both formats, and TIFF pages also behind the pixels.
        at = rng.integers(0, 256, 3) if rng.random() < 0.5 else rng.integers(0, len(raw), 20)
        for i in at:
            damaged[i] = rng.integers(256)
        path.write_bytes(damaged)
        try:
            np.asarray(io.read(path).data)
        except MendemError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 5


def test_reading_damaged_files_prints_nothing(tmp_path, capfd):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((3, 40, 50), np.uint8), photometric="minisblack")
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(MendemError):
        io.read(path)
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("tifffile").level == logging.NOTSET


def test_importing_io_loads_no_format_library():
    code = "import sys, mendem.io; print([m for m in ('tifffile', 'mrcfile', 'rsciio', 'dask') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
