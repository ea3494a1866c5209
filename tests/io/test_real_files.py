"""Files from microscopes and public archives open, and come back unchanged from both formats."""

from pathlib import Path

import mrcfile
import numpy as np
import pytest
import tifffile

from mendem import io

FOLDER = Path(__file__).parents[2].parent / "shared" / "data" / "demo"
FILES = sorted(p for p in FOLDER.rglob("*") if p.suffix in io.SUFFIXES.readable)

pytestmark = pytest.mark.skipif(not FILES, reason="the folder of real files is not here")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_pixels_are_those_that_the_reference_library_reads(path):
    reference = tifffile.imread(path) if path.suffix == ".tif" else mrcfile.read(path)
    image = io.read(path)
    assert image.dtype == reference.dtype
    assert np.array_equal(image.data, reference)
    assert np.array_equal(io.read(path, lazy_above=0).data[..., 3:9, ::-2], reference[..., 3:9, ::-2])


@pytest.mark.parametrize("suffix", [".tif", ".mrc"])
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_comes_back_unchanged(path, suffix, tmp_path):
    image = io.read(path)
    io.write(tmp_path / f"a{suffix}", image)
    back = io.read(tmp_path / f"a{suffix}")
    assert (back.dtype, back.axes, back.voxel_size) == (image.dtype, image.axes, image.voxel_size)
    assert np.array_equal(back.data, image.data)


@pytest.mark.parametrize(
    ("name", "values", "unit"),
    [
        ("EMD-3197.map", (11.4, 11.4, 11.4), "angstrom"),
        ("template_1bxn_10A.mrc", (10, 10, 10), "angstrom"),
        ("fibsem_quoll_042_256_3.37nm.tif", (3.3724, 3.3724), "nm"),
        ("fibsem_flyem_96cube_10nm.tif", (10, 10, 10), "nm"),
        ("emdiffuse_noisy_9.tif", (None, None), "nm"),
    ],
)
def test_voxel_sizes_are_those_of_the_files(name, values, unit):
    if not (FOLDER / name).exists():
        pytest.skip(f"{name} is not here")
    found = io.read(FOLDER / name).voxel_size
    assert found.unit == unit
    assert found.values == (values if values[0] is None else pytest.approx(values, rel=1e-6))
