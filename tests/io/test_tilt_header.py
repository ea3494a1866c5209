"""Tilts in MRC headers; the records are written with mrcfile's definitions, and SerialEM's by IMOD's description."""

import mrcfile
import numpy as np
import pytest
from mrcfile.dtypes import get_ext_header_dtype

from mendem import io
from mendem.io import tilt_header
from mendem.io.mrc_header import HEADER

ANGLES = (0.0, 3.01, -2.99, 6.02)


def stack(path, extended=b"", exttyp=b"", patch=None, sections=4, label=None):
    """An MRC stack with a given extended header; ``patch`` maps byte positions of the main header to bytes."""
    with mrcfile.new(path, np.zeros((sections, 4, 6), np.float32)) as mrc:
        if extended:
            mrc.set_extended_header(np.frombuffer(extended, "V1"))
            mrc.header.exttyp = exttyp
        if label:
            mrc.add_label(label)
    raw = bytearray(path.read_bytes())
    for at, value in (patch or {}).items():
        raw[at : at + len(value)] = value
    path.write_bytes(raw)
    return path


def found(path, sections=4):
    return tilt_header.read(io.read(path).metadata["mrc"], sections)


def fei(kind, angles=ANGLES, order="<", mask=1 << 6 | 1 << 7 | 1 << 12 | 1 << 14, records=None):
    table = np.zeros(records or len(angles), get_ext_header_dtype(kind, order))
    table["Metadata size"] = table.dtype.itemsize
    table["Bitmask 1"] = mask
    table["Alpha tilt"][: len(angles)] = angles
    table["Dose"] = 3.1e20
    table["Tilt axis angle"] = -94.7
    table["Pixel size X"] = 1.35e-10
    return table.tobytes()


def serialem(angles, dose=None, order="<"):
    """Tilt angle, stage position, magnification, intensity, and the dose as SerialEM packs a float into two shorts."""
    rows = []
    for index, angle in enumerate(angles):
        row = [round(angle * 100), 500, -300, 1050, 1200]
        if dose is not None:
            # 3.25 = 13312 * 2**-12, and 13312 = 52 * 256 + 0; the exponent's sign is that of the second short.
            mantissa, exponent = dose[index]
            row += [mantissa // 256, -(exponent * 256 + mantissa % 256)]
        rows.append(row)
    flags = 1 | 4 | 8 | 16 | (32 if dose is not None else 0)
    size = 2 * len(rows[0])
    words = np.array([size, flags], f"{order}i2").tobytes()
    return np.array(rows, f"{order}i2").tobytes(), {128: words}


@pytest.mark.parametrize("kind", [b"FEI1", b"FEI2"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_fei_records_tell_angles_dose_axis_and_pixel_size(tmp_path, kind, order):
    told = found(stack(tmp_path / "ts.mrc", fei(kind, order=order), kind))
    assert told.kind == kind.decode()
    assert told.angles == ANGLES
    assert told.dose == pytest.approx([3.1] * 4)
    assert told.axis_angle == pytest.approx(94.7)  # FEI counts clockwise
    assert told.pixel == pytest.approx(1.35)


def test_fei_fields_that_are_not_filled_in_are_not_believed(tmp_path):
    told = found(stack(tmp_path / "ts.mrc", fei(b"FEI1", mask=1 << 7), b"FEI1"))
    assert told == ("FEI1", ANGLES, None, None, None)
    assert found(stack(tmp_path / "b.mrc", fei(b"FEI1", mask=0), b"FEI1")).angles is None


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("exttyp", [b"SERI", b""])
def test_serialem_shorts_tell_angles_and_dose(tmp_path, order, exttyp):
    extended, patch = serialem(ANGLES, [(52 * 256, 12), (50 * 256 + 17, 12), (52 * 256, 12), (52 * 256, 11)], order)
    told = found(stack(tmp_path / "ts.st", extended, exttyp, patch))
    assert told.kind == "SERI"
    assert told.angles == ANGLES
    assert told.dose == pytest.approx([3.25, (50 * 256 + 17) / 4096, 3.25, 6.5])


def test_serialem_without_tilts_has_none(tmp_path):
    words = np.array([4, 4], "<i2").tobytes()  # stage positions only
    told = found(stack(tmp_path / "ts.st", b"\1\0\2\0" * 4, b"SERI", {128: words}))
    assert told == ("SERI", None, None, None, None)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("label", "axis"), [("Fei Company", -84.5), (None, 84.5)])
def test_the_older_fei_header_has_1024_records_of_32_reals(tmp_path, order, label, axis):
    table = np.zeros((1024, 32), f"{order}f4")
    table[:4, 0], table[:4, 10], table[:4, 11] = ANGLES, 84.5, 2e-10
    path = tmp_path / "ts.mrc"
    stack(path, table.tobytes(), b"", {128: np.array([0, 32], f"{order}i2").tobytes()})
    raw = bytearray(path.read_bytes())
    if label:
        raw[224 : 224 + len(label)] = label.encode()
        path.write_bytes(raw)
    told = found(path)
    assert told.angles == pytest.approx(ANGLES, abs=1e-4)
    assert told.axis_angle == pytest.approx(axis)
    assert told.pixel == pytest.approx(2)


def test_a_label_tells_the_tilt_axis_and_is_believed_first(tmp_path):
    label = "    Tilt axis angle = 85.3, binning = 1  spot = 8  camera = 0"
    told = found(stack(tmp_path / "ts.mrc", fei(b"FEI1"), b"FEI1", label=label))
    assert told.axis_angle == 85.3
    assert found(stack(tmp_path / "b.mrc", label=label)) == ("", None, None, 85.3, None)


@pytest.mark.parametrize(
    ("extended", "exttyp"),
    [
        (b"", b""),
        (b"X, Y, Z".ljust(80), b"CCP4"),
        (fei(b"FEI1")[:900], b"FEI1"),  # truncated: one record and a bit
        (b"\0" * 4096, b"FEI1"),
        (b"\0" * 131072, b""),  # nothing filled in
        (b"\xff" * 131072, b""),
        (fei(b"FEI1", (5.0,) * 4), b"FEI1"),  # the same angle for all: a stack that was not tilted
        (fei(b"FEI1", (0, np.nan, 3, 6)), b"FEI1"),
        (fei(b"FEI1", (0, 1e9, 3, 6)), b"FEI1"),
    ],
)
def test_headers_without_tilts_tell_none(tmp_path, extended, exttyp):
    assert found(stack(tmp_path / "ts.mrc", extended, exttyp)).angles is None


def test_random_headers_never_fail():
    rng = np.random.default_rng(3)
    for _ in range(500):
        header = rng.integers(0, 256, HEADER.itemsize, np.uint8).tobytes()
        extended = rng.integers(0, 256, rng.integers(0, 4000), np.uint8).tobytes()
        kind = rng.choice(["", "SERI", "AGAR", "FEI1", "FEI2", "CCP4"])
        told = tilt_header.read({"header": header, "extended_header": extended, "exttyp": kind, "labels": []}, 3)
        assert told.angles is None or len(told.angles) == 3


def test_what_mendem_writes_keeps_the_tilts(tmp_path):
    image = io.read(stack(tmp_path / "ts.mrc", fei(b"FEI2"), b"FEI2"))
    io.write(tmp_path / "b.mrc", image)
    assert found(tmp_path / "b.mrc").angles == ANGLES
