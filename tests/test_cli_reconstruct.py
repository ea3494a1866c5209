"""``mendem reconstruct``: from the files of a tilt series to a tomogram."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import mendem
from mendem.cli import main
from mendem.image import Image, VoxelSize
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.phantom import ellipse_phantom
from mendem.tomography.slices import Reconstruction, Rows
from mendem.tomography.tilt_files import write_alignment, write_angles

ANGLES = tuple(np.linspace(-60.0, 60.0, 21).round(2))
GEOMETRY = SliceGeometry(ANGLES, (32, 48), 48)
METHODS = {
    "wbp": (mendem.Wbp(filter="ramp"), ["--filter", "ramp"]),
    "sirt": (mendem.Sirt(8, positive=True), ["--iterations", "8", "--positive"]),
    "tv": (mendem.Tv(iterations=20), ["--iterations", "20"]),
}


@pytest.fixture
def series(tmp_path, monkeypatch):
    """``ts.mrc`` and ``ts.tlt`` of an object that is the same in all 6 slices, with pixels of 2 nm."""
    monkeypatch.chdir(tmp_path)
    rows = ellipse_phantom(32, 48).project(GEOMETRY)
    stack = np.repeat(rows[:, None], 6, axis=1)
    stack += np.random.default_rng(0).normal(0, 0.2, stack.shape).astype(np.float32)
    mendem.write("ts.mrc", Image(stack, ("tilt", "y", "x"), VoxelSize((None, 2.0, 2.0))))
    found = mendem.read_tilt_series("ts.mrc", ANGLES)
    write_angles("ts.tlt", found)
    return found


@pytest.mark.parametrize("name", METHODS)
def test_the_file_is_as_good_as_the_slices_in_memory(series, name, capsys):
    method, options = METHODS[name]
    command = ["reconstruct", "ts.mrc", "out.mrc", "--tilts", "ts.tlt", "--method", name, "--thickness", "64nm"]
    assert main([*command, *options, "--background", "0", "--device", "cpu", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["shape"] == [32, 6, 48] and said["voxel_size"] == [2, 2, 2] and said["unit"] == "nm"
    out = mendem.read("out.mrc")
    assert out.voxel_size == VoxelSize((2.0, 2.0, 2.0)) and out.axes == ("z", "y", "x")
    assert out.metadata["mendem"]["task"]["parameters"]["method"] == name
    whole = Reconstruction(Rows(np.asarray(series.image.data)), GEOMETRY, method, "cpu")
    expected = np.concatenate([block for _, block in whole.blocks()], axis=1)
    np.testing.assert_allclose(out.data, expected, atol=1e-4)
    truth = ellipse_phantom(32, 48).image(GEOMETRY)[:, None]
    in_memory, in_file = (np.sqrt(((v - truth) ** 2).mean()) for v in (expected, np.asarray(out.data)))
    assert in_file == pytest.approx(in_memory, rel=1e-3) and in_file < 0.3


@pytest.mark.parametrize("out", ["out.tif", "out.ome.zarr"])
def test_other_formats_hold_the_same(series, out, capsys):
    for name in (out, "out.mrc"):
        assert main(["reconstruct", "ts.mrc", name, "--tilts", "ts.tlt", "--thickness", "20"]) == 0
    assert "out.mrc written after" in capsys.readouterr().out
    np.testing.assert_array_equal(mendem.read(out).data, mendem.read("out.mrc").data)
    assert mendem.read(out).voxel_size.nm == (2.0, 2.0, 2.0)


def test_shifts_and_the_tilt_axis_of_an_xf_are_undone(series):
    # Turned by 90° and moved by whole pixels, so that nothing is lost, with the .xf that says so.
    turned, shifts = np.zeros((21, 48, 6), np.float32), np.random.default_rng(1).integers(-2, 3, 21)
    for image, tilt, shift in zip(turned, np.asarray(series.image.data), shifts, strict=True):
        image[:] = np.roll(np.rot90(tilt), shift, axis=0)
    mendem.write("raw.mrc", Image(turned, ("tilt", "y", "x"), VoxelSize((None, 2.0, 2.0))))
    # rot90 brings x to -y and y to x.
    transforms = np.zeros((21, 2, 3))
    transforms[:] = [[0, 1, 0], [-1, 0, 0]]
    transforms[:, 1, 2] = shifts
    raw = mendem.read_tilt_series("raw.mrc", ANGLES)
    write_alignment("given.xf", raw.with_transforms(transforms))
    found = {}
    for name, more in {"ts.mrc": [], "raw.mrc": ["--alignment", "given.xf"]}.items():
        command = ["reconstruct", name, "out.mrc", "--tilts", "ts.tlt", "--thickness", "32", "--overwrite"]
        assert main([*command, "--background", "0", *more]) == 0
        found[name] = np.asarray(mendem.read("out.mrc").data)
    assert found["raw.mrc"].shape == (32, 6, 48)
    # But for the noise of the outermost two pixels, which came in from the other side.
    difference = np.abs(found["raw.mrc"] - found["ts.mrc"])[:, :, 8:-8]
    assert difference.mean() < 0.05 * np.abs(found["ts.mrc"]).mean()


def test_excluded_tilts_count_from_0(series, capsys):
    assert main(["reconstruct", "ts.mrc", "out.mrc", "--exclude", "0,19-20", "--thickness", "9", "--json"]) == 0
    tilts = json.loads(capsys.readouterr().out)["provenance"]["tilts"]
    assert tilts["excluded"] == [0, 19, 20] and tilts["angles"][0] == -54.0 and tilts["angles"][-1] == 48.0


def test_info_tells_how_a_tomogram_was_made(series, capsys):
    assert main(["reconstruct", "ts.mrc", "out.mrc", "--thickness", "9"]) == 0
    said = capsys.readouterr().out
    assert "21 from -60° to 60°" in said and "note: No alignment was applied" in said
    assert main(["info", "out.mrc"]) == 0
    said = capsys.readouterr().out
    assert 'made by mendem: reconstruct {"method": "wbp"' in said and "prior" not in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--tilts", "none.tlt"], "none.tlt does not exist"),
        (["--tilts", "short.tlt"], "21 tilts and short.tlt 3 angles"),
        (["--cutoff", "0.5", "--method", "sirt"], "--cutoff is an option of wbp, not of sirt"),
        (["--positive"], "--positive is an option of sirt and tv, not of wbp"),
        (["--iterations", "0", "--method", "tv"], "iterations is 0"),
        (["--exclude", "21"], "tilt 21 cannot be excluded"),
        (["--exclude", "1-x"], "write their numbers from 0"),
        (["--exclude", "0-19"], "at least two"),
        (["--thickness", "thick"], "is not a thickness"),
        (["--thickness", "0"], "at least 1"),
        (["--binning", "7"], "from 1 to 6"),
        (["--background", "mean"], "edges, none or a number"),
        (["--contrast", "log", "--background", "none"], "empty beam"),
        (["--offset", "150"], "beyond ±180°"),
        (["--method", "art"], "invalid choice"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(series, tmp_path, capsys, options, said):
    (tmp_path / "short.tlt").write_text("-1\n0\n1\n")
    assert main(["reconstruct", "ts.mrc", "out.mrc", *options]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1
    assert {p.name for p in tmp_path.iterdir()} == {"ts.mrc", "ts.tlt", "short.tlt"}


def test_nothing_is_replaced_without_being_asked(series, tmp_path, capsys):
    (tmp_path / "out.mrc").write_bytes(b"mine")
    assert main(["reconstruct", "ts.mrc", "out.mrc"]) == 2
    assert "--overwrite" in capsys.readouterr().err and (tmp_path / "out.mrc").read_bytes() == b"mine"
    assert main(["reconstruct", "ts.mrc", "ts.mrc", "--overwrite"]) == 2
    assert "is the tilt series itself" in capsys.readouterr().err
    assert mendem.read("ts.mrc").shape == (21, 6, 48)


def test_the_page_s_python_runs_and_its_commands_work_on_what_it_makes(root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    text = (root / "docs" / "tasks" / "reconstruct.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict = {}
    exec(compile(block, "docs/tasks/reconstruct.md", "exec"), names)
    assert names["tomogram"].shape == (64, 32, 96)
    write_alignment("series.xf", names["series"])  # and series.tlt
    (commands,) = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    for command in commands.splitlines():
        assert main([*command.split()[1:], "--overwrite"]) == 0
    assert mendem.read("tomogram.mrc").voxel_size == VoxelSize((8.0, 8.0, 8.0))
    assert mendem.read("tomogram.ome.zarr").shape == (75, 32, 96)
