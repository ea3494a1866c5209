"""A wedge that is filled into files from the dock: the files of the command line, opened from disk."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog, QMessageBox

import mendem
from mendem.io import LazyArray
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.phantom import ellipse_phantom
from mendem.tomography.tilt_series import TiltSeries
from mendem.wedge_filling import volume_road
from napari_mendem.preferences import Preferences
from napari_mendem.tilt_layers import layer_of, series_of
from napari_mendem.widgets import slice_dock
from napari_mendem.widgets.fill_wedge import FillWedgeWidget

DEPTH, WIDTH, ROWS = 20, 32, 6
ANGLES = tuple(np.arange(-60.0, 61.0, 6.0))
NAMES = {"ts_completed.mrc", "ts_completed.tlt", "ts_completed.xf", "ts_completed.tilts.json", "ts_filled.mrc"}


@pytest.fixture
def widget(viewer, qtbot, monkeypatch):
    slices = ellipse_phantom(DEPTH, WIDTH).project(SliceGeometry(ANGLES, (DEPTH, WIDTH), WIDTH))
    stack = np.rint(50 + 40 * np.repeat(slices[:, None], ROWS, axis=1)).astype(np.uint16)
    image = mendem.Image(stack, ("tilt", "y", "x"), mendem.VoxelSize((None, 2.0, 2.0)), {"notes": []}, "ts")
    data, kwargs, _ = layer_of(TiltSeries(image, ANGLES, aligned=True), "ts")
    viewer.add_image(data, **kwargs)
    monkeypatch.setattr(slice_dock, "preferences", lambda: Preferences(live=False, device="cpu", cpu_threads=1))
    monkeypatch.setattr(volume_road, "BATCH_BYTES", {"cpu": 1})  # one slice after the other
    made = FillWedgeWidget(viewer)
    qtbot.addWidget(made)
    made.thickness.setValue(DEPTH)
    made.parameters.set(limit=72.0, filler="tv")
    return made


@pytest.fixture
def on_disk(monkeypatch):
    """All files are too large to be read at once."""
    monkeypatch.setattr("mendem.io.files.LAZY_ABOVE", 100)
    monkeypatch.setattr("mendem.io.read.__defaults__", (None, 100))


def test_files_are_those_of_the_library_and_are_opened_from_disk(widget, viewer, wait, tmp_path, on_disk):
    widget.restore_to(str(tmp_path / "ts_completed.mrc"))
    wait(lambda: not widget.busy, 60)
    assert {p.name for p in tmp_path.iterdir()} == NAMES  # total variation has no spread
    expected = mendem.fill_wedge(series_of(viewer.layers["ts"]), DEPTH, limit=72.0, filler="tv", device="cpu")
    volume, tilts = viewer.layers["ts · fill wedge"], viewer.layers["ts · fill wedge tilts"]
    assert isinstance(volume.data, LazyArray) and isinstance(tilts.data, LazyArray)
    np.testing.assert_array_equal(volume.data[:], expected.tomogram.data)
    np.testing.assert_array_equal(tilts.data[:], expected.completed.image.data)
    found = series_of(tilts)
    assert found.generated == expected.completed.generated and found.true_angles == expected.completed.true_angles
    assert not tilts.visible and volume.visible and "ts · fill wedge spread" not in viewer.layers
    mask = viewer.layers["ts · fill wedge Fourier mask"].data
    assert mask.shape == volume.data.shape and set(np.unique(mask)) == {0, 1, 2, 3}
    # Where the tomogram of layers lies: its middle at the middle tilt.
    assert volume.translate[0] == pytest.approx(10 - DEPTH // 2 * 2.0)
    said = widget.ui.found.text().replace("\u00a0", " ")
    assert said.startswith(f"Written to {tmp_path / 'ts_completed.mrc'} and beside it. Energy in the wedge")


def test_cancelled_it_keeps_what_is_finished_and_says_so(widget, viewer, wait, tmp_path, monkeypatch):
    pieces = volume_road.VolumeRoad.pieces

    def two(self, check, progress):
        for number, piece in enumerate(pieces(self, check, progress)):
            if number == 2:
                widget.errand.cancel()
                check()
            yield piece

    monkeypatch.setattr(volume_road.VolumeRoad, "pieces", two)
    widget.restore_to(str(tmp_path / "ts_completed.mrc"))
    wait(lambda: not widget.busy, 60)
    volume = viewer.layers["ts · fill wedge (partial)"].data
    assert np.isfinite(volume[:, :2]).all() and np.isnan(volume[:, 2:]).all()
    assert "Cancelled: 2 of 6 slices" in widget.ui.found.text().replace("\u00a0", " ")
    assert mendem.read(tmp_path / "ts_filled.mrc").metadata["mendem"]["partial"]


def test_files_that_exist_are_replaced_only_after_a_question(widget, wait, tmp_path, monkeypatch):
    (tmp_path / "ts_filled.mrc").write_text("mine")
    asked: list[str] = []
    answers = [QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes]
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "ts_completed"), "MRC (*.mrc)"))
    monkeypatch.setattr(QMessageBox, "question", lambda *words: asked.append(words[-1]) or answers.pop(0))
    widget.to_file.click()
    assert not widget.busy and asked == ["Replace ts_filled.mrc?"]
    assert [p.name for p in tmp_path.iterdir()] == ["ts_filled.mrc"]
    widget.to_file.click()
    wait(lambda: not widget.busy, 60)
    assert {p.name for p in tmp_path.iterdir()} == NAMES and len(asked) == 2


def test_layers_that_would_fill_the_memory_are_refused_and_files_are_not(widget, wait, tmp_path, said, monkeypatch):
    monkeypatch.setattr("mendem.device.available_bytes", lambda device: 10_000)
    widget.restore()
    assert not widget.busy and "to a file" in said[0]
    widget.restore_to(str(tmp_path / "ts_completed.mrc"))
    wait(lambda: not widget.busy, 60)
    assert (tmp_path / "ts_filled.mrc").exists()


def test_a_series_whose_wedge_was_filled_is_refused(widget, viewer, said):
    layer = viewer.layers["ts"]
    layer.metadata = {**layer.metadata, "tilts": {**layer.metadata["tilts"], "generated": (0,)}}
    assert "has been filled" in widget.ui.message.text()
