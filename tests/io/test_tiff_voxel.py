"""Voxel sizes are found wherever microscopes and programs write them, and never invented."""

import numpy as np
import pytest
import tifffile

from mendem import io
from mendem.image import VoxelSize
from mendem.io.tiff_voxel import parse_unit

DATA = np.zeros((20, 30), np.uint8)


def voxel_size(path, data=DATA, **options):
    tifffile.imwrite(path, data, **options)
    return io.read(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nm", ("nm", 1)),
        ("micron", ("um", 1)),
        ("microns", ("um", 1)),
        ("µm", ("um", 1)),
        ("\u03bcm", ("um", 1)),
        ("um", ("um", 1)),
        ("\\u00B5m", ("um", 1)),
        ("Å", ("angstrom", 1)),
        ("\u212b", ("angstrom", 1)),
        ("\\u00C5", ("angstrom", 1)),
        ("Angstroms", ("angstrom", 1)),
        ("Nanometers", ("nm", 1)),
        ("cm", ("mm", 10)),
        ("pixel", None),
        ("inch", None),
        ("", None),
        ("sec", None),
    ],
)
def test_units_are_known_however_they_are_spelled(text, expected):
    assert parse_unit(text) == expected


@pytest.mark.parametrize("unit", ["nm", "micron", "\\u00B5m", "um", "pm", "\\u00C5"])
def test_imagej_pixel_size_and_spacing(tmp_path, unit):
    image = voxel_size(
        tmp_path / "a.tif",
        np.zeros((4, 20, 30), np.uint16),
        imagej=True,
        resolution=(1 / 3.37, 1 / 2.5),
        metadata={"axes": "ZYX", "unit": unit, "spacing": 25.0},
    )
    assert image.axes == ("z", "y", "x")
    assert image.voxel_size.values == pytest.approx((25.0, 2.5, 3.37), rel=1e-8)
    assert image.voxel_size.unit == parse_unit(unit)[0]


def test_imagej_in_latin_1_as_older_versions_wrote_it(tmp_path):
    description = b"ImageJ=1.46r\nunit=\xb5m\n"
    image = voxel_size(tmp_path / "a.tif", description=description, resolution=(4, 4), metadata=None)
    assert image.voxel_size == VoxelSize((0.25, 0.25), "um")


@pytest.mark.parametrize("unit", ["inch", "pixel", None])
def test_imagej_without_a_length_is_unknown(tmp_path, unit):
    metadata = {"axes": "YX"} | ({"unit": unit} if unit else {})
    image = voxel_size(tmp_path / "a.tif", imagej=True, resolution=(72, 72), metadata=metadata)
    assert not image.voxel_size.known
    assert any("unknown" in note for note in image.metadata["notes"])


def test_imagej_time_series_are_frames(tmp_path):
    image = voxel_size(
        tmp_path / "a.tif",
        np.zeros((4, 20, 30), np.uint16),
        imagej=True,
        resolution=(1, 1),
        metadata={"axes": "TYX", "unit": "nm"},
    )
    assert image.axes == ("frame", "y", "x")
    assert image.voxel_size.values == (None, 1.0, 1.0)


@pytest.mark.parametrize(("unit", "expected"), [("nm", "nm"), ("µm", "um"), ("Å", "angstrom"), (None, "um")])
def test_ome_physical_sizes(tmp_path, unit, expected):
    metadata = {"axes": "ZYX", "PhysicalSizeX": 1.25, "PhysicalSizeY": 1.5, "PhysicalSizeZ": 30.0}
    if unit:
        metadata |= {f"PhysicalSize{a}Unit": unit for a in "XYZ"}
    image = voxel_size(tmp_path / "a.ome.tif", np.zeros((4, 20, 30), np.uint16), metadata=metadata)
    assert image.voxel_size == VoxelSize((30.0, 1.5, 1.25), expected)


def test_ome_units_that_differ_between_axes_are_brought_to_one(tmp_path):
    metadata = {
        "axes": "ZYX",
        "PhysicalSizeX": 4.0,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 4.0,
        "PhysicalSizeYUnit": "nm",
        "PhysicalSizeZ": 0.05,
        "PhysicalSizeZUnit": "µm",
    }
    image = voxel_size(tmp_path / "a.ome.tif", np.zeros((4, 20, 30), np.uint16), metadata=metadata)
    assert image.voxel_size.unit == "nm"
    assert image.voxel_size.values == pytest.approx((50, 4, 4), rel=1e-12)


def test_missing_slice_distance_is_unknown_and_noted(tmp_path):
    image = voxel_size(
        tmp_path / "a.tif",
        np.zeros((4, 20, 30), np.uint16),
        imagej=True,
        resolution=(0.5, 0.5),
        metadata={"axes": "ZYX", "unit": "nm"},
    )
    assert image.voxel_size.values == (None, 2.0, 2.0)
    assert any("along z" in note for note in image.metadata["notes"])


@pytest.mark.parametrize(
    ("resolution", "unit", "expected"),
    [
        ((1e6, 1e6), "CENTIMETER", (10.0, 10.0)),
        ((72, 72), "INCH", None),
        ((28.35, 28.35), "CENTIMETER", None),
        ((1e6, 1e6), "INCH", None),
        ((1e6, 1e6), "NONE", None),
        ((0, 0), "CENTIMETER", None),
    ],
)
def test_only_a_plausible_resolution_per_centimetre_is_a_voxel_size(tmp_path, resolution, unit, expected):
    found = voxel_size(tmp_path / "a.tif", resolution=resolution, resolutionunit=unit, metadata=None).voxel_size
    if expected is None:
        assert not found.known
    else:
        assert found.unit == "nm" and found.values == pytest.approx(expected, rel=1e-9)


FEI = "[User]\r\nUser=someone\r\n[Scan]\r\nPixelWidth=3.37e-009\r\nPixelHeight=3.5e-009\r\n[Image]\r\n"


@pytest.mark.parametrize("tag", [34680, 34682])
def test_fei_pixel_size_and_data_bar(tmp_path, tag):
    text = (FEI + "ResolutionX=30\r\nResolutionY=16\r\n").encode() + b"\0"
    image = voxel_size(
        tmp_path / "a.tif",
        extratags=[(tag, "s", len(text), text, True)],
        resolution=(72, 72),
        resolutionunit="INCH",
        metadata=None,
    )
    assert image.voxel_size.unit == "nm"
    assert image.voxel_size.values == pytest.approx((3.5, 3.37), rel=1e-9)
    assert image.shape == (20, 30)
    assert any("lowest 4 rows" in note for note in image.metadata["notes"])
    assert image.metadata["tiff"]["fei"]["User"]["User"] == "someone"


def test_fei_pixel_size_of_another_image_width_is_not_taken(tmp_path):
    text = (FEI + "ResolutionX=60\r\nResolutionY=40\r\n").encode() + b"\0"
    image = voxel_size(tmp_path / "a.tif", extratags=[(34682, "s", len(text), text, True)], metadata=None)
    assert not image.voxel_size.known
    assert any("recorded 60 columns" in note for note in image.metadata["notes"])


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("AP_IMAGE_PIXEL_SIZE\r\nImage Pixel Size = 3.37 nm\r\n", VoxelSize((3.37, 3.37), "nm")),
        ("AP_PIXEL_SIZE\r\nPixel Size = 1.5 \xb5m\r\n", VoxelSize((1.5, 1.5), "um")),
        ("DP_BEAM\r\nBeam = On\r\n", VoxelSize((250.0, 250.0), "nm")),
    ],
)
def test_zeiss_pixel_size(tmp_path, lines, expected):
    text = ("0\r\n0\r\n0\r\n2.5e-007\r\n0\r\n" + lines).encode("latin-1") + b"\0"
    image = voxel_size(tmp_path / "a.tif", extratags=[(34118, "s", len(text), text, True)], metadata=None)
    assert image.voxel_size.unit == expected.unit
    assert image.voxel_size.values == pytest.approx(expected.values, rel=1e-12)


@pytest.mark.parametrize("tag", [34680, 34682, 34118, 270])
def test_nonsense_in_instrument_tags_is_ignored(tmp_path, tag):
    text = b"[Scan]\nPixelWidth=abc\n[Image\nResolutionX=\n\xff\xfe AP_PIXEL_SIZE\n{]\0"
    image = voxel_size(tmp_path / "a.tif", extratags=[(tag, "s", len(text), text, True)], metadata=None)
    assert not image.voxel_size.known


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        ((7.0,), (7.0, 7.0, 7.0)),
        ((30.0, 7.0, 6.0), (30.0, 7.0, 6.0)),
        ((None, 7.0, 7.0), (None, 7.0, 7.0)),
    ],
)
def test_a_stated_voxel_size_replaces_what_the_file_says(tmp_path, stated, expected):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 20, 30), np.uint16), imagej=True, metadata={"axes": "ZYX"})
    image = io.read(tmp_path / "a.tif", voxel_size=VoxelSize(stated, "nm"))
    assert image.voxel_size == VoxelSize(expected, "nm")
    assert image.metadata["notes"] == []


def test_a_stated_length_is_not_given_to_frames(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 20, 30), np.uint16), imagej=True, metadata={"axes": "TYX"})
    for stated in ((7.0,), (7.0, 7.0)):
        assert io.read(tmp_path / "a.tif", VoxelSize(stated)).voxel_size.values == (None, 7.0, 7.0)


def test_a_wrong_number_of_stated_lengths_is_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", DATA)
    with pytest.raises(ValueError, match="give one voxel length"):
        io.read(tmp_path / "a.tif", VoxelSize((1.0, 2.0, 3.0)))
