"""TIFF: what is read, what is refused, what comes back, and what other programs see of it."""

from importlib.util import find_spec

import numpy as np
import pytest
import tifffile

from mendem import io
from mendem.errors import MendemError
from mendem.image import Image, VoxelSize
from mendem.io import tiff_write

DTYPES = "bool uint8 int8 uint16 int16 uint32 int32 uint64 int64 float16 float32 float64".split()
LAYOUTS = [
    ("y", "x"),
    ("z", "y", "x"),
    ("frame", "y", "x"),
    ("tilt", "y", "x"),
    ("frame", "z", "y", "x"),
    ("frame", "tilt", "z", "y", "x"),
]


def pixels(shape, dtype, seed=0):
    rng = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.random(shape) < 0.5
    if dtype.kind == "f":
        return rng.normal(100, 30, shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype, endpoint=True)


def image_of(axes, dtype, unit="nm", leading=3):
    shape = (*(leading for _ in axes[:-2]), 7, 9)
    lengths = tuple({"z": 12.3456789, "y": 1 / 3, "x": 3.37}.get(axis) for axis in axes)
    return Image(pixels(shape, dtype), axes, VoxelSize(lengths, unit))


def same(image, back):
    assert back.dtype == image.dtype
    assert back.axes == image.axes
    assert back.voxel_size == image.voxel_size
    assert np.array_equal(back.data, image.data)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("axes", LAYOUTS, ids=" ".join)
def test_round_trip_keeps_pixels_dtype_axes_and_voxel_size(tmp_path, dtype, axes):
    image = image_of(axes, dtype, "um")
    io.write(tmp_path / "a.tif", image, {"task": "denoise"})
    back = io.read(tmp_path / "a.tif")
    same(image, back)
    assert back.metadata["mendem"] == {"task": "denoise"}
    assert back.metadata["notes"] == []
    seen = tifffile.imread(tmp_path / "a.tif")
    assert np.array_equal(seen.reshape(image.shape).astype(dtype), image.data)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (1, 7, 9), (1, 1, 1), (4, 1, 9), (5, 3, 4)])
def test_round_trip_keeps_short_axes(tmp_path, shape):
    image = Image(pixels(shape, "uint16"))
    io.write(tmp_path / "a.tif", image)
    same(image, io.read(tmp_path / "a.tif"))


@pytest.mark.parametrize("dtype", ["int8", "uint8", "uint16", "int16", "float16", "float32"])
def test_tiff_to_mrc_to_tiff_changes_nothing(tmp_path, dtype):
    image = image_of(("z", "y", "x"), dtype)
    io.write(tmp_path / "a.tif", image, {"seed": 5})
    io.write(tmp_path / "b.mrc", io.read(tmp_path / "a.tif"))
    io.write(tmp_path / "c.tif", io.read(tmp_path / "b.mrc"))
    back = io.read(tmp_path / "c.tif")
    same(image, back)
    assert back.metadata["mendem"] == {"seed": 5}


@pytest.mark.parametrize("unit", ["nm", "angstrom", "um", "pm", "mm"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_fiji_would_see_pixel_size_and_unit(tmp_path, dtype, unit):
    image = image_of(("z", "y", "x"), dtype, unit)
    io.write(tmp_path / "a.tif", image)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        about = tif.imagej_metadata
        assert about["unit"] == {"um": "micron", "angstrom": "\\u00C5"}.get(unit, unit)
        assert about["spacing"] == image.voxel_size.values[0]
        assert about["slices"] == 3
        for tag, length in (("XResolution", 3.37), ("YResolution", 1 / 3)):
            count, per = tif.pages[0].tags[tag].value
            assert per / count == pytest.approx(length, rel=1e-9)


@pytest.mark.parametrize("length", [1e-9, 3e-7, 0.0123, 1.0, 3.37, 1e5 / 7, 4e8])
def test_resolution_ratios_hold_any_length_to_a_millionth(length):
    count, per = tiff_write._per_length(length)
    assert 0 < count < 1 << 32 and 0 < per < 1 << 32
    assert per / count == pytest.approx(length, rel=1e-6)


def test_scale_changed_by_another_program_is_believed(tmp_path):
    path = tmp_path / "a.tif"
    io.write(path, image_of(("y", "x"), "uint8"))
    with tifffile.TiffFile(path, mode="r+b") as tif:
        tif.pages[0].tags["XResolution"].overwrite((1, 5))
        tif.pages[0].tags["YResolution"].overwrite((1, 5))
    assert io.read(path).voxel_size == VoxelSize((5.0, 5.0), "nm")


@pytest.mark.parametrize("dtype", ["int16", "uint32", "float64"])
def test_other_dtypes_are_ome_tiff_with_physical_sizes(tmp_path, dtype):
    io.write(tmp_path / "a.tif", image_of(("z", "y", "x"), dtype, "angstrom"))
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.is_ome and 'PhysicalSizeXUnit="Å"' in tif.ome_metadata
        assert 'PhysicalSizeX="3.37"' in tif.ome_metadata


def test_a_name_with_ome_gives_ome_tiff(tmp_path):
    io.write(tmp_path / "a.ome.tif", image_of(("y", "x"), "uint8"))
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tif:
        assert tif.is_ome


def test_more_than_4_gib_becomes_bigtiff(tmp_path, monkeypatch):
    monkeypatch.setattr(tiff_write, "CLASSIC_LIMIT", 1000)
    image = image_of(("z", "y", "x"), "uint16", leading=20)
    io.write(tmp_path / "a.tif", image)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.is_bigtiff and tif.is_ome
    same(image, io.read(tmp_path / "a.tif"))


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("bigtiff", [False, True])
@pytest.mark.parametrize("dtype", [d for d in DTYPES if d != "bool"])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"tile": (16, 32)}])
def test_every_kind_of_grey_file_is_read(tmp_path, byteorder, bigtiff, dtype, options):
    data = pixels((3, 20, 40), dtype)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, data, byteorder=byteorder, bigtiff=bigtiff, photometric="minisblack", **options)
    image = io.read(path)
    assert image.dtype == dtype and image.dtype.isnative
    assert np.array_equal(image.data, data)


def test_one_bit_images_are_bool(tmp_path):
    data = pixels((20, 41), "bool")
    tifffile.imwrite(tmp_path / "a.tif", data)
    image = io.read(tmp_path / "a.tif")
    assert image.dtype == bool and np.array_equal(image.data, data)


def test_files_without_a_word_about_pages_are_frames_with_a_note(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        for _ in range(3):
            tif.write(np.zeros((5, 6), np.uint8), metadata=None, contiguous=False)
    image = io.read(tmp_path / "a.tif")
    assert image.axes == ("frame", "y", "x")
    assert any("3 pages" in note for note in image.metadata["notes"])


def test_first_of_several_images_is_read_with_a_note(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tif:
        tif.write(np.full((50, 60), 7, np.uint8), metadata=None)
        tif.write(np.zeros((5, 6), np.uint8), metadata=None)
    image = io.read(tmp_path / "a.tif")
    assert image.shape == (50, 60) and (image.data == 7).all()
    assert any("2 images" in note for note in image.metadata["notes"])


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("samples", [3, 4])
def test_grey_saved_as_colour_is_one_channel_with_a_note(tmp_path, planar, samples):
    grey = pixels((20, 30), "uint8")
    colour = np.stack([grey] * 3 + [np.full_like(grey, 255)] * (samples - 3), 0 if planar == "separate" else -1)
    extra = ["unassalpha"] if samples == 4 else None
    tifffile.imwrite(tmp_path / "a.tif", colour, photometric="rgb", planarconfig=planar, extrasamples=extra)
    image = io.read(tmp_path / "a.tif")
    assert np.array_equal(image.data, grey) and image.axes == ("y", "x")
    assert any("in colour" in note for note in image.metadata["notes"])
    colour[(1, 2, 2) if planar == "separate" else (2, 2, 1)] += 1
    tifffile.imwrite(tmp_path / "a.tif", colour, photometric="rgb", planarconfig=planar, extrasamples=extra)
    with pytest.raises(MendemError, match="colour image"):
        io.read(tmp_path / "a.tif")


def test_palettes_of_grey_are_read_through_and_of_colours_refused(tmp_path):
    data = pixels((20, 30), "uint8")
    ramp = np.arange(256, dtype=np.uint16) * 257
    path = tmp_path / "a.tif"
    for table, expected in ((ramp, data), (ramp[::-1], 255 - data)):
        tifffile.imwrite(path, data, photometric="palette", colormap=np.stack([table] * 3))
        assert np.array_equal(io.read(path).data, expected)
    tifffile.imwrite(path, data, photometric="palette", colormap=np.stack([ramp, ramp, ramp[::-1]]))
    with pytest.raises(MendemError, match="table of colours"):
        io.read(path)


def test_colour_table_of_imagej_is_display_only(tmp_path):
    data = pixels((20, 30), "uint8")
    ramp = np.arange(256, dtype=np.uint16) * 257
    tifffile.imwrite(tmp_path / "a.tif", data, imagej=True, colormap=np.stack([ramp, ramp[::-1], ramp]))
    assert np.array_equal(io.read(tmp_path / "a.tif").data, data)


def test_complex_pixels_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((5, 6), np.complex64))
    with pytest.raises(MendemError, match="complex"):
        io.read(tmp_path / "a.tif")


@pytest.mark.parametrize(
    "options", [{}, {"compression": "zlib"}, {"tile": (16, 16)}, {"imagej": True}, {"bigtiff": True}]
)
@pytest.mark.parametrize("fraction", [0.01, 0.3, 0.6, 0.97])
def test_truncated_files_are_one_clear_error(tmp_path, options, fraction):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels((4, 40, 50), "uint8"), photometric="minisblack", **options)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * fraction)])
    with pytest.raises(MendemError) as caught:
        io.read(path)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


@pytest.mark.skipif(find_spec("imagecodecs") is not None, reason="the package is here")
@pytest.mark.parametrize("compression", [5, 7, 34887])
def test_compression_that_needs_another_package_names_it(tmp_path, compression):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels((20, 30), "uint8"), compression="zlib")
    with tifffile.TiffFile(path, mode="r+b") as tif:
        tif.pages[0].tags["Compression"].overwrite(compression)
    with pytest.raises(MendemError, match="pip install imagecodecs"):
        io.read(path)


def test_calibration_of_imagej_is_noted_and_not_applied(tmp_path):
    data = pixels((5, 6), "uint16")
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, data, description="ImageJ=1.53\ncf=0\nc0=-32768.0\nc1=1.0\n", metadata=None)
    image = io.read(path)
    assert np.array_equal(image.data, data)
    assert any("calibration" in note for note in image.metadata["notes"])


def test_record_that_is_damaged_or_about_another_shape_is_not_believed(tmp_path):
    data = pixels((5, 6), "uint8")
    path = tmp_path / "a.tif"
    for text in (
        b'{"mendem": 1, "axes": ["y", "x"], "shape": [9, 9], "dtype": "bool", "voxel_size": [1, 1], "unit": "nm"}',
        b'{"mendem": 1, "axes": ["y"], "shape": [5, 6], "dtype": "uint8", "voxel_size": [1], "unit": "nm"}',
        b'{"mendem": 1, "axes": ["y", "x"], "shape": [5, 6], "dtype": "?!", "voxel_size": [-1, 1], "unit": "nm"}',
        b"not json",
        b"[]",
    ):
        tifffile.imwrite(path, data, extratags=[(tiff_write.RECORD_TAG, "s", len(text) + 1, text, True)])
        image = io.read(path)
        assert np.array_equal(image.data, data) and image.dtype == np.uint8
        assert not image.voxel_size.known
