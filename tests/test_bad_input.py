"""Whatever image is given, to the command or to Python: one clear line, or a stated fallback; and nothing is lost."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile

import mendem
from mendem import Denoise, MendemError
from mendem.cli import main


def grey(shape=(60, 70), seed=0) -> np.ndarray:
    """A soft pattern with noise, around 128."""
    rng = np.random.default_rng(seed)
    y, x = np.indices(shape[-2:])
    return (128 + 30 * np.sin(y / 7) * np.cos(x / 9) + rng.normal(0, 10, shape)).astype(np.float32)


def tiff(path: Path, pixels, **more) -> Path:
    tifffile.imwrite(path, pixels, photometric=more.pop("photometric", "minisblack"), **more)
    return path


def mrc(path: Path, pixels, mode=2, nx=None, cell=100.0, order="<") -> Path:
    """A bare MRC file with whatever header is wanted."""
    ny, width = pixels.shape[-2:]
    header = bytearray(1024)
    struct.pack_into(f"{order}10i", header, 0, nx or width, ny, 1, mode, 0, 0, 0, nx or width, ny, 1)
    struct.pack_into(f"{order}6f", header, 40, cell, cell, cell, 90, 90, 90)
    struct.pack_into(f"{order}3i", header, 64, 1, 2, 3)
    header[208:216] = b"MAP " + (b"\x44\x44\0\0" if order == "<" else b"\x11\x11\0\0")
    path.write_bytes(bytes(header) + np.ascontiguousarray(pixels.astype(pixels.dtype.newbyteorder(order))).tobytes())
    return path


def cut(path: Path, keep: float) -> Path:
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * keep)])
    return path


def refused(capsys, *arguments) -> str:
    """The one line with which a command was refused."""
    status = main([str(a) for a in arguments])
    captured = capsys.readouterr()
    lines = captured.err.strip().splitlines()
    assert status == 2 and len(lines) == 1 and lines[0].startswith("mendem: "), captured.err
    assert captured.out == "" and "Traceback" not in captured.err
    return lines[0]


#: What cannot be restored: how to make it, and a word of the answer.
REFUSED = {
    "missing.tif": (lambda p: p, "does not exist"),
    "empty.tif": (lambda p: p.write_bytes(b""), "0 bytes"),
    "empty.mrc": (lambda p: p.write_bytes(b""), "0 bytes"),
    "folder.tif": (lambda p: p.mkdir(), "is a folder"),
    "notes.txt": (lambda p: p.write_text("hello"), "unknown kind"),
    "text.tif": (lambda p: p.write_text("hello"), "not a TIFF"),
    "text.mrc": (lambda p: p.write_text("hello"), "mrc"),
    "cut.tif": (lambda p: cut(tiff(p, grey()), 0.5), "cut.tif"),
    "header-only.tif": (lambda p: cut(tiff(p, grey()), 0.01), "header-only.tif"),
    "cut.mrc": (lambda p: cut(mrc(p, grey()), 0.5), "cut.mrc"),
    "lying-size.mrc": (lambda p: mrc(p, grey(), nx=70_000), "lying-size.mrc"),
    "lying-mode.mrc": (lambda p: mrc(p, grey(), mode=99), "mode"),
    "complex.tif": (lambda p: tiff(p, grey().astype(np.complex64)), "complex"),
    "complex.mrc": (lambda p: mrc(p, grey().astype(np.complex64), mode=4), "complex"),
    "colour.tif": (
        lambda p: tiff(p, np.random.default_rng(0).integers(0, 255, (60, 70, 3), np.uint8), photometric="rgb"),
        "colour",
    ),
    "no-number.tif": (lambda p: tiff(p, np.full((60, 70), np.nan, np.float32)), "finite"),
    "huge-values.tif": (lambda p: tiff(p, grey().astype(np.float64) * 1e300), "multiply"),
    "tiny-values.tif": (lambda p: tiff(p, grey().astype(np.float64) * 1e-300), "multiply"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_restored_is_refused_in_one_line(name, tmp_path, capsys):
    make, words = REFUSED[name]
    path = tmp_path / name
    make(path)
    before = sorted(tmp_path.iterdir())
    line = refused(capsys, "denoise", path, tmp_path / "out.tif")
    assert words in line and name in line
    refused(capsys, "denoise", path, tmp_path / "out.tif", "--json")
    with pytest.raises(MendemError, match=words):
        mendem.restore(mendem.read(path), Denoise())
    assert sorted(tmp_path.iterdir()) == before


def with_holes() -> np.ndarray:
    pixels = grey()
    pixels[10:14, 20:30], pixels[40, 40], pixels[41, 50] = np.nan, np.inf, -np.inf
    return pixels


def extremes(low, high, dtype) -> np.ndarray:
    return np.where(np.random.default_rng(0).random((60, 70)) > 0.5, high, low).astype(dtype)


#: What is restored with something said about it, or with nothing to say: how to make it, and a word of the notes.
RESTORED = {
    "holes.tif": (lambda p: tiff(p, with_holes()), "42 pixels"),
    "no-size.tif": (lambda p: tiff(p, grey()), "voxel size is unknown"),
    "no-size.mrc": (lambda p: mrc(p, grey(), cell=0.0), "voxel size is unknown"),
    "constant.tif": (lambda p: tiff(p, np.full((60, 70), 7, np.uint8)), "No noise was found"),
    "constant.mrc": (lambda p: mrc(p, np.full((60, 70), 0.1, np.float32)), "No noise was found"),
    "zero.tif": (lambda p: tiff(p, np.zeros((60, 70), np.uint16)), "No noise was found"),
    "full.tif": (lambda p: tiff(p, np.full((60, 70), 65535, np.uint16)), "No noise was found"),
    "one-row.tif": (lambda p: tiff(p, grey((1, 70))), ""),
    "one-column.tif": (lambda p: tiff(p, grey((70, 1))), ""),
    "one-pixel.tif": (lambda p: tiff(p, grey((1, 1))), "No noise was found"),
    "two-slices.tif": (lambda p: tiff(p, np.stack([grey(), grey(seed=1)])), ""),
    "uint16-ends.tif": (lambda p: tiff(p, extremes(0, 65535, np.uint16)), ""),
    "int32-ends.tif": (lambda p: tiff(p, extremes(-(2**31), 2**31 - 1, np.int32)), ""),
    "int32-offset.tif": (lambda p: tiff(p, (grey() + 2**31 - 2000).astype(np.int32)), "steps of"),
    "large.tif": (lambda p: tiff(p, grey() * np.float32(1e30)), ""),
    "small.tif": (lambda p: tiff(p, grey() * np.float32(1e-30)), ""),
    "big-endian.tif": (lambda p: tiff(p, grey().astype(np.uint16), byteorder=">"), ""),
    "big-endian.mrc": (lambda p: mrc(p, grey(), order=">"), ""),
    "mode0.mrc": (lambda p: mrc(p, (grey() / 2).astype(np.int8), mode=0), ""),
    "colourless.tif": (lambda p: tiff(p, np.stack([grey().astype(np.uint8)] * 3, -1), photometric="rgb"), "colour"),
}


@pytest.mark.parametrize("name", RESTORED)
def test_what_can_be_restored_is_and_says_what_was_odd(name, tmp_path, capsys):
    make, words = RESTORED[name]
    path = tmp_path / name
    make(path)
    raw = path.read_bytes()
    assert main(["denoise", str(path), str(tmp_path / "out.tif"), "--budget", "preview", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    notes = " ".join(said["notes"])
    assert words in notes
    out, image = mendem.read(tmp_path / "out.tif"), mendem.read(path)
    assert out.shape == image.shape and out.dtype == np.float32
    assert np.isfinite(out.data).all()
    measured = np.asarray(image.data, np.float64)
    measured = measured[np.isfinite(measured)]
    low, high = measured.min(), measured.max()
    slack = 0.5 * (high - low)
    assert low - slack <= out.data.min() and out.data.max() <= high + slack
    if "No noise" in notes:
        assert np.array_equal(out.data, np.asarray(image.data, np.float32))
    assert path.read_bytes() == raw
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([name, "out.tif"])

    again = mendem.restore(image, Denoise(), budget="preview")
    assert np.array_equal(again.image.data, out.data) and list(again.notes) == said["notes"]


@pytest.mark.parametrize("name", [*REFUSED, *RESTORED])
def test_info_describes_it_or_says_why_not(name, tmp_path, capsys):
    path = tmp_path / name
    (REFUSED.get(name) or RESTORED[name])[0](path)
    status = main(["info", str(path)])
    captured = capsys.readouterr()
    if status:
        assert status == 2 and name in REFUSED and len(captured.err.splitlines()) == 1 and name in captured.err
    else:
        assert captured.err == "" and captured.out.startswith(str(path))


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.zeros((60, 70), complex), "not real numbers"),
        (np.zeros((60, 70), object), "not real numbers"),
        (np.array([["a", "b"]]), "not real numbers"),
        (np.zeros(60), "two dimensions"),
        (np.zeros((0, 70)), "empty"),
        (np.zeros((0, 60, 70)), "empty"),
        (np.zeros((60, 70, 3), np.uint8), "colour"),
        (np.zeros((60, 70, 4), np.uint8), "colour"),
        ([[1, 2], [3]], "array"),
        (np.full((60, 70), np.nan), "finite"),
        (np.full((60, 70), -np.inf), "finite"),
    ],
)
def test_arrays_that_are_no_image_are_refused(pixels, words):
    with pytest.raises(MendemError, match=words):
        mendem.restore(pixels, Denoise())


@pytest.mark.parametrize("dtype", [bool, np.float16, np.int8, np.uint64, ">f4", ">i2"])
def test_arrays_of_every_real_dtype_are_restored(dtype):
    pixels = (grey() > 128 if dtype is bool else grey() / 2).astype(dtype)
    result = mendem.restore(pixels, Denoise(), budget="preview")
    assert np.isfinite(result.image.data).all() and result.image.dtype == np.float32


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"samples": 2.5}, "whole number"),
        ({"samples": "4"}, "whole number"),
        ({"region": (0, 1)}, "four numbers"),
        ({"region": "all"}, "four numbers"),
        ({"inputs": {"nois": np.zeros((8, 8))}}, "its inputs are: noise"),
    ],
)
def test_wrong_arguments_are_said_in_one_sentence(arguments, words):
    with pytest.raises(mendem.MendemError, match=words):
        mendem.restore(np.zeros((32, 32)), mendem.Denoise(), **arguments)
