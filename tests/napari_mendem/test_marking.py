"""Masks in the docks: painted, proposed, drawn, and followed by the live preview."""

from __future__ import annotations

import shlex
import subprocess
import sys

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication, QPushButton

import mendem
from mendem.image import Image, VoxelSize
from mendem.tasks import Inpaint, Mend
from napari_mendem.damage import PAINT_LAYER, ProposeJob, painted_label
from napari_mendem.layers import PREVIEW
from napari_mendem.widgets.inpaint import InpaintWidget
from napari_mendem.widgets.mend import MendWidget

PLACE = {"scale": (4, 3), "translate": (7, -5), "rotate": 20, "units": ("nm", "nm")}


@pytest.fixture
def picture(micrograph) -> np.ndarray:
    return micrograph[:120, :140].copy()


def live_layer(viewer):
    return next((layer for layer in viewer.layers if layer.metadata.get(PREVIEW)), None)


def press(widget, name) -> None:
    widget.findChild(QPushButton, name).click()


def run(widget, wait) -> None:
    widget.restore()
    wait(lambda: not widget.busy)


def offered(widget) -> list[str]:
    choice = widget.ui.slots["mask"].choice
    return [choice.itemText(i) for i in range(choice.count()) if choice.itemText(i)]


def test_paint_makes_a_layer_on_the_image_and_lets_paint(viewer, make_widget, picture):
    raw = viewer.add_image(np.stack([picture] * 2), name="raw", scale=(9, 4, 3), rotate=(0, 0, 20), units=("nm",) * 3)
    widget = make_widget(viewer, kind=InpaintWidget)
    press(widget, "paint")
    marks = viewer.layers[PAINT_LAYER]
    assert marks.data.shape == raw.data.shape and not marks.data.any()
    assert marks.data_to_world((1, 5, 6)) == pytest.approx(raw.data_to_world((1, 5, 6)))
    assert viewer.layers.selection.active is marks and marks.mode == "paint"
    assert marks.selected_label == painted_label()
    assert widget.ui.slots["mask"].layer is marks
    press(widget, "paint")
    assert len(viewer.layers) == 2


def test_an_image_elsewhere_gets_a_layer_of_its_own(viewer, make_widget, picture):
    viewer.add_image(picture, name="raw")
    other = viewer.add_image(picture, name="other", translate=(500, 0))
    widget = make_widget(viewer, kind=InpaintWidget)
    widget.ui.image.choose(viewer.layers["raw"])
    press(widget, "paint")
    widget.ui.image.choose(other)
    widget.ui.slots["mask"].setValue("auto")
    press(widget, "paint")
    assert widget.ui.slots["mask"].layer.translate[0] == 500 and len(viewer.layers) == 4


def test_what_is_painted_is_filled_in_and_the_rest_stays(viewer, make_widget, wait, picture, options):
    viewer.add_image(picture, name="raw", **PLACE)
    widget = make_widget(viewer, kind=InpaintWidget)
    press(widget, "paint")
    marks = viewer.layers[PAINT_LAYER]
    marks.brush_size = 11
    marks.paint((60, 70), 1)
    run(widget, wait)
    result, there = viewer.layers["raw · Inpaint"], marks.data > 0
    assert 50 < there.sum() < 130 and result.data.dtype == picture.dtype
    np.testing.assert_array_equal(result.data[~there], picture[~there])
    expected = mendem.restore(widget.request().image, Inpaint(), options=options, inputs={"mask": there})
    np.testing.assert_array_equal(result.data, expected.image.data)
    assert list(viewer.layers)[-1] is marks  # what is painted stays in sight


@pytest.mark.parametrize("kind", ["labels", "image", "shapes", "coarse labels"])
def test_every_kind_of_layer_marks(kind, viewer, make_widget, wait, picture, options):
    viewer.add_image(picture, name="raw", scale=(4, 4), units=("nm", "nm"))
    there = np.zeros(picture.shape, bool)
    there[40:60, 20:50] = True
    place = {"name": "mask", "scale": (4, 4), "units": ("nm", "nm")}
    if kind == "labels":
        mask = viewer.add_labels(there.astype(int) * 3, **place)
    elif kind == "image":
        mask = viewer.add_image(there.astype(np.uint8), **place)
    elif kind == "shapes":
        mask = viewer.add_shapes([[[40, 20], [40, 49], [59, 49], [59, 20]]], shape_type="rectangle", **place)
    else:
        coarse = there.reshape(12, 10, 14, 10).any((1, 3)).astype(int)
        mask = viewer.add_labels(coarse, name="mask", scale=(40, 40), translate=(18, 18), units=("nm", "nm"))
    widget = make_widget(viewer, kind=InpaintWidget)
    widget.ui.image.choose(viewer.layers["raw"])
    widget.ui.slots["mask"].choose(mask)
    run(widget, wait)
    expected = mendem.restore(widget.request().image, Inpaint(), options=options, inputs={"mask": there})
    np.testing.assert_array_equal(viewer.layers["raw · Inpaint"].data, expected.image.data)


def test_layers_that_only_help_are_not_offered(viewer, make_widget, picture):
    viewer.add_image(picture, name="raw")
    viewer.add_shapes([[[0, 0], [5, 5]]], shape_type="line", name="scratch")
    widget = make_widget(viewer, kind=MendWidget)
    widget.ui.region.draw.click()
    viewer.add_points([[1, 2]], name="points")
    assert offered(widget) == ["none", "auto", "raw", "scratch"]


def test_a_mask_that_is_taken_away_is_no_longer_chosen(viewer, make_widget, picture):
    viewer.add_image(picture, name="raw")
    widget = make_widget(viewer, kind=MendWidget)
    widget.ui.parameters.set(mask="auto")
    press(widget, "paint")
    assert widget.request().task == Mend() and "mask" in widget.request().inputs
    viewer.layers.remove(PAINT_LAYER)
    assert widget.request().task == Mend(mask="auto") and not widget.request().inputs


def test_nothing_painted_yet_is_one_clear_sentence(viewer, make_widget, wait, said, picture):
    viewer.add_image(picture, name="raw")
    widget = make_widget(viewer, kind=InpaintWidget)
    widget.ui.live.setChecked(True)
    wait(lambda: live_layer(viewer) is not None)
    press(widget, "paint")
    wait(lambda: "marks no pixel" in widget.ui.message.text())
    assert widget.ui.message.text().startswith(PAINT_LAYER) and "\n" not in widget.ui.message.text()
    assert live_layer(viewer) is None
    run(widget, wait)
    assert len(said) == 1 and "paint what is to be filled in" in said[0]


def test_the_preview_follows_brush_eraser_and_undo(viewer, make_widget, wait, picture):
    viewer.add_image(picture, name="raw")
    widget = make_widget(viewer, kind=InpaintWidget)
    press(widget, "paint")
    marks = viewer.layers[PAINT_LAYER]
    widget.ui.live.setChecked(True)
    marks.brush_size = 11

    def filled() -> bool:
        return not widget.live.preview.busy and live_layer(viewer) is not None

    def changed() -> np.ndarray:
        top, left = (int(t) for t in live_layer(viewer).translate)
        shown = live_layer(viewer).data
        return abs(shown - picture[top : top + shown.shape[0], left : left + shown.shape[1]]) > 0.5

    marks.paint((60, 70), 1)
    wait(filled)
    first = int(changed().sum())
    assert 50 < first < 130
    assert viewer.layers.selection.active is marks and list(viewer.layers)[-1] is marks
    marks.paint((30, 40), 1)
    wait(lambda: filled() and changed().sum() > 1.5 * first)
    marks.undo()
    wait(lambda: filled() and changed().sum() == first)
    marks.mode = "erase"
    marks.paint((60, 70), 0)
    wait(lambda: "marks no pixel" in widget.ui.message.text())


def test_the_preview_follows_shapes_and_a_mask_that_is_moved(viewer, make_widget, wait, picture):
    viewer.add_image(picture, name="raw")
    shapes = viewer.add_shapes([[[40, 20], [40, 49], [59, 49], [59, 20]]], shape_type="rectangle", name="mask")
    widget = make_widget(viewer, kind=InpaintWidget)
    widget.ui.slots["mask"].choose(shapes)
    asked = []
    widget.inputs.changed.connect(lambda: asked.append(1))
    before = widget.request().inputs["mask"]
    assert widget.request().inputs["mask"] is before
    shapes.add_rectangles([[80, 80], [90, 90]])
    assert asked and widget.request().inputs["mask"].read(0)[85, 85]
    shapes.translate = (10, 0)
    moved = widget.request().inputs["mask"].read(0)
    assert moved[65, 30] and not moved[42, 30]


def test_propose_marks_what_is_damaged_and_keeps_what_was_painted(viewer, make_widget, wait, picture):
    picture[50] = 0
    viewer.add_image(picture, name="raw", **PLACE)
    widget = make_widget(viewer, kind=InpaintWidget)
    press(widget, "paint")
    marks = viewer.layers[PAINT_LAYER]
    marks.data[10:14, 10:14] = painted_label()
    press(widget, "propose")
    assert widget.busy and not widget.findChild(QPushButton, "propose").isEnabled()
    wait(lambda: not widget.busy)
    expected = mendem.appraisal.damage.propose_damage(picture).labels
    expected[10:14, 10:14] = painted_label()
    np.testing.assert_array_equal(marks.data, expected)
    assert widget.ui.slots["mask"].layer is marks
    assert "dead line" in widget.ui.found.text() and widget.ui.found.isVisibleTo(widget)
    assert set(marks.features["damage"]) >= {"dead line", "painted"}


def test_propose_says_that_nothing_looks_damaged(viewer, make_widget, wait, picture):
    viewer.add_image(picture, name="raw")
    widget = make_widget(viewer, kind=InpaintWidget)
    press(widget, "propose")
    wait(lambda: not widget.busy)
    assert "Nothing was found" in widget.ui.found.text() and PAINT_LAYER not in viewer.layers


def test_one_slice_is_proposed_for_where_one_is_chosen(viewer, make_widget, wait, picture):
    stack = np.stack([picture] * 3)
    stack[:, 50] = 0
    viewer.add_image(stack, name="raw")
    viewer.dims.set_current_step(0, 2)
    widget = make_widget(viewer, kind=InpaintWidget)
    widget.ui.slices.setValue("current")
    press(widget, "propose")
    wait(lambda: not widget.busy)
    assert [bool(plane.any()) for plane in viewer.layers[PAINT_LAYER].data] == [False, False, True]


def test_a_search_can_be_stopped_and_keeps_what_was_painted(picture):
    picture[50] = 0
    labels = np.zeros((3, *picture.shape), np.uint8)
    labels[:, 7, 7] = painted_label()
    job = ProposeJob(Image(np.stack([picture] * 3)), None, labels)

    class Twice(type(job.cancelled)):
        """Set when it is asked for the third time."""

        asked = 0

        def is_set(self) -> bool:
            self.asked += 1
            return self.asked > 2

    job.cancelled = Twice()
    job.work()
    assert not job.done and [int(plane[50, 0]) for plane in labels] == [2, 2, 0]
    assert (labels[:, 7, 7] == painted_label()).all()


def test_what_is_copied_takes_the_mask_from_its_layer(viewer, make_widget, wait, picture, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    viewer.add_image(picture, name="raw", **PLACE)
    widget = make_widget(viewer, kind=InpaintWidget)
    press(widget, "paint")
    viewer.layers[PAINT_LAYER].data[30:40, 50:60] = 1
    run(widget, wait)
    press(widget, "copy_python")
    text = QApplication.clipboard().text()
    assert f"marks_of(viewer.layers['{PAINT_LAYER}'], viewer.layers['raw'])" in text
    names = {"viewer": viewer}
    exec(compile(text, "copied", "exec"), names)
    np.testing.assert_array_equal(names["result"].image.data, viewer.layers["raw · Inpaint"].data)


def test_a_command_takes_masks_from_files_only(viewer, make_widget, wait, said, picture, tmp_path, monkeypatch):
    from napari.layers._source import Source

    from napari_mendem.readers import read

    monkeypatch.chdir(tmp_path)
    mask = np.zeros(picture.shape, np.uint8)
    mask[30:40, 50:60] = 1
    for name, pixels in (("raw", picture), ("mask", mask)):
        path = str(tmp_path / f"{name}.tif")
        mendem.write(path, Image(pixels, voxel_size=VoxelSize((5.0, 5.0))))
        ((data, kwargs, _),) = read(path)
        viewer.add_image(data, name=name, **kwargs)
        viewer.layers[name]._source = Source(path=path, reader_plugin="napari-mendem")
    widget = make_widget(viewer, kind=InpaintWidget)
    widget.ui.image.choose(viewer.layers["raw"])
    widget.ui.slots["mask"].choose(viewer.layers["mask"])
    run(widget, wait)
    press(widget, "copy_command")
    command = shlex.split(QApplication.clipboard().text())
    assert command[:2] == ["mendem", "inpaint"] and str(tmp_path / "mask.tif") in command
    from mendem.cli import main

    assert main(command[1:]) == 0
    np.testing.assert_array_equal(mendem.read("raw_inpaint.tif").data, viewer.layers["raw · Inpaint"].data)
    press(widget, "paint")
    viewer.layers[PAINT_LAYER].data[:5] = 1
    press(widget, "copy_command")
    assert "copy as Python" in said[0] and "--mask FILE" in said[0]


def test_importing_the_docks_loads_no_torch():
    modules = "deblur, super_resolve, inpaint, mend"
    code = f"import sys; from napari_mendem.widgets import {modules}; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


def test_a_stroke_is_followed_with_the_noise_of_before_and_restored_with_its_own(
    viewer, make_widget, wait, picture, options, monkeypatch
):
    import mendem.engine

    calls = []
    refine = mendem.engine.refine_noise
    monkeypatch.setattr(mendem.engine, "refine_noise", lambda *a: calls.append(a) or refine(*a))
    viewer.add_image(picture, name="raw")
    widget = make_widget(viewer, kind=InpaintWidget)
    press(widget, "paint")
    marks = viewer.layers[PAINT_LAYER]
    marks.paint((60, 70), 1)
    widget.ui.live.setChecked(True)
    for column in (30, 40, 50, 60):
        shown = widget.live.preview._shown
        marks.paint((30, column), 1)
        wait(lambda shown=shown: not widget.live.preview.busy and widget.live.preview._shown is not shown)
    assert len(calls) == 1
    run(widget, wait)
    assert len(calls) == 2
    there = marks.data > 0
    expected = mendem.restore(widget.request().image, Inpaint(), options=options, inputs={"mask": there})
    np.testing.assert_array_equal(viewer.layers["raw · Inpaint"].data, expected.image.data)
    assert viewer.layers["raw · Inpaint"].metadata["mendem"]["noise"] == expected.provenance["noise"]


def test_proposed_painted_and_restored_in_a_real_window(make_napari_viewer, make_widget, wait, picture):
    viewer = make_napari_viewer(show=True)
    picture[50] = 0
    viewer.add_image(picture, name="raw", scale=(5, 5), units=("nm", "nm"))
    widget = make_widget(viewer, kind=InpaintWidget)
    viewer.window.add_dock_widget(widget)
    widget.ui.live.setChecked(True)
    press(widget, "propose")
    wait(lambda: not widget.busy)
    marks = viewer.layers[PAINT_LAYER]
    marks.brush_size = 9
    marks.paint((80, 70), marks.selected_label)
    wait(lambda: live_layer(viewer) is not None and not widget.live.preview.busy)
    assert [layer.name for layer in viewer.layers] == ["raw", "raw · Inpaint preview", PAINT_LAYER]
    widget.restore()
    wait(lambda: not widget.busy)
    assert [layer.name for layer in viewer.layers] == ["raw", "raw · Inpaint spread", "raw · Inpaint", PAINT_LAYER]
    result = viewer.layers["raw · Inpaint"]
    assert (result.data[50] > 500).all() and np.array_equal(result.data[marks.data == 0], picture[marks.data == 0])
