"""The Reconstruct dock, on a viewer without a window."""

from __future__ import annotations

import shlex
import time

import numpy as np
import pytest
from napari.layers._source import layer_source
from qtpy.QtWidgets import QApplication, QCheckBox, QPushButton

import mendem
from mendem.io.tilt_angles import write as write_list
from mendem.tomography.density import Density
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.phantom import ellipse_phantom
from mendem.tomography.tilt_series import TiltSeries
from napari_mendem import readers
from napari_mendem.layers import PREVIEW, TOOL
from napari_mendem.preferences import Preferences
from napari_mendem.tilt_layers import layer_of, series_of, tilts_metadata
from napari_mendem.widgets import reconstruct, slice_dock

ANGLES = tuple(float(a) for a in range(-60, 61, 6))
#: More rows than are finished together, so that a run has several parts.
DEPTH, ROWS, WIDTH = 24, 80, 48


def stack() -> np.ndarray:
    """Tilts of a phantom that is brighter from row to row, so that no two slices are the same."""
    slices = ellipse_phantom(DEPTH, WIDTH).project(SliceGeometry(ANGLES, (DEPTH, WIDTH), WIDTH))
    return (slices[:, None] * np.linspace(1, 2, ROWS)[:, None]).astype(np.float32)


@pytest.fixture
def series() -> TiltSeries:
    image = mendem.Image(stack(), ("tilt", "y", "x"), mendem.VoxelSize((None, 2.0, 2.0)), {"notes": []}, "ts")
    return TiltSeries(image, ANGLES, shifts=((0.0, 0.0),) * len(ANGLES), aligned=True)


@pytest.fixture
def layer(viewer, series):
    data, kwargs, _ = layer_of(series, "ts")
    return viewer.add_image(data, **kwargs)


@pytest.fixture
def make(qtbot, monkeypatch):
    monkeypatch.setattr(slice_dock, "preferences", lambda: Preferences(live=False, device="cpu", cpu_threads=1))

    def made(viewer) -> reconstruct.ReconstructWidget:
        widget = reconstruct.ReconstructWidget(viewer)
        qtbot.addWidget(widget)
        return widget

    return made


@pytest.fixture
def slow(monkeypatch) -> None:
    """Each band of rows takes a while to read."""
    from mendem.tomography.slices import Reconstruction

    iterates = Reconstruction._iterates

    def late(self, sinograms, check):
        time.sleep(0.1)
        check()
        yield from iterates(self, sinograms, check)

    monkeypatch.setattr(Reconstruction, "_iterates", late)


def run(widget, wait) -> None:
    widget.restore()
    assert widget.busy
    wait(lambda: not widget.busy, 120)


def preview(viewer):
    return next((layer for layer in viewer.layers if layer.metadata.get(PREVIEW)), None)


@pytest.mark.parametrize(
    "method", [mendem.Wbp(filter="ramp"), mendem.Sirt(iterations=3, positive=True), mendem.Tv(iterations=5)]
)
def test_the_layer_is_what_python_reconstructs(method, viewer, layer, series, make, wait):
    widget = make(viewer)
    widget.method.setValue(method)
    widget.thickness.setValue(DEPTH)
    widget.surroundings.setValue(False)
    widget.density.set(background="none")
    run(widget, wait)
    result = viewer.layers["ts · reconstruct"]
    density = Density(background="none")
    expected = mendem.reconstruct(series, method, DEPTH, density=density, surroundings=False, device="cpu")
    np.testing.assert_array_equal(result.data, expected.data)
    assert result.axis_labels == ("z", "y", "x") and tuple(result.scale) == (2.0, 2.0, 2.0)
    record = result.metadata["mendem"]
    assert record["task"]["parameters"]["method"] == type(method).__name__.lower() and not record["partial"]


def test_a_binned_tomogram_lies_on_its_tilts(viewer, layer, make, wait):
    widget = make(viewer)
    widget.binning.setValue(2)
    widget.thickness.setValue(mendem.VoxelSize((24.0,), "nm"))
    run(widget, wait)
    result = viewer.layers["ts · reconstruct"]
    assert result.data.shape == (6, ROWS // 2, WIDTH // 2) and tuple(result.scale) == (4.0, 4.0, 4.0)
    # From the middles of the outermost pixels to their edges, which binning must not move.
    np.testing.assert_allclose(
        result.extent.world[:, 1:] + [[-2, -2], [2, 2]], layer.extent.world[:, 1:] + [[-1, -1], [1, 1]]
    )


def test_the_live_slice_is_that_of_the_volume_and_follows_the_fields(viewer, layer, make, wait):
    widget = make(viewer)
    widget.thickness.setValue(DEPTH)
    widget.surroundings.setValue(False)
    widget.row.setValue(30)
    widget.ui.live.setChecked(True)

    def settled() -> bool:
        return preview(viewer) is not None and not widget.live.newest.busy

    wait(settled)
    first = preview(viewer).data.copy()
    widget.method.setValue(mendem.Sirt(iterations=4))
    wait(lambda: settled() and not np.array_equal(first, preview(viewer).data))
    second = preview(viewer).data.copy()
    widget.row.setValue(31)
    wait(lambda: settled() and not np.array_equal(second, preview(viewer).data))
    live = preview(viewer).data.copy()
    run(widget, wait)
    whole = viewer.layers["ts · reconstruct"].data[:, 31]
    # Slices that are computed together are summed in another order: single precision.
    np.testing.assert_allclose(live, whole, atol=1e-5 * abs(whole).max())
    assert not widget.ui.live.isChecked() and preview(viewer) is None
    assert not [one for one in viewer.layers if one.metadata.get(TOOL)]


def test_the_live_slice_lies_below_its_tilts_with_the_same_columns(viewer, layer, make, wait):
    widget = make(viewer)
    widget.ui.live.setChecked(True)
    wait(lambda: preview(viewer) is not None)
    low, high = layer.extent.world[:, 1:]
    shown = preview(viewer).extent.world
    assert shown[0, 0] > high[0] and shown[:, 1] == pytest.approx([low[1], high[1]])
    (line,) = (one for one in viewer.layers if one.metadata.get(TOOL))
    np.testing.assert_allclose(line.data[0], [[ROWS // 2 * 2.0, -1.0], [ROWS // 2 * 2.0, 2 * WIDTH - 1.0]])
    assert viewer.layers.selection.active is layer


def test_the_newest_request_wins(viewer, layer, make, wait, slow):
    widget = make(viewer)
    widget.ui.live.setChecked(True)
    wait(lambda: widget.live.newest.busy)
    jobs = []
    for cutoff in (0.9, 0.5, 0.2):
        widget.method.setValue(mendem.Wbp(cutoff=cutoff))
        widget.live.ask_now()
        jobs.append(widget.live.newest.job)
    wait(lambda: not widget.live.newest.busy)
    assert [job.cancelled.is_set() for job in jobs] == [True, True, False]
    assert widget.live.newest.job.request.method.cutoff == 0.2


def test_nothing_is_previewed_in_3d(viewer, layer, make, wait):
    widget = make(viewer)
    widget.ui.live.setChecked(True)
    wait(lambda: preview(viewer) is not None)
    viewer.dims.ndisplay = 3
    wait(lambda: preview(viewer) is None and widget.ui.stage.text() == "needs the 2-D view")


def test_cancel_keeps_what_is_finished_and_marks_it(viewer, layer, make, wait, slow):
    widget = make(viewer)
    widget.thickness.setValue(DEPTH)
    widget.restore()
    wait(lambda: "ts · reconstruct" in viewer.layers)
    widget.ui.cancel.click()
    wait(lambda: not widget.busy)
    result = viewer.layers["ts · reconstruct (partial)"]
    done = result.metadata["mendem"]["blocks"]["finished"]
    assert 0 < done < ROWS and result.metadata["mendem"]["partial"]
    assert np.isfinite(result.data[:, :done]).all() and np.isnan(result.data[:, done:]).all()
    assert f"{done} of {ROWS} slices" in widget.ui.found.text()


def test_cancelled_at_once_nothing_is_kept(viewer, layer, make, wait, slow):
    widget = make(viewer)
    widget.restore()
    widget.cancel()
    wait(lambda: not widget.busy)
    assert len(viewer.layers) == 1 and "nothing is kept" in widget.ui.message.text()


@pytest.mark.parametrize("name", ["tomogram.mrc", "tomogram.zarr"])
def test_a_file_is_written_and_opened(name, viewer, layer, make, wait, tmp_path):
    widget = make(viewer)
    widget.thickness.setValue(DEPTH)
    path = tmp_path / name
    widget.restore_to(str(path))
    wait(lambda: not widget.busy)
    result = viewer.layers["ts · reconstruct"]
    data = result.data[0] if result.multiscale else result.data
    np.testing.assert_array_equal(np.asarray(data), mendem.read(path).data)
    assert result.metadata["mendem"]["task"]["name"] == "reconstruct" and result.axis_labels == ("z", "y", "x")


def test_what_does_not_fit_in_memory_is_sent_to_a_file(viewer, layer, make, said, monkeypatch):
    monkeypatch.setattr("mendem.device.available_bytes", lambda device: 1000)
    widget = make(viewer)
    widget.restore()
    assert not widget.busy and len(said) == 1 and "to a file" in said[0]


def test_a_stack_without_angles_takes_them_from_a_file(viewer, make, wait, tmp_path):
    viewer.add_image(stack(), name="raw")
    widget = make(viewer)
    assert "no tilt angles" in widget.ui.message.text() and "no tilt angles" in widget.input.about.text()
    write_list(tmp_path / "raw.tlt", ANGLES)
    widget.input.take(str(tmp_path / "raw.tlt"))
    assert "21\u00a0tilts" in widget.input.about.text()
    widget.thickness.setValue(DEPTH)
    run(widget, wait)
    assert "raw · reconstruct" in viewer.layers


def test_a_tilt_series_is_preferred_to_other_stacks(viewer, make, series):
    widget = make(viewer)
    viewer.add_image(np.zeros((4, 5, 6)), name="volume")
    data, kwargs, _ = layer_of(series, "ts")
    tilted = viewer.add_image(data, **kwargs)
    viewer.add_image(np.zeros((5, 6)), name="picture")
    assert widget.input.layer is tilted
    assert [widget.input.choice.itemText(i) for i in range(widget.input.choice.count())] == ["volume", "ts"]


@pytest.mark.parametrize("what", ["no series", "not finite", "one tilt"])
def test_what_cannot_be_reconstructed_is_one_sentence_and_napari_goes_on(what, viewer, make, wait, said, series):
    if what != "no series":
        data, kwargs, _ = layer_of(series, "ts")
        data = data.copy()
        if what == "not finite":
            data[3, 5, 7] = np.nan
        else:
            kwargs["metadata"]["tilts"]["excluded"] = tuple(range(1, len(ANGLES)))
        viewer.add_image(data, **kwargs)
    widget = make(viewer)
    widget.restore()
    wait(lambda: not widget.busy)
    assert len(said) == 1 and widget.ui.message.text() == said[0]
    assert {"no series": "no tilt series", "not finite": "tilt 3", "one tilt": "one tilt alone"}[what] in said[0]


def test_only_parameters_of_the_chosen_method_are_shown(viewer, layer, make):
    widget = make(viewer)
    widget.show()
    names = {"wbp_filter", "wbp_cutoff", "sirt_iterations", "sirt_positive", "tv_smooth_px", "tv_noise", "surroundings"}

    def shown() -> set[str]:
        return {name for name in names if widget.findChild(object, name).isVisible()}

    assert shown() == {"wbp_filter", "wbp_cutoff"}
    widget.method.choice.setValue("tv")
    assert shown() == {"tv_smooth_px", "tv_noise", "surroundings"}


def test_thickness_keeps_its_length_in_another_unit(viewer, layer, make):
    widget = make(viewer)
    widget.thickness.setValue(12)
    widget.thickness.unit.setValue("nm")
    assert widget.thickness.value() == mendem.VoxelSize((24.0,), "nm")
    assert widget.request().shape[0] == 12


def test_time_and_memory_are_told_before_the_run(viewer, layer, make, wait):
    widget = make(viewer)
    widget.thickness.setValue(DEPTH)
    run(widget, wait)
    assert "MB" in widget.ui.cost.text() and "s," in widget.ui.cost.text()
    assert f"{DEPTH}\u00a0×\u00a0{ROWS}\u00a0×\u00a0{WIDTH}" in widget.becomes.text()


def test_what_is_copied_makes_the_same_volume(viewer, make, wait, tmp_path, series):
    path = tmp_path / "ts.mrc"
    mendem.write(path, series.image)
    write_list(tmp_path / "ts.tlt", ANGLES)
    data, kwargs, _ = readers.read(str(path))[0]
    kwargs["metadata"]["tilts"]["excluded"] = (0, 20)
    kwargs["metadata"]["tilts"]["offset_deg"] = -1.5
    with layer_source(path=str(path)):
        viewer.add_image(data, name="ts", **kwargs)
    widget = make(viewer)
    widget.method.setValue(mendem.Sirt(iterations=2, positive=True))
    widget.density.set(contrast="dark", background=-3.5)
    widget.binning.setValue(2)
    widget.thickness.setValue(mendem.VoxelSize((40.0,), "nm"))
    run(widget, wait)
    expected = viewer.layers["ts · reconstruct"].data
    widget.copy_python.click()
    names: dict = {}
    code = QApplication.clipboard().text().replace("'ts_reconstruct.mrc'", repr(str(tmp_path / "copied.mrc")))
    exec(code, names)
    np.testing.assert_array_equal(names["tomogram"].data, expected)
    widget.copy_command.click()
    words = shlex.split(QApplication.clipboard().text())
    words[3] = str(tmp_path / "command.mrc")
    from mendem.cli import main

    assert main([*words[1:], "--json"]) == 0
    np.testing.assert_array_equal(mendem.read(words[3]).data, expected)


def test_python_of_a_layer_takes_it_from_the_viewer(viewer, layer, series, make, said):
    widget = make(viewer)
    widget.thickness.setValue(DEPTH)
    widget.copy_python.click()
    code = QApplication.clipboard().text().replace("mendem.write(", "print(")
    names = {"viewer": viewer}
    exec(code, names)
    assert names["tomogram"].shape == (DEPTH, ROWS, WIDTH)
    assert tilts_metadata(names["series"]) == tilts_metadata(series_of(layer))
    widget.copy_command.click()
    assert "not in a file" in said[0]


def test_scripts_find_the_parts_by_name_and_300_pixels_are_enough(viewer, layer, make, qtbot):
    widget = make(viewer)
    for name in ("restore", "cancel", "to_file", "copy_python", "copy_command"):
        assert widget.findChild(QPushButton, name) is not None
    assert widget.findChild(QCheckBox, "live") is not None
    widget.resize(300, 900)
    widget.show()
    qtbot.waitExposed(widget)
    assert widget.width() == 300


def test_layers_may_go_while_a_run_is_at_work(viewer, layer, make, wait, slow):
    widget = make(viewer)
    widget.thickness.setValue(DEPTH)
    widget.restore()
    wait(lambda: "ts · reconstruct" in viewer.layers)
    viewer.layers.clear()
    wait(lambda: not widget.busy)
    assert len(viewer.layers) == 0 and "removed" in widget.ui.found.text()


def test_the_view_goes_back_when_the_live_slice_makes_way_for_a_run(viewer, layer, make, wait, monkeypatch):
    fitted: list[int] = []
    monkeypatch.setattr(type(viewer), "fit_to_view", lambda self, **_: fitted.append(len(self.layers)))
    widget = make(viewer)
    widget.restore()
    wait(lambda: not widget.busy)
    assert fitted == []  # without a live slice the view is the user's
    widget.ui.live.setChecked(True)
    wait(lambda: widget.live.output.layer is not None and not widget.live.newest.busy)
    with_slice = fitted.pop()
    widget.restore()
    assert fitted == [with_slice - 2]  # without the slice and its row
    wait(lambda: not widget.busy)
