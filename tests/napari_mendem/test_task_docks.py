"""The docks of Deblur, Super-resolve, Inpaint and Mend all, driven as a user or a script would."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication, QCheckBox, QPushButton

import mendem
from mendem.tasks import TASKS, Deblur, Inpaint, Mend, SuperResolve
from napari_mendem.layers import PREVIEW
from napari_mendem.widgets.deblur import DeblurWidget
from napari_mendem.widgets.inpaint import InpaintWidget
from napari_mendem.widgets.mend import MendWidget
from napari_mendem.widgets.super_resolve import SuperResolveWidget

DOCKS = {"deblur": DeblurWidget, "superres": SuperResolveWidget, "inpaint": InpaintWidget, "mend": MendWidget}

#: What a user chooses in each, and the task that this is.
CHOICES = {
    "deblur": ({"psf": "gaussian:2.5px"}, Deblur(psf="gaussian:2.5px")),
    "superres": ({"factor": 4, "psf": "motion:3px@30"}, SuperResolve(factor=4, psf="motion:3px@30")),
    "inpaint": ({"keep_measured": False}, Inpaint(keep_measured=False)),
    "mend": ({"mask": "auto", "psf": "disc:2px", "factor": 2}, Mend(mask="auto", psf="disc:2px", factor=2)),
}


@pytest.fixture
def damaged(micrograph) -> np.ndarray:
    image = micrograph[:120, :140].copy()
    image[50] = 0
    return image


def live_layer(viewer):
    return next((layer for layer in viewer.layers if layer.metadata.get(PREVIEW)), None)


@pytest.mark.parametrize("name", DOCKS)
def test_a_dock_restores_what_python_restores(name, viewer, make_widget, wait, damaged, options):
    raw = viewer.add_image(damaged, name="raw", scale=(4, 4), units=("nm", "nm"))
    widget = make_widget(viewer, kind=DOCKS[name])
    values, task = CHOICES[name]
    widget.ui.parameters.set(**values)
    widget.findChild(QPushButton, "restore").click()
    wait(lambda: not widget.busy)
    result = viewer.layers[f"raw · {task.title}"]
    expected = mendem.restore(widget.request().image, task, options=options)
    np.testing.assert_array_equal(result.data, expected.image.data)
    np.testing.assert_array_equal(viewer.layers[f"raw · {task.title} spread"].data, expected.std.data)
    half = (task.scale - 1) / 2
    assert result.data_to_world((half, half)) == pytest.approx(raw.data_to_world((0, 0)))
    assert result.metadata["mendem"]["task"] == {"name": name, "parameters": task.parameters()}


@pytest.mark.parametrize("name", DOCKS)
def test_the_parts_of_a_dock_have_their_names(name, viewer, make_widget):
    widget = make_widget(viewer, kind=DOCKS[name])
    assert widget.objectName() == name and widget.task is TASKS[name]
    assert widget.findChild(QCheckBox, "live") is not None
    for button in ("restore", "cancel", "control", "copy_python", "copy_command"):
        assert widget.findChild(QPushButton, button) is not None
    assert set(widget.ui.slots) == {slot.name for slot in widget.task.inputs}


@pytest.mark.parametrize("name", DOCKS)
def test_a_dock_is_readable_at_300_pixels(name, viewer, make_widget, qtbot):
    viewer.add_image(np.zeros((3, 50, 60)), name="a long name of a stack of micrographs")
    widget = make_widget(viewer, kind=DOCKS[name])
    widget.resize(300, 900)
    widget.show()
    qtbot.waitExposed(widget)
    if "psf" in widget.ui.slots:
        widget.ui.slots["psf"].kind.setValue("ctf")
    QApplication.processEvents()
    assert widget.width() == 300
    for part in (*widget.ui.parameters.in_order, widget.ui.control, widget.ui.copy_command):
        if part.isVisible():
            assert part.mapTo(widget, part.rect().bottomRight()).x() <= 300
            assert part.width() >= min(part.sizeHint().width(), 60)


@pytest.mark.parametrize("name", DOCKS)
def test_what_is_copied_as_python_makes_the_same_array(name, viewer, make_widget, wait, damaged, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    viewer.add_image(damaged, name="raw", scale=(4, 4), units=("nm", "nm"))
    widget = make_widget(viewer, kind=DOCKS[name])
    values, task = CHOICES[name]
    widget.ui.parameters.set(**values)
    widget.restore()
    wait(lambda: not widget.busy)
    widget.findChild(QPushButton, "copy_python").click()
    names = {"viewer": viewer}
    exec(compile(QApplication.clipboard().text(), "copied", "exec"), names)
    np.testing.assert_array_equal(names["result"].image.data, viewer.layers[f"raw · {task.title}"].data)


def test_deblur_asks_for_the_blur_and_goes_on_once_it_is_chosen(viewer, make_widget, wait, said, damaged):
    viewer.add_image(damaged, name="raw")
    widget = make_widget(viewer, kind=DeblurWidget)
    widget.ui.live.setChecked(True)
    wait(lambda: widget.ui.message.text().startswith("Choose under Blur"))
    widget.restore()
    assert not widget.busy and said == [widget.ui.message.text()]
    widget.ui.slots["psf"].kind.setValue("gaussian")
    assert "Choose under Blur" not in widget.ui.message.text()
    wait(lambda: live_layer(viewer) is not None and not widget.live.preview.busy)
    assert "Point-spread function: Gaussian of 3 px" in widget.ui.message.text()


def test_a_preview_of_finer_pixels_covers_what_is_seen(viewer, make_widget, wait, damaged):
    raw = viewer.add_image(damaged, name="raw", scale=(4, 4), units=("nm", "nm"))
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 240, 280), 2.0
    widget = make_widget(viewer, kind=SuperResolveWidget)
    widget.ui.live.setChecked(True)
    wait(lambda: live_layer(viewer) is not None and not widget.live.preview.busy)
    shown = live_layer(viewer)
    assert shown.data.shape == (2 * 51, 2 * 51)
    assert shown.data_to_world((0.5, 0.5)) == pytest.approx(raw.data_to_world((35, 45)))
    widget.ui.parameters.set(factor=8)
    wait(lambda: live_layer(viewer).data.shape == (8 * 51, 8 * 51))
    assert shown is live_layer(viewer)
    assert shown.data_to_world((3.5, 3.5)) == pytest.approx(raw.data_to_world((35, 45)))


def test_a_preview_that_cannot_be_made_any_more_goes(viewer, make_widget, wait, damaged):
    viewer.add_image(damaged, name="raw")
    widget = make_widget(viewer, kind=DeblurWidget)
    widget.ui.parameters.set(psf="gaussian:2px")
    widget.ui.live.setChecked(True)
    wait(lambda: live_layer(viewer) is not None)
    widget.ui.parameters.set(psf="none")
    wait(lambda: live_layer(viewer) is None)
    assert widget.ui.message.text().startswith("Choose under Blur")


def test_a_picture_of_the_blur_is_taken_from_its_layer(viewer, make_widget, wait, damaged, options):
    viewer.add_image(damaged, name="raw")
    bead = viewer.add_image(np.outer([1, 4, 6, 4, 1], [1, 2, 3, 2, 1]).astype(float), name="bead")
    widget = make_widget(viewer, kind=DeblurWidget)
    widget.ui.image.choose(viewer.layers["raw"])
    widget.ui.slots["psf"].choose(bead)
    widget.restore()
    wait(lambda: not widget.busy)
    expected = mendem.restore(widget.request().image, Deblur(), options=options, inputs={"psf": bead.data})
    np.testing.assert_array_equal(viewer.layers["raw · Deblur"].data, expected.image.data)
    assert "viewer.layers['bead']" in copied(widget)


def copied(widget) -> str:
    widget.findChild(QPushButton, "copy_python").click()
    return QApplication.clipboard().text()


def test_another_blur_does_not_look_at_the_noise_again(viewer, make_widget, wait, damaged, monkeypatch):
    import mendem.engine

    calls = []
    refine = mendem.engine.refine_noise
    monkeypatch.setattr(mendem.engine, "refine_noise", lambda *a: calls.append(a) or refine(*a))
    viewer.add_image(damaged, name="raw")
    widget = make_widget(viewer, kind=DeblurWidget)
    widget.ui.parameters.set(psf="gaussian:2px")
    wait(lambda: widget._run is not None)
    first = widget._run
    widget.ui.parameters.set(psf="gaussian:4px")
    wait(lambda: widget._run is not first)
    assert len(calls) == 1
    fresh = mendem.engine.prepare(first.given, Deblur(psf="gaussian:4px"), first.options)
    assert (widget._run.plan.noise, widget._run.novelty) == (fresh.plan.noise, fresh.novelty)


def test_the_residual_is_no_choice_where_nothing_is_removed(viewer, make_widget, wait, damaged):
    viewer.add_image(damaged, name="raw")
    widget = make_widget(viewer, kind=InpaintWidget)
    assert not widget.ui.residual.isEnabled() and not widget.ui.outputs().residual
    widget.ui.parameters.set(keep_measured=False)
    assert widget.ui.residual.isEnabled()


@pytest.mark.parametrize("name", DOCKS)
def test_the_negative_control_of_every_task_lies_beside_its_image(name, viewer, make_widget, wait, damaged):
    viewer.add_image(damaged, name="raw")
    widget = make_widget(viewer, kind=DOCKS[name])
    widget.ui.parameters.set(**CHOICES[name][0])
    widget.ui.control.click()
    wait(lambda: not widget.busy)
    assert widget.ui.found.text(), widget.ui.message.text()
    scale = CHOICES[name][1].scale
    before, after = viewer.layers["raw · control: image"], viewer.layers["raw · control: image restored"]
    assert after.data.shape == tuple(scale * n for n in before.data.shape)
    world = [np.diff(layer.extent.world, axis=0).ravel() for layer in (before, after)]
    # The extent reaches from centre to centre of the outermost pixels.
    assert world[1] + 1 / scale == pytest.approx(world[0] + 1)
