"""The Fill wedge dock, on a viewer without a window."""

from __future__ import annotations

import shlex
import time
from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Labels, Points
from napari.layers._source import layer_source
from qtpy.QtWidgets import QApplication, QCheckBox, QPushButton

import mendem
from mendem.cli import main
from mendem.io.tilt_angles import write as write_list
from mendem.tomography.filler import Filled, TvFiller
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.phantom import ellipse_phantom
from mendem.tomography.tilt_road import GeneratedTilts
from mendem.tomography.tilt_series import TiltSeries
from mendem.wedge_filling import volume_road
from napari_mendem import readers
from napari_mendem.layers import PREVIEW, TOOL
from napari_mendem.preferences import Preferences
from napari_mendem.tilt_layers import layer_of, series_of
from napari_mendem.widgets import fill_wedge, slice_dock
from napari_mendem.widgets.missing_wedge import MissingWedgeWidget

ANGLES = tuple(float(a) for a in range(-60, 61, 6))
DEPTH, ROWS, WIDTH = 20, 6, 32


@pytest.fixture
def series() -> TiltSeries:
    """An isolated object that is brighter from row to row, in whole numbers."""
    shadows = ellipse_phantom(DEPTH, 20).project(SliceGeometry(ANGLES, (DEPTH, 20), WIDTH))
    stack = np.round(50 + 20 * shadows[:, None] * np.linspace(1, 2, ROWS)[:, None]).astype(np.uint16)
    image = mendem.Image(stack, ("tilt", "y", "x"), mendem.VoxelSize((None, 2.0, 2.0)), {"notes": []}, "ts")
    return TiltSeries(image, ANGLES, excluded=(3,), aligned=True)


@pytest.fixture
def layer(viewer, series):
    data, kwargs, _ = layer_of(series, "ts")
    return viewer.add_image(data, **kwargs)


@pytest.fixture
def make(qtbot, monkeypatch):
    monkeypatch.setattr(slice_dock, "preferences", lambda: Preferences(live=False, device="cpu", cpu_threads=1))
    monkeypatch.setattr(volume_road, "BATCH_BYTES", {"cpu": 1})  # one slice after the other

    def made(viewer) -> fill_wedge.FillWedgeWidget:
        widget = fill_wedge.FillWedgeWidget(viewer)
        qtbot.addWidget(widget)
        widget.thickness.setValue(DEPTH)
        widget.parameters.set(limit=72.0, filler="tv")
        return widget

    return made


@pytest.fixture
def slow(monkeypatch) -> None:
    """Each slice takes a while."""
    fill = volume_road.VolumeRoad._fill

    def late(self, first, data, check):
        time.sleep(0.1)
        check()
        yield from fill(self, first, data, check)

    monkeypatch.setattr(volume_road.VolumeRoad, "_fill", late)


def run(widget, wait) -> None:
    widget.restore()
    assert widget.busy
    wait(lambda: not widget.busy, 60)


def preview(viewer):
    return next((layer for layer in viewer.layers if layer.metadata.get(PREVIEW)), None)


def test_the_layers_are_what_python_fills(viewer, layer, series, make, wait):
    widget = make(viewer)
    run(widget, wait)
    expected = mendem.fill_wedge(series, DEPTH, limit=72.0, filler="tv", device="cpu")
    result = viewer.layers["ts · fill wedge"]
    np.testing.assert_array_equal(result.data, expected.tomogram.data)
    assert result.axis_labels == ("z", "y", "x") and tuple(result.scale) == (2.0, 2.0, 2.0)
    record = result.metadata["mendem"]
    assert record["task"]["name"] == "fill-wedge" and record["task"]["parameters"]["limit"] == 72.0
    tilts = viewer.layers["ts · fill wedge tilts"]
    np.testing.assert_array_equal(tilts.data, expected.completed.image.data)
    assert tilts.data.dtype == np.uint16 and series_of(tilts).true_angles == expected.completed.true_angles
    assert series_of(tilts).generated == expected.completed.generated and series_of(tilts).excluded == (5,)
    energy = record["energy_in_wedge"]
    found = widget.ui.found.text().replace("\u00a0", " ")
    assert f"{100 * energy['filled']['missing']:.1f} % filled" in found and "4 tilts were generated" in found


def test_each_tilt_says_in_the_viewer_what_it_is_and_measured_ones_stay_where_they_were(viewer, layer, make, wait):
    widget = make(viewer)
    run(widget, wait)
    tilts, flags = viewer.layers["ts · fill wedge tilts"], viewer.layers["ts · fill wedge flags"]
    assert isinstance(flags, Points) and list(flags.features["flag"][:3]) == ["generated", "generated", "measured"]
    assert list(flags.features["words"])[5] == "-42° excluded"
    # The tilt at -60° is at the same place of the slider, with the same pixels.
    assert tilts.world_to_data(layer.data_to_world((0, 2, 3))) == pytest.approx((2, 2, 3))
    np.testing.assert_array_equal(tilts.data[2:-2], layer.data)


def test_the_fourier_mask_names_its_regions(viewer, layer, make, wait):
    widget = make(viewer)
    run(widget, wait)
    mask = viewer.layers["ts · fill wedge Fourier mask"]
    assert isinstance(mask, Labels) and mask.data.shape == (DEPTH, ROWS, WIDTH)
    assert dict(zip(mask.features["index"], mask.features["region"], strict=True)) == {
        1: "measured",
        2: "generated",
        3: "blended",
    }
    assert mask.data[DEPTH // 2, 0, WIDTH // 2 + 5] == 1 and mask.data[1, 0, WIDTH // 2] == 2


def test_the_live_slice_shows_before_and_after_and_follows_the_fields(viewer, layer, make, wait):
    widget = make(viewer)
    widget.row.setValue(4)
    widget.ui.live.setChecked(True)

    def settled() -> bool:
        return preview(viewer) is not None and not widget.live.newest.busy

    wait(settled)
    first = preview(viewer).data.copy()
    before, after = first[:DEPTH], first[-DEPTH:]
    assert np.isnan(first[DEPTH:-DEPTH]).all() and np.isfinite(after).all()
    assert after.min() >= 0 > before.min()
    assert preview(viewer).name == "ts · fill wedge preview"
    assert "isolated" in widget.ui.message.text()
    widget.row.setValue(1)
    wait(lambda: settled() and not np.array_equal(first, preview(viewer).data, equal_nan=True))
    live = preview(viewer).data[-DEPTH:].copy()
    run(widget, wait)
    np.testing.assert_allclose(live, viewer.layers["ts · fill wedge"].data[:, 1], atol=1e-4 * live.max())
    assert preview(viewer) is None


def test_another_limit_does_not_fill_the_live_slice_again(viewer, layer, make, wait):
    widget = make(viewer)
    widget.ui.live.setChecked(True)
    wait(lambda: preview(viewer) is not None and not widget.live.newest.busy)
    job = widget.live.newest.job
    widget.parameters.set(limit=80.0)
    widget.live.ask_now()
    assert widget.live.newest.job is job
    assert "6 missing tilts: 3 below -60°, 3 above 60°" in widget.becomes.text().replace("\u00a0", " ")


def test_cancel_keeps_the_slices_that_are_filled_and_marks_them(viewer, layer, make, wait, slow):
    widget = make(viewer)
    widget.restore()
    wait(lambda: "ts · fill wedge" in viewer.layers)
    widget.ui.cancel.click()
    wait(lambda: not widget.busy)
    result = viewer.layers["ts · fill wedge (partial)"]
    done = result.metadata["mendem"]["blocks"]["finished"]
    assert 0 < done < ROWS and np.isnan(result.data[:, done:]).all()
    assert not [one for one in viewer.layers if "tilts" in one.name] and "Cancelled" in widget.ui.found.text()


def test_cancelled_at_once_nothing_is_kept(viewer, layer, make, wait, slow):
    widget = make(viewer)
    widget.restore()
    widget.cancel()
    wait(lambda: not widget.busy)
    assert len(viewer.layers) == 1 and "nothing is kept" in widget.ui.message.text()


def test_removing_the_growing_tomogram_cancels(viewer, layer, make, wait, slow):
    widget = make(viewer)
    widget.restore()
    wait(lambda: "ts · fill wedge" in viewer.layers)
    viewer.layers.remove("ts · fill wedge")
    wait(lambda: not widget.busy)
    assert len(viewer.layers) == 1 and "removed" in widget.ui.found.text()


@pytest.mark.parametrize("what", ["no series", "no angles", "nothing missing", "two tilts"])
def test_what_cannot_be_filled_is_one_sentence_and_napari_goes_on(what, viewer, make, wait, said, series):
    if what != "no series":
        data, kwargs, _ = layer_of(series, "ts")
        if what == "two tilts":
            kwargs["metadata"]["tilts"]["excluded"] = tuple(range(2, len(ANGLES)))
        if what == "no angles":
            del kwargs["metadata"]["tilts"]
        viewer.add_image(data, **kwargs)
    widget = make(viewer)
    if what == "nothing missing":
        widget.parameters.set(limit=40.0)
    widget.restore()
    wait(lambda: not widget.busy)
    expected = {
        "no series": "no tilt series",
        "no angles": "no tilt angles",
        "nothing missing": "none is missing up to 40°",
        "two tilts": "2 tilts to use",
    }
    assert len(said) == 1 and expected[what] in said[0] and widget.ui.message.text() == said[0]


def test_scripts_find_the_parts_by_name(viewer, layer, make):
    widget = make(viewer)
    assert widget.findChild(QPushButton, "restore") is widget.ui.restore
    assert widget.findChild(QPushButton, "cancel") is widget.ui.cancel
    assert widget.findChild(QCheckBox, "live") is widget.ui.live
    widget.resize(300, 700)
    assert widget.minimumSizeHint().width() <= 300


def test_the_missing_wedge_dock_tells_the_energy_before_and_after(viewer, layer, make, wait, qtbot):
    run(make(viewer), wait)
    dock = MissingWedgeWidget(viewer)
    qtbot.addWidget(dock)
    dock.ui.input.choice.choose(layer)
    result = viewer.layers["ts · fill wedge"]
    dock.ui.tomogram.choose(result)
    before = result.metadata["mendem"]["energy_in_wedge"]["back_projection"]["missing"]
    wait(lambda: f"({100 * before:.1f} % before it was filled)" in dock.ui.energy.text().replace("\u00a0", " "), 60)


def test_what_is_copied_fills_the_same(viewer, make, wait, tmp_path, series, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mendem.write(tmp_path / "ts.mrc", series.image)
    write_list(tmp_path / "ts.tlt", ANGLES)
    data, kwargs, _ = readers.read(str(tmp_path / "ts.mrc"))[0]
    kwargs["metadata"]["tilts"]["excluded"] = (0, 20)
    with layer_source(path=str(tmp_path / "ts.mrc")):
        viewer.add_image(data, name="ts", **kwargs)
    widget = make(viewer)
    widget.density.set(background=50.0)
    widget.parameters.set(specimen="isolated")
    widget.thickness.setValue(mendem.VoxelSize((40.0,), "nm"))
    run(widget, wait)
    volume, stack = viewer.layers["ts · fill wedge"].data, viewer.layers["ts · fill wedge tilts"].data
    widget.copy_python.click()
    exec(QApplication.clipboard().text(), {})
    np.testing.assert_array_equal(mendem.read("ts_filled.mrc").data, volume)
    np.testing.assert_array_equal(mendem.read("ts_completed.mrc").data, stack)
    widget.copy_command.click()
    assert main([*shlex.split(QApplication.clipboard().text())[1:], "--overwrite", "--json"]) == 0
    np.testing.assert_array_equal(mendem.read("ts_filled.mrc").data, volume)
    np.testing.assert_array_equal(mendem.read("ts_completed.mrc").data, stack)


def test_marks_are_not_offered_as_tilt_series(viewer, layer, make, wait):
    widget = make(viewer)
    run(widget, wait)
    assert viewer.layers["ts · fill wedge flags"].metadata[TOOL]
    assert widget.input.layer is layer


def test_the_tilt_road_shows_each_tilt_as_it_comes_and_keeps_them_when_it_is_cancelled(
    viewer, layer, series, make, wait, monkeypatch
):
    def generate(density, angles, targets, *, check, **_):
        for angle in sorted(targets, key=abs):
            time.sleep(0.2)
            check()
            yield GeneratedTilts((angle,), np.full((1, ROWS, WIDTH), 7, np.float32), np.ones((1, ROWS, WIDTH)))

    monkeypatch.setattr("mendem.wedge_filling.tilt_road.generate_tilts", generate)
    monkeypatch.setattr("mendem.wedge_filling.prepare.installed", lambda prior: True)
    widget = make(viewer)
    widget.parameters.set(road="tilts")
    widget.restore()
    wait(lambda: "ts · fill wedge tilts" in viewer.layers)
    growing = viewer.layers["ts · fill wedge tilts"]
    assert growing.data.shape == (25, ROWS, WIDTH) and series_of(layer).count == 21
    wait(lambda: growing.data[22 + 1].any())
    widget.ui.cancel.click()
    wait(lambda: not widget.busy)
    tilts = viewer.layers["ts · fill wedge tilts (partial)"]
    generated = len(series_of(tilts).generated)
    assert 0 < generated < 4 and len(tilts.data) == 21 + generated and growing not in viewer.layers
    assert tilts.visible and "ts · fill wedge (partial)" not in viewer.layers
    assert f"{generated} tilts were generated" in widget.ui.found.text()


def test_what_the_network_learned_from_the_series_fills_its_live_slices_and_its_volume(
    viewer, layer, make, wait, monkeypatch
):
    class Learned:
        step, seconds, fraction = 3, 1.0, 0.1

    class Nothing(TvFiller):
        """Fills every slice with nothing."""

        def fill(self, sinograms, geometry, check):
            yield Filled(sinograms.new_zeros((len(sinograms), *geometry.shape)))

    monkeypatch.setattr("mendem.training.wedge_adapt.adapt", lambda filling, seconds, check: iter([Learned()]))
    monkeypatch.setattr(
        "mendem.training.wedge_adapt.adapted",
        lambda filling, learned: replace(filling, filler=Nothing(), notes=(*filling.notes, "Learned.")),
    )
    widget = make(viewer)
    widget.adapt_button.click()
    wait(lambda: not widget.busy, 60)
    assert widget.ui.found.text() == "Learned."
    run(widget, wait)
    assert "Learned." in viewer.layers["ts · fill wedge"].metadata["notes"]
    assert not viewer.layers["ts · fill wedge"].data.any()
    widget.thickness.setValue(DEPTH + 4)  # another question
    run(widget, wait)
    assert "Learned." not in viewer.layers[-1].metadata.get("notes", ()) and "Learned." not in widget.ui.message.text()


def test_only_the_volume_road_learns(viewer, layer, make, said):
    widget = make(viewer)
    widget.parameters.set(road="tilts")
    widget.adapt_button.click()
    assert not widget.busy and "choose that road" in said[0]
