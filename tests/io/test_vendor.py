"""Microscope makers' formats come through an optional package; without it the user learns how to get it."""

import sys
import types

import numpy as np
import pytest

from mendem import io
from mendem.errors import MendemError


def axis(name, index, scale, units):
    return {"name": name, "size": 4, "scale": scale, "units": units, "offset": 0.0, "index_in_array": index}


@pytest.fixture
def reader(monkeypatch, tmp_path):
    """A stand-in for RosettaSciIO's reader of DM4 that gives the listed signals."""
    signals = []

    def file_reader(path, lazy):
        if not signals:
            raise RuntimeError("no tag")
        return signals

    package, module = types.ModuleType("rsciio"), types.ModuleType("rsciio.digitalmicrograph")
    module.file_reader = file_reader
    package.digitalmicrograph = module
    monkeypatch.setitem(sys.modules, "rsciio", package)
    monkeypatch.setitem(sys.modules, "rsciio.digitalmicrograph", module)
    (tmp_path / "a.dm4").write_bytes(b"anything")
    return signals, tmp_path / "a.dm4"


@pytest.mark.parametrize("suffix", [".dm3", ".dm4", ".emd", ".ser"])
def test_missing_package_gives_the_command_that_installs_it(tmp_path, monkeypatch, suffix):
    monkeypatch.setitem(sys.modules, "rsciio", None)
    (tmp_path / f"a{suffix}").write_bytes(b"anything")
    with pytest.raises(MendemError, match=r"pip install 'napari-mendem\[vendor\]'"):
        io.read(tmp_path / f"a{suffix}")


def test_axes_and_voxel_size_come_from_the_calibration(reader):
    signals, path = reader
    data = np.arange(64, dtype=np.int16).reshape(4, 4, 4)
    signals.append({"data": data, "axes": [axis("z", 0, 0.02, "µm"), axis("y", 1, 5, "nm"), axis("x", 2, 4, "nm")]})
    image = io.read(path)
    assert image.axes == ("z", "y", "x")
    assert image.voxel_size.values == pytest.approx((20, 5, 4)) and image.voxel_size.unit == "nm"
    assert np.array_equal(image.data, data)


def test_uncalibrated_stacks_are_frames_of_unknown_size(reader):
    signals, path = reader
    signals.append(
        {"data": np.zeros((4, 4, 4)), "axes": [axis("t", 0, 1, "s"), axis("y", 1, 1, ""), axis("x", 2, 1, "")]}
    )
    image = io.read(path)
    assert image.axes == ("frame", "y", "x") and not image.voxel_size.known
    assert any("unknown" in note for note in image.metadata["notes"])


def test_what_cannot_be_read_is_one_clear_error(reader):
    signals, path = reader
    with pytest.raises(MendemError, match="damaged or truncated"):
        io.read(path)
    signals.append({"data": np.zeros(9), "axes": [axis("e", 0, 1, "eV")]})
    with pytest.raises(MendemError, match="no image"):
        io.read(path)
    signals[0] = {"data": np.zeros((4, 4), complex), "axes": [axis("y", 0, 1, "nm"), axis("x", 1, 1, "nm")]}
    with pytest.raises(MendemError, match="complex"):
        io.read(path)
