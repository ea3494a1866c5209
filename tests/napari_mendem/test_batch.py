"""The Batch dock, and presets in the docks of tasks."""

from __future__ import annotations

import os
import time
from dataclasses import replace

import numpy as np
import pytest
from napari.layers import Image as ImageLayer
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QFileDialog, QPushButton

import mendem
from mendem import presets
from mendem.presets import Preset
from mendem.tasks import Deblur, Denoise, Frames, Inpaint, Isotropic, SuperResolve
from napari_mendem.layers import PREVIEW
from napari_mendem.preferences import Preferences
from napari_mendem.widgets import batch
from napari_mendem.widgets.batch import BatchWidget
from napari_mendem.widgets.batch_layout import FOLDER
from napari_mendem.widgets.deblur import DeblurWidget
from napari_mendem.widgets.inpaint import InpaintWidget


@pytest.fixture
def noisy():
    def make(seed: int = 0, shape: tuple[int, ...] = (64, 64)) -> np.ndarray:
        return np.random.default_rng(seed).normal(100, 10, shape).astype(np.float32)

    return make


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """The user's presets lie in a folder of this test."""
    monkeypatch.setattr(presets, "folder", lambda: tmp_path / "presets")
    return tmp_path


@pytest.fixture
def preset(settings, options):
    made = Preset(Denoise(noise=10.0), replace(options, budget="preview"))
    made.save(presets.path_of("quick"))
    return made


@pytest.fixture
def dock(qtbot, viewer, preset, monkeypatch):
    """A dock in which the preset is chosen."""
    monkeypatch.setattr(batch, "preferences", lambda: Preferences(cpu_threads=1))
    widget = BatchWidget(viewer)
    qtbot.addWidget(widget)
    widget.ui.preset.choose(presets.path_of("quick"))
    return widget


def into_folder(dock: BatchWidget, folder: object) -> None:
    dock.ui.results.setValue(FOLDER)
    dock.ui.folder.setText(str(folder))


def states(dock: BatchWidget) -> list[str]:
    return [dock.ui.table.item(row, 1).text() for row in range(dock.ui.table.rowCount())]


def run(dock: BatchWidget, wait) -> None:
    dock.restore()
    assert dock.busy
    wait(lambda: not dock.busy)


def test_layers_and_files_become_layers(viewer, dock, preset, wait, noisy, tmp_path):
    raw = viewer.add_image(noisy(0), name="raw", scale=(3, 3), units=("nm", "nm"))
    mendem.write(tmp_path / "cell.tif", mendem.Image(noisy(1), ("y", "x"), mendem.VoxelSize((5, 5), "nm")))
    dock.add_layers([raw])
    dock.add_files([str(tmp_path / "cell.tif")])
    assert states(dock) == ["waiting", "waiting"]
    run(dock, wait)
    assert states(dock) == ["done", "done"] and dock.ui.message.text() == "2 images: 2 done"
    assert [layer.name for layer in viewer.layers] == ["raw", "raw · Denoise", "cell · Denoise"]
    for seed, name, scale in ((0, "raw", 3), (1, "cell", 5)):
        result = viewer.layers[f"{name} · Denoise"]
        expected = mendem.restore(noisy(seed), preset.task, options=preset.options).image.data
        np.testing.assert_array_equal(result.data, expected)
        assert preset.makes(result.metadata["mendem"])
        assert tuple(result.scale) == (scale, scale) and [str(u) for u in result.units] == ["nanometer"] * 2


def test_layers_and_files_become_files(viewer, dock, wait, noisy, tmp_path):
    viewer.add_image(noisy(0), name="raw · crop/1", scale=(3, 3), units=("nm", "nm"))
    mendem.write(tmp_path / "cell.mrc", mendem.Image(noisy(1)))
    dock.add_layers(list(viewer.layers))
    dock.add_files([str(tmp_path / "cell.mrc")])
    into_folder(dock, tmp_path / "out" / "here")
    run(dock, wait)
    assert sorted(os.listdir(tmp_path / "out" / "here")) == ["cell-denoise.mrc", "raw _ crop_1-denoise.tif"]
    assert mendem.read(tmp_path / "out/here/raw _ crop_1-denoise.tif").voxel_size.nm == (3, 3)
    assert len(viewer.layers) == 1
    dock.ui.suffix.setValue(".ome.zarr")
    assert states(dock) == ["waiting", "waiting"]
    run(dock, wait)
    assert (tmp_path / "out/here/cell-denoise.ome.zarr/zarr.json").exists()


def test_what_exists_is_skipped_unless_it_may_be_replaced(dock, wait, noisy, tmp_path):
    mendem.write(tmp_path / "cell.tif", mendem.Image(noisy()))
    dock.add_files([str(tmp_path / "cell.tif")])
    into_folder(dock, tmp_path)
    run(dock, wait)
    dock.ui.suffix.setValue(".tif")
    run(dock, wait)
    assert states(dock) == ["skipped: cell-denoise.tif exists"]
    dock.ui.overwrite.setValue(True)
    run(dock, wait)
    assert states(dock) == ["done"]


def test_an_image_that_fails_does_not_stop_the_others(viewer, dock, wait, said, noisy, tmp_path):
    (tmp_path / "bad.tif").write_bytes(b"no image")
    viewer.add_image(np.zeros((60, 60, 3), np.uint8), rgb=True, name="photo")
    viewer.add_image(noisy(), name="raw")
    dock.add_files([str(tmp_path / "bad.tif")])
    dock.add_layers(list(viewer.layers))
    run(dock, wait)
    failed, colours, done = states(dock)
    assert failed == "failed: bad.tif is not a TIFF file in spite of its name; save it again as TIFF"
    assert colours.startswith("failed: photo is a colour image") and done == "done"
    assert said == ["3 images: 1 done, 2 failed"]


def test_cancel_keeps_what_is_finished_and_start_goes_on(viewer, dock, wait, noisy, monkeypatch):
    from mendem.priors.network_prior import NetworkPrior

    denoise = NetworkPrior.denoise

    def late(self, x_t, sigma, condition, check=lambda: None):
        for _ in range(10):
            time.sleep(0.005)
            check()
        return denoise(self, x_t, sigma, condition, check)

    monkeypatch.setattr(NetworkPrior, "denoise", late)
    for name, data in (("a", noisy(0)), ("b", noisy(1, (40, 64, 64))), ("c", noisy(2))):
        viewer.add_image(data, name=name)
    dock.add_layers(list(viewer.layers))
    dock.restore()
    assert not dock.findChild(QPushButton, "restore").isEnabled()
    wait(lambda: states(dock)[1] not in ("waiting", "preparing", "0 %"))
    assert states(dock)[1].endswith(" %") and dock.ui.progress.value() > 33
    dock.findChild(QPushButton, "cancel").click()
    began = time.monotonic()
    wait(lambda: not dock.busy)
    assert time.monotonic() - began < 2
    assert states(dock) == ["done", "partial", "waiting"]
    names = [layer.name for layer in viewer.layers]
    assert "a · Denoise" in names and "b · Denoise (partial)" in names and "c · Denoise" not in names
    monkeypatch.setattr(NetworkPrior, "denoise", denoise)
    run(dock, wait)
    assert states(dock) == ["done"] * 3
    assert [layer.name for layer in viewer.layers].count("a · Denoise") == 1


def test_a_growing_result_that_is_removed_is_let_go_of(viewer, dock, wait, noisy):
    viewer.add_image(noisy(1, (40, 64, 64)), name="b")
    viewer.add_image(noisy(2), name="c")
    dock.add_layers(list(viewer.layers))
    dock.restore()
    wait(lambda: "b · Denoise" in viewer.layers)
    viewer.layers.remove("b · Denoise")
    wait(lambda: not dock.busy)
    assert states(dock) == ["skipped: the growing result was removed", "done"]


def test_a_layer_that_is_removed_before_its_turn_fails_alone(viewer, dock, wait, noisy):
    for name in "ab":
        viewer.add_image(noisy(), name=name)
    dock.add_layers(list(viewer.layers))
    dock.restore()
    viewer.layers.remove("b")
    wait(lambda: not dock.busy)
    assert states(dock) == ["done", "failed: the layer was removed from the viewer"]
    viewer.layers.remove("a")
    assert [entry.name for entry in dock.entries] == ["b"]


def test_only_selected_images_are_added_and_each_once(viewer, dock, said, noisy, tmp_path):
    for name in "abc":
        viewer.add_image(noisy(), name=name)
    preview = viewer.add_image(noisy(), name="p", metadata={PREVIEW: True})
    labels = viewer.add_labels(np.zeros((9, 9), int))
    viewer.layers.selection = {viewer.layers["c"], viewer.layers["a"], preview, labels}
    dock.add_layers()
    dock.add_layers()
    dock.add_files([str(tmp_path / "x.tif"), str(tmp_path / "." / "x.tif")])
    assert [entry.name for entry in dock.entries] == ["a", "c", "x.tif"]
    viewer.layers.selection = {labels}
    dock.add_layers()
    assert len(dock.entries) == 3 and "No image layer is selected" in said[0]
    dock.ui.table.selectRow(1)
    dock.findChild(QPushButton, "remove").click()
    assert [entry.name for entry in dock.entries] == ["a", "x.tif"]


def test_files_can_be_dropped(dock, tmp_path):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(tmp_path / "a.tif")), QUrl("https://example.org/b.tif")])
    event = QDropEvent(
        QPointF(5, 5), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    dock.ui.table.dropEvent(event)
    assert [entry.source for entry in dock.entries] == [str(tmp_path / "a.tif")]


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("no preset", "No preset is chosen"),
        ("damaged preset", "budget is 'huge'"),
        ("no image", "There is nothing to restore"),
        ("no folder", "Choose the folder"),
        ("one name", "would both become"),
        ("file as folder", "is a file; give a folder"),
    ],
)
def test_what_cannot_begin_is_said_and_nothing_runs(what, words, viewer, dock, said, noisy, tmp_path):
    if what == "no preset":
        dock.ui.preset.list.setCurrentIndex(-1)
    if what == "damaged preset":
        (tmp_path / "x.toml").write_text('task = "denoise"\n[options]\nbudget = "huge"\n')
        dock.ui.preset.choose(tmp_path / "x.toml")
    if what != "no image":
        dock.add_layers([viewer.add_image(noisy(), name="raw")])
    if what in ("no folder", "one name", "file as folder"):
        into_folder(dock, "" if what == "no folder" else tmp_path / "out")
    if what == "one name":
        dock.add_files([str(tmp_path / "a.tif"), str(tmp_path / "b" / "a.tif")])
    if what == "file as folder":
        (tmp_path / "out").write_text("precious")
    dock.restore()
    assert not dock.busy and words in said[0] and dock.ui.message.text() == said[0]


def test_a_preset_that_is_saved_anew_is_followed(viewer, dock, preset, wait, noisy):
    dock.add_layers([viewer.add_image(noisy(), name="raw")])
    run(dock, wait)
    other = Preset(Denoise(noise=3.0), preset.options)
    other.save(presets.path_of("quick"), overwrite=True)
    run(dock, wait)
    assert dock.ui.about.text().startswith("Denoise: noise 3.0")
    assert other.makes(viewer.layers[-1].metadata["mendem"])


@pytest.mark.parametrize("task", [SuperResolve(factor=2, noise=10.0), Frames(), Isotropic(factor=2.0)])
def test_results_on_other_grids_become_layers(task, viewer, dock, preset, wait, noisy):
    Preset(task, preset.options).save(presets.path_of("quick"), overwrite=True)
    dock.add_layers([viewer.add_image(noisy(0, (4, 32, 32)), name="raw")])
    run(dock, wait)
    assert states(dock) == ["done"]
    shape = {"superres": (4, 64, 64), "frames": (32, 32), "isotropic": (8, 32, 32)}[task.name]
    assert viewer.layers[f"raw · {task.title}"].data.shape == shape


def test_a_window_that_is_closed_stops_its_batch(make_napari_viewer, preset, wait, noisy):
    viewer = make_napari_viewer()
    widget = BatchWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Batch")
    widget.ui.preset.choose(presets.path_of("quick"))
    widget.add_layers([viewer.add_image(noisy(0, (200, 64, 64)), name="raw")])
    widget.restore()
    wait(lambda: "raw · Denoise" in viewer.layers)
    job, future = widget.run._job, widget.run._future
    viewer.close()
    wait(lambda: future.done(), 10)
    assert job.cancelled.is_set()


# Presets in the docks of tasks.


@pytest.fixture
def answers(monkeypatch, settings):
    """What the user answers to the next file dialog."""
    given: list[str] = []
    for name in ("getSaveFileName", "getOpenFileName"):
        monkeypatch.setattr(QFileDialog, name, lambda *_: (given.pop(0), ""))
    return given


def menu(widget) -> dict:
    """The entries of *Load preset*."""
    widget.presets.offer()
    return {action.text(): action for action in widget.presets.menu.actions() if action.text()}


def test_fields_are_saved_and_chosen_again(viewer, make_widget, answers, settings, noisy):
    viewer.add_image(noisy(), name="raw")
    widget = make_widget(viewer)
    widget.ui.parameters.set(noise=12.5)
    widget.ui.options.set(budget="best", samples=3, seed=7, resample=False)
    was = widget.ui.parameters.values(), widget.ui.options.values()
    answers.append(str(settings / "presets" / "mine"))
    widget.findChild(QPushButton, "save_preset").click()
    assert widget.ui.message.text() == "Saved as mine."
    assert presets.load(presets.path_of("mine")) == Preset(*was)
    widget.ui.parameters.set(noise="auto")
    widget.ui.options.set(budget="preview", samples=0, seed=0, resample=True)
    menu(widget)["mine"].trigger()
    assert (widget.ui.parameters.values(), widget.ui.options.values()) == was
    assert widget.ui.message.text() == "As in mine."


def test_what_made_a_layer_can_be_used_again(viewer, make_widget, answers, wait, noisy):
    viewer.add_image(noisy(), name="raw")
    widget = make_widget(viewer)
    widget.ui.parameters.set(noise=12.5)
    was = widget.ui.parameters.values()
    widget.restore()
    wait(lambda: not widget.busy)
    widget.ui.parameters.set(noise="auto")
    menu(widget)["As raw · Denoise"].trigger()
    assert widget.ui.parameters.values() == was


def test_the_menu_offers_presets_of_the_task_alone(viewer, make_widget, answers, settings, said):
    Preset(Denoise()).save(presets.path_of("denoise"))
    Preset(Deblur(psf="motion:8px@30")).save(presets.path_of("drift"))
    (settings / "presets" / "damaged.toml").write_text("task")
    widget = make_widget(viewer, kind=DeblurWidget)
    assert set(menu(widget)) == {"drift", "From file…"}
    menu(widget)["drift"].trigger()
    assert widget.ui.parameters.values().psf == "motion:8px@30"
    answers.append(str(presets.path_of("denoise")))
    menu(widget)["From file…"].trigger()
    assert said == ["denoise is a preset for Denoise: load it in that dock, or choose it in Batch."]
    answers.append(str(settings / "presets" / "damaged.toml"))
    menu(widget)["From file…"].trigger()
    assert "damaged.toml is not a preset" in said[1]


def test_a_blur_that_the_fields_cannot_show_is_said(viewer, make_widget, answers, settings, said):
    widget = make_widget(viewer, kind=DeblurWidget)
    for number, psf in enumerate(("gaussian:wide", "ctf:colour=3", "ctf:defocus=")):
        Preset(Deblur(psf=psf)).save(presets.path_of("odd"), overwrite=True)
        menu(widget)["odd"].trigger()
        assert said[number].startswith(f"odd: the blur {psf!r} is not understood")
    Preset(Deblur(psf="ctf:defocus=0.8um")).save(presets.path_of("odd"), overwrite=True)
    menu(widget)["odd"].trigger()
    assert widget.ui.parameters.values().psf.startswith("ctf:defocus=800nm")


def test_a_mask_that_is_painted_is_not_in_a_preset(viewer, make_widget, answers, settings, noisy):
    viewer.add_image(noisy(), name="raw")
    mask = viewer.add_labels(np.ones((64, 64), int), name="mask")
    widget = make_widget(viewer, kind=InpaintWidget)
    widget.ui.slots["mask"].choose(mask)
    answers.append(str(settings / "holes.toml"))
    widget.findChild(QPushButton, "save_preset").click()
    assert "The mask was an image of its own, which a preset does not hold." in widget.ui.message.text()
    assert presets.load(settings / "holes.toml").task == Inpaint()
    widget.presets.fill(Preset(Inpaint(keep_measured=False)), "x")
    assert widget.ui.slots["mask"].layer is None


def test_the_dock_in_a_window(make_napari_viewer, preset, wait, noisy):
    viewer = make_napari_viewer()
    dock = BatchWidget(viewer)
    viewer.window.add_dock_widget(dock, name="Batch")
    dock.ui.preset.choose(presets.path_of("quick"))
    for seed in range(2):
        viewer.add_image(noisy(seed), name=f"raw {seed}")
    viewer.layers.select_all()
    dock.add_layers()
    run(dock, wait)
    assert states(dock) == ["done", "done"]
    assert isinstance(viewer.layers["raw 1 · Denoise"], ImageLayer)
