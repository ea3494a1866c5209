"""The tilt road on the way through: its tilts in the stack, the tomogram from all, and runs that go on."""

from __future__ import annotations

import json
from threading import Event

import numpy as np
import pytest

import mendem
from mendem.errors import Cancelled, MendemError
from mendem.image import Image, VoxelSize
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.phantom import ellipse_phantom
from mendem.tomography.tilt_road import GeneratedTilts
from mendem.tomography.tilt_series import TiltSeries
from mendem.wedge_filling import prepare, tilt_road
from mendem.wedge_filling.to_files import WedgeFiles, fill_wedge_file

ANGLES = tuple(range(-60, 61, 6))
DEPTH, ROWS, WIDTH = 20, 4, 32


def stack_of(angles: tuple[float, ...]) -> np.ndarray:
    """Exact projections (tilt, y, x), as densities."""
    shadows = ellipse_phantom(DEPTH, 20).project(SliceGeometry(angles, (DEPTH, 20), WIDTH))
    return np.repeat(shadows[:, None], ROWS, axis=1)


@pytest.fixture
def series() -> TiltSeries:
    pixels = np.round(1000 - 40 * stack_of(ANGLES)).astype(np.int16)
    return TiltSeries(Image(pixels, ("tilt", "y", "x"), VoxelSize((None, 2.0, 2.0)), source="ts"), ANGLES)


@pytest.fixture
def asked(monkeypatch) -> list[float]:
    """A network that knows the truth, and which tilts it was asked for."""
    heard: list[float] = []

    def generate(density, angles, targets, *, at_once, isolated, generated, depth, device, check):
        there = {angle for some in generated for angle in some.angles}
        order = sorted((t for t in targets if t not in there), key=abs)
        for first in range(0, len(order), at_once):
            check()
            some = tuple(order[first : first + at_once])
            heard.extend(some)
            truth = 40 * stack_of(some).astype(np.float32)
            yield GeneratedTilts(some, truth, np.ones_like(truth))

    monkeypatch.setattr(tilt_road, "generate_tilts", generate)
    monkeypatch.setattr(prepare, "installed", lambda prior: True)
    return heard


SETTINGS = {"road": "tilts", "device": "cpu", "density": mendem.tomography.density.Density(contrast="dark")}


def test_generated_tilts_take_their_places_and_the_tomogram_is_made_from_all(series, asked):
    found = mendem.fill_wedge(series, DEPTH, at_once=3, **SETTINGS)
    assert found.completed.true_angles == tuple(range(-90, 91, 6))
    truth = 1000 - 40 * stack_of(found.completed.true_angles)
    # Rounded to whole numbers.
    np.testing.assert_allclose(found.completed.image.data, truth, atol=0.51)
    assert found.completed.image.dtype == np.int16 and found.spread is None
    assert found.after.missing > 2 * found.before.missing
    record = found.tomogram.metadata["mendem"]
    assert record["found"] == {"specimen": "isolated", "filler": "wedge-tilts"} and len(asked) == 10
    # All directions, and not two thirds of them.
    geometry = SliceGeometry(ANGLES, (DEPTH, WIDTH), WIDTH)
    volume = 40 * ellipse_phantom(DEPTH, 20).image(geometry)[:, None]
    sirt = mendem.reconstruct(series, mendem.Sirt(positive=True), DEPTH, density=SETTINGS["density"], device="cpu")
    error, usual = (np.square(np.asarray(v.data) - volume).mean() for v in (found.tomogram, sirt))
    assert error < 0.7 * usual


def test_a_filler_that_does_not_count_on_the_tilt_road_is_said(series, asked):
    told = {name: mendem.fill_wedge(series, DEPTH, filler=name, **SETTINGS).tomogram.metadata["mendem"]["notes"]
            for name in ("auto", "tv")}  # fmt: skip
    assert not any("counts on the volume road" in note for note in told["auto"])
    assert any("filler tv counts on the volume road alone" in note for note in told["tv"])


def test_a_run_that_is_stopped_keeps_its_tilts_and_the_next_goes_on_after_them(series, asked, tmp_path):
    files, stop = WedgeFiles(tmp_path / "out.mrc", tmp_path / "t.mrc"), Event()

    def progress(now) -> None:
        if now.block == 4:
            stop.set()

    record = fill_wedge_file(series, files, DEPTH, cancel=stop, progress=progress, **SETTINGS)
    assert record["partial"] and record["energy_in_wedge"] is None
    whole = mendem.read_tilt_series(files.stack)
    assert whole.true_angles == tuple(range(-72, 73, 6))
    np.testing.assert_array_equal(np.asarray(whole.image.data)[2:-2], series.image.data)
    assert "t.mrc was not written" in record["notes"][-1] and not (tmp_path / "t.mrc").exists()
    assert json.loads((tmp_path / "out.tilts.json").read_text())["partial"]
    asked.clear()
    record = fill_wedge_file(series, files, DEPTH, overwrite=True, **SETTINGS)
    assert [abs(angle) for angle in asked] == [78, 78, 84, 84, 90, 90] and not record["partial"]
    assert {p.name for p in tmp_path.iterdir()} == {"out.mrc", "out.tlt", "out.tilts.json", "t.mrc"}
    plain = mendem.fill_wedge(series, DEPTH, **SETTINGS)
    np.testing.assert_array_equal(mendem.read(files.stack).data, plain.completed.image.data)
    np.testing.assert_array_equal(mendem.read(files.tomogram).data, plain.tomogram.data)


def test_what_a_killed_process_did_not_finish_and_what_is_of_another_run_is_generated_again(series, asked, tmp_path):
    files, stop = WedgeFiles(tmp_path / "out.mrc"), Event()

    def progress(now) -> None:
        if now.block == 3:
            stop.set()

    fill_wedge_file(series, files, DEPTH, cancel=stop, progress=progress, **SETTINGS)
    part = tmp_path / "out.tilts.part"
    part.write_bytes(part.read_bytes()[:-100])
    asked.clear()
    stop.clear()
    fill_wedge_file(series, files, DEPTH, overwrite=True, cancel=stop, progress=progress, **SETTINGS)
    assert len(asked) == 1  # the third one again
    asked.clear()
    for name in ("out.mrc", "out.tlt", "out.tilts.json"):
        (tmp_path / name).unlink()
    with pytest.raises(MendemError, match="another run generated"):
        fill_wedge_file(series, files, DEPTH, at_once=2, **SETTINGS)
    fill_wedge_file(series, files, DEPTH, overwrite=True, at_once=2, **SETTINGS)
    assert len(asked) == 10


def test_stopped_before_the_first_tilt_there_is_nothing(series, asked, tmp_path):
    stop = Event()
    with pytest.raises(Cancelled):
        files = WedgeFiles(tmp_path / "out.mrc")
        fill_wedge_file(series, files, DEPTH, cancel=stop, started=lambda _: stop.set(), **SETTINGS)
    assert not list(tmp_path.iterdir())


def test_a_network_that_is_not_installed_is_said(series, monkeypatch):
    monkeypatch.setattr(prepare, "installed", lambda prior: False)
    with pytest.raises(MendemError, match="take the volume road"):
        mendem.fill_wedge(series, DEPTH, **SETTINGS)
