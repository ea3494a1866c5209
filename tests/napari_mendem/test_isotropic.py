"""The Isotropic dock: planes along z, what was found in sections, learning, comparison."""

from __future__ import annotations

import shlex
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication, QComboBox, QLabel, QPushButton

import mendem
from mendem.image import Image, VoxelSize
from mendem.normalise import Normalisation
from mendem.physics.stack_report import StackReport
from mendem.tasks import Isotropic
from napari_mendem import learning
from napari_mendem.layers import PREVIEW, layer_from_image
from napari_mendem.learning import LearnJob, file_name
from napari_mendem.sections_found import curves, summary
from napari_mendem.viewport import SideView
from napari_mendem.views import PlaneSwitch, SideBySide
from napari_mendem.widgets.isotropic import IsotropicWidget
from napari_mendem.widgets.learn_box import LEARN, SHIPPED
from napari_mendem.workers import Preparations, Request

#: Nothing is corrected, and nothing is looked for.
PLAIN = {"align": False, "contrast": False, "focus": False, "repair": False}


def sections(count: int = 10, side: int = 48) -> np.ndarray:
    """Smooth structure with noise, 8 bit."""
    z, y, x = np.mgrid[:count, :side, :side]
    clean = 120 + 50 * np.sin(z / 2.0 + y / 9) * np.cos(x / 7)
    return (clean + np.random.default_rng(0).normal(0, 4, clean.shape)).clip(0, 255).astype(np.uint8)


def add(viewer, data=None, name: str = "stack"):
    image = Image(sections() if data is None else data, ("z", "y", "x"), VoxelSize((32.0, 8.0, 8.0)))
    pixels, kwargs, _ = layer_from_image(image, name=name)
    return viewer.add_image(pixels, **kwargs)


@pytest.fixture
def dock(viewer, make_widget):
    """The dock of a stack, which is taken as it is."""
    add(viewer)
    widget = make_widget(viewer, kind=IsotropicWidget)
    widget.ui.parameters.set(**PLAIN)
    return widget


def button(widget, name: str) -> QPushButton:
    return widget.findChild(QPushButton, name)


def done(widget, wait) -> None:
    wait(lambda: not widget.busy)


def preview(viewer):
    return next((layer for layer in viewer.layers if layer.metadata.get(PREVIEW)), None)


def test_a_volume_is_restored_as_python_restores_it_and_lies_on_its_sections(dock, viewer, wait, options):
    assert not dock.ui.slices.isVisibleTo(dock) and not dock.ui.control.isVisibleTo(dock)
    dock.ui.slices.setValue("current")  # as another stack was left
    dock.restore()
    done(dock, wait)
    raw, layer = viewer.layers["stack"], viewer.layers["stack · Isotropic"]
    expected = mendem.restore(dock.request().image, Isotropic(**PLAIN), options=options)
    np.testing.assert_array_equal(layer.data, expected.image.data)
    assert layer.data.shape == (40, 48, 48)
    assert layer.data_to_world((1.5, 3, 4)) == pytest.approx(raw.data_to_world((0, 3, 4)))


def test_fields_are_shown_where_they_mean_something(dock):
    fields = dock.ui.parameters.widgets
    seen = {}
    for sampling in ("average", "skip", "both"):
        fields["sampling"].setValue(sampling)
        seen[sampling] = [fields[name].isVisibleTo(dock) for name in ("keep", "thickness")]
    assert seen == {"average": [False, False], "skip": [True, False], "both": [False, True]}
    fields["sampling"].setValue("average")
    assert fields["factor"].isEnabled()
    fields["target_voxel"].setValue("16nm")
    fields["target_voxel"].changed.emit()
    assert not fields["factor"].isEnabled()
    assert dock.findChild(QLabel, "becomes").text().startswith("becomes 16 x 8 x 8 nm · 20 × 48 × 48 (factor")


def test_a_dock_is_readable_at_300_pixels(dock, qtbot):
    dock.learning.method.setValue(LEARN)
    dock.resize(300, 1400)
    dock.show()
    qtbot.waitExposed(dock)
    QApplication.processEvents()
    assert dock.width() == 300
    parts = [dock.findChild(QPushButton, n) for n in ("show_xz", "compare_3d", "learn", "which", "copy_command")]
    for part in (*dock.ui.parameters.in_order, *parts, dock.learning.method):
        if part.isVisible():
            assert part.mapTo(dock, part.rect().bottomRight()).x() <= 300
            assert part.width() >= min(part.sizeHint().width(), 28)


# Planes along z.


def test_the_preview_wants_a_plane_along_z_and_show_xz_gives_it_one(dock, viewer, wait):
    dock.ui.live.setChecked(True)
    wait(lambda: dock.ui.stage.text() == "needs xz or yz")
    assert preview(viewer) is None
    button(dock, "show_xz").click()
    wait(lambda: preview(viewer) is not None and not dock.live.preview.busy)
    layer = preview(viewer)
    assert tuple(viewer.dims.order) == (1, 0, 2)
    assert layer.data.shape == (40, 1, 48)
    row = round(viewer.dims.point[1] / 8)
    assert layer.data_to_world((1.5, 0, 5)) == pytest.approx(viewer.layers["stack"].data_to_world((0, row, 5)))
    button(dock, "show_xz").click()
    wait(lambda: preview(viewer) is None)
    assert tuple(viewer.dims.order) == (0, 1, 2) and button(dock, "show_xz").text() == "Show xz"


def test_the_preview_follows_the_slider(dock, viewer, wait):
    dock.ui.live.setChecked(True)
    button(dock, "show_xz").click()
    wait(lambda: preview(viewer) is not None and not dock.live.preview.busy)
    viewer.dims.set_point(1, 8 * 40)
    wait(lambda: not dock.live.preview.busy and preview(viewer).translate[1] == pytest.approx(8 * 40))


def test_show_xz_takes_the_row_that_is_looked_at_and_show_xy_goes_back_there(viewer):
    layer = add(viewer, np.zeros((10, 200, 300), np.uint8))
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 8 * 150.2, 8 * 60), 3.0
    switch = PlaneSwitch(viewer)
    switch.show_xz(layer)
    assert viewer.dims.point[1] == pytest.approx(8 * 150)
    switch.show_xy(layer)
    assert tuple(viewer.scene.camera.center)[1:] == pytest.approx((8 * 150.2, 8 * 60))
    assert viewer.scene.camera.zoom == 3.0 and tuple(viewer.dims.order) == (0, 1, 2)


# What was found in the sections.

REPORT = StackReport(
    shift=((1.0, 0.0), (0.0, -1.0), (0.0, 0.0), (0.0, 0.0)),
    gain=(1.1, 0.9, 1.0, 1.0),
    offset=(-10.0, 10.0, 0.0, 0.0),
    blur_px=(0.0, 1.5, 0.0, 0.0),
    missing=(2,),
    reasons=("is blank",),
)
LEVEL = Normalisation(100.0, 20.0)


def test_the_summary_says_what_is_undone_and_links_sections():
    text = summary(REPORT, Isotropic(contrast=False))
    assert text == (
        "Jitter 1 px rms undone in 2 of 4 sections; contrast ±7.1 % left; "
        'section <a href="1">1</a> out of focus by up to 1.5 px, undone; '
        'section <a href="2">2</a> is blank: taken as missing.'
    )
    assert summary(StackReport.untouched(7), Isotropic()) == "7 sections: nothing is wrong with them."


def test_many_sections_are_counted():
    many = replace(REPORT, missing=tuple(range(12)), reasons=("is blank",) * 12)
    assert "and 6 more are blank" in summary(many, Isotropic())


def test_curves_leave_missing_sections_out_and_tell_brightness_at_the_middle():
    found = {c.name: c.values for c in curves(REPORT, LEVEL)}
    assert list(found) == ["shift", "contrast", "brightness", "focus"]
    np.testing.assert_allclose(found["contrast"][""], [10, -10, np.nan, 0])
    np.testing.assert_allclose(found["brightness"][""], [0, 0, np.nan, 0], atol=1e-9)
    assert curves(StackReport.untouched(4), LEVEL) == []


def test_what_was_found_is_shown_and_leads_to_sections(viewer, make_widget, wait, qtbot):
    data = sections(12, 64)
    data[7] = 0
    add(viewer, data)
    widget = make_widget(viewer, kind=IsotropicWidget)
    wait(lambda: widget._run is not None)
    label = widget.findChild(QLabel, "sections_found")
    assert widget.sections.isVisibleTo(widget) and 'href="7"' in label.text()
    assert "blank" not in widget.ui.message.text()  # it is said once
    label.linkActivated.emit("7")
    assert viewer.dims.point[0] == pytest.approx(7 * 32)
    widget.sections.tell(REPORT, Isotropic(), LEVEL)
    quantity = widget.findChild(QComboBox, "sections_quantity")
    assert [quantity.itemText(i) for i in range(quantity.count())] == ["shift", "contrast", "brightness", "focus"]
    widget.sections.plot.clicked.emit(2.7)
    assert viewer.dims.point[0] == pytest.approx(3 * 32)


def test_a_click_on_the_plot_tells_the_section(make_widget, viewer, qtbot):
    from qtpy.QtCore import QPoint, Qt

    add(viewer)
    widget = make_widget(viewer, kind=IsotropicWidget)
    widget.sections.tell(REPORT, Isotropic(), LEVEL)
    plot = widget.sections.plot
    plot.setParent(None)
    qtbot.addWidget(plot)
    plot.resize(300, 130)
    plot.show()
    qtbot.waitExposed(plot)
    plot.grab()
    _, box = plot._place
    heard = []
    plot.clicked.connect(heard.append)
    at = QPoint(round(box.left() + box.width() * 2 / 3), round(box.center().y()))
    qtbot.mouseClick(plot, Qt.MouseButton.LeftButton, pos=at)
    assert heard == [pytest.approx(2.0, abs=0.02)]


# Learning.


class Course:
    """In place of learning: reports until it is stopped; gains where it is told to."""

    def __init__(self, gains: bool = True) -> None:
        self.gains = gains

    def __call__(self, prior, image, grid, noise, normalisation, *, minutes, seed, report, check, stop):
        import copy
        import time

        from mendem.priors.network_prior import NetworkPrior
        from mendem.training.own_volume import LearnedPrior, Learning

        better = LearnedPrior(copy.deepcopy(prior.network), prior.coverage, "better", prior.device, prior.dtype)
        better.facts = {"held out": {"start": 10.0, "learned": 8.0}, "minutes": 0.5}
        assert isinstance(prior, NetworkPrior)
        step = 0
        while not stop():
            check()
            time.sleep(0.005)
            step += 1
            now = better if step > 20 and self.gains else prior
            report(Learning(step, float(step), min(1.0, step / 100), 1.0, (10.0, 8.0), now))
        return better if self.gains else prior


@pytest.fixture
def course(monkeypatch, tmp_path) -> Course:
    made = Course()
    monkeypatch.setattr("mendem.training.own_volume.learn_from", made)
    monkeypatch.setattr("napari_mendem.widgets.learn_box.learned_folder", lambda: tmp_path / "learned")
    return made


def learn(dock, wait, steps: int = 30) -> None:
    dock.learning.method.setValue(LEARN)
    button(dock, "learn").click()
    wait(lambda: dock.learning._job.learning is not None and dock.learning._job.learning.step > steps)


def test_what_was_learned_is_the_prior_of_the_run(dock, viewer, wait, course, tmp_path, said):
    learn(dock, wait)
    assert "held-out error 10 → 8 grey levels" in dock.learning.said.text()
    assert not button(dock, "restore").isEnabled()
    button(dock, "stop_learning").click()
    done(dock, wait)
    (path,) = (tmp_path / "learned").glob("stack-*.safetensors")
    assert dock.request().options.prior == str(path)
    dock.restore()
    done(dock, wait)
    record = viewer.layers["stack · Isotropic"].metadata["mendem"]
    assert record["prior"]["name"] == record["options"]["prior"] == str(path)
    assert said == []
    dock.learning.save_as(tmp_path / "kept")
    assert (tmp_path / "kept.safetensors").read_bytes() == path.read_bytes()
    dock.learning.method.setValue(SHIPPED)
    assert dock.request().options.prior != str(path)


def test_before_anything_is_learned_restore_says_so(dock, course, said):
    dock.learning.method.setValue(LEARN)
    dock.restore()
    assert not dock.busy and "press Learn" in said[0]


def test_what_was_learned_for_other_sections_is_not_used(dock, wait, course, said):
    learn(dock, wait)
    button(dock, "stop_learning").click()
    done(dock, wait)
    dock.ui.parameters.set(factor=3.0)
    dock.restore()
    assert not dock.busy and "press Learn" in said[0]


def test_cancel_forgets_what_was_learned(dock, wait, course, tmp_path):
    learn(dock, wait)
    dock.cancel()
    done(dock, wait)
    assert "forgotten" in dock.ui.found.text() and not (tmp_path / "learned").exists()
    assert not button(dock, "save_weights").isVisibleTo(dock)


def test_where_nothing_was_gained_the_shipped_prior_stays(dock, wait, course, tmp_path):
    course.gains = False
    learn(dock, wait)
    button(dock, "stop_learning").click()
    done(dock, wait)
    assert "Nothing was gained" in dock.ui.found.text()
    assert not dock.learning.wanted and not (tmp_path / "learned").exists()


def test_the_preview_shows_the_newest_weights_while_it_learns(dock, viewer, wait, course):
    dock.ui.live.setChecked(True)
    button(dock, "show_xz").click()
    wait(lambda: preview(viewer) is not None and not dock.live.preview.busy)
    before = preview(viewer).data
    learn(dock, wait)
    wait(lambda: preview(viewer) is not None and preview(viewer).data is not before)
    assert dock.ui.stage.text() == "learned so far"
    viewer.dims.set_point(1, 8 * 40)
    wait(lambda: preview(viewer).translate[1] == pytest.approx(8 * 40))
    button(dock, "show_xz").click()  # the sections
    wait(lambda: preview(viewer) is None)
    button(dock, "show_xz").click()
    wait(lambda: preview(viewer) is not None)
    dock._in_front(False)
    wait(lambda: preview(viewer) is None)
    dock.cancel()
    done(dock, wait)


def test_what_is_told_of_a_result_stays_while_the_fields_are_those_of_its_run(dock, wait, course):
    learn(dock, wait)
    button(dock, "stop_learning").click()
    done(dock, wait)
    dock.restore()
    done(dock, wait)
    assert dock.ui.chi2.isVisibleTo(dock)
    dock.ui.residual.toggle()
    assert dock.ui.chi2.isVisibleTo(dock)
    dock.learning.method.setValue(SHIPPED)
    assert not dock.ui.chi2.isVisibleTo(dock)


def test_a_job_previews_by_the_weights_of_each_report(options, course, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(
        learning, "plane_frames", lambda run, view, check: asked.append((run.prior.name, view)) or iter(())
    )
    request = Request(Image(sections()), Isotropic(factor=4, **PLAIN), options)
    job = LearnJob(request, 1.0, tmp_path, Preparations())
    first, second = (SideView("xz", row, (0, 10), (0, 48), 1.0) for row in (3, 5))
    job.view = first
    report = job._report

    def reported(run, now) -> None:
        if now.step == 10:
            job.view = second
        if now.step == 30:
            job.stopped.set()
        report(run, now)

    monkeypatch.setattr(job, "_report", reported)
    job.work()
    assert asked == [(options.prior, first), (options.prior, second), ("better", second)]


def test_advice_is_asked_for(dock, wait, monkeypatch):
    from mendem.training.own_advice import Advice

    monkeypatch.setattr("mendem.training.own_advice.recommend", lambda *a: Advice(True, "Learn from the volume: 2 px."))
    button(dock, "which").click()
    done(dock, wait)
    assert dock.findChild(QLabel, "advice").text() == "Learn from the volume: 2\u00a0px."


def test_learning_from_a_small_stack_is_refused_in_words(dock, wait, said):
    dock.learning.method.setValue(LEARN)
    dock.ui.parameters.set(factor=16.0)  # longer than its planes allow
    button(dock, "learn").click()
    done(dock, wait)
    assert "nothing can be learned" in said[0]
    assert button(dock, "learn").isVisibleTo(dock)


@pytest.mark.parametrize(
    ("source", "name"),
    [("/data/fly brain.ome.zarr", "fly_brain"), ("stack [2]", "stack_2"), ("…", "volume"), ("a.tif", "a")],
)
def test_weights_are_named_after_their_volume(source, name):
    when = datetime(2026, 1, 2, 3, 4, 5)
    assert file_name(source, when) == f"{name}-20260102-030405.safetensors"


# Side by side.


def state(viewer):
    camera, grid, dims = viewer.scene.camera, viewer.canvas.grid, viewer.dims
    return (
        tuple(camera.center), camera.zoom, tuple(camera.angles), camera.perspective,
        (grid.enabled, grid.stride, tuple(grid.shape), grid.spacing),
        (dims.ndisplay, tuple(dims.order), tuple(dims.point)),
        [(one.name, one.visible, one.rendering, one.interpolation3d, one.blending) for one in viewer.layers],
    )  # fmt: skip


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2)])
def test_a_comparison_ends_exactly_where_it_began(viewer, order):
    raw, result = add(viewer), add(viewer, name="result")
    other = viewer.add_labels(np.zeros((10, 48, 48), int))
    raw.visible = False
    viewer.dims.order = order
    viewer.dims.set_point(order[0], 24.0)
    viewer.scene.camera.zoom = 2.5
    pair = SideBySide(viewer)
    viewer.layers.remove(other)
    before = state(viewer)
    pair.show(raw, result)
    assert viewer.dims.ndisplay == 3 and viewer.canvas.grid.enabled and raw.visible and result.visible
    places = [viewer.canvas.grid.position(viewer.layers.index(layer), viewer.layers) for layer in (raw, result)]
    assert places == [(0, 0), (0, 1)]
    pair.back()
    assert state(viewer) == before


def test_the_button_compares_and_goes_back(dock, viewer, wait, said):
    compare = button(dock, "compare_3d")
    compare.click()
    assert not compare.isChecked() and "press Restore" in said[0]
    dock.restore()
    done(dock, wait)
    before = state(viewer)
    compare.click()
    assert [layer.name for layer in viewer.layers if layer.visible] == ["stack", "stack · Isotropic"]
    compare.click()
    assert state(viewer) == before
    compare.click()
    viewer.dims.ndisplay = 2  # by napari's own button
    assert not compare.isChecked() and not viewer.canvas.grid.enabled
    compare.click()
    viewer.layers.remove("stack · Isotropic")
    assert not compare.isChecked() and viewer.dims.ndisplay == 2


def test_a_volume_that_is_too_large_is_not_sent_to_the_graphics_card(dock, viewer, said, monkeypatch):
    add(viewer, name="stack · Isotropic").metadata = {"mendem": {}}
    monkeypatch.setattr("napari_mendem.views.LARGEST", 1000)
    assert dock.ui.image.layer.name == "stack"
    button(dock, "compare_3d").click()
    assert "too large" in said[0] and viewer.dims.ndisplay == 2


def test_two_blocks_are_drawn_side_by_side(make_napari_viewer, make_widget):
    viewer = make_napari_viewer(show=True)
    raw = add(viewer)
    widget = make_widget(viewer, owned=True, kind=IsotropicWidget)
    viewer.window.add_dock_widget(widget)
    add(viewer, 255 - raw.data, name="stack · Isotropic").metadata = {"mendem": {}}
    assert widget.ui.image.layer is raw
    button(widget, "compare_3d").click()
    QApplication.processEvents()
    picture = viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int).sum(-1)
    left, right = np.array_split(picture > 0, 2, axis=1)
    assert left.mean() > 0.05 and right.mean() > 0.05


# What is copied.


def test_what_is_copied_makes_the_same(dock, viewer, wait, course, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image = dock.request().image
    mendem.write("stack.tif", image)
    raw = viewer.layers["stack"]
    loaded = mendem.read(str(tmp_path / "stack.tif"))
    viewer.layers.remove(raw)
    pixels, kwargs, _ = layer_from_image(loaded, name="stack")
    from napari.layers import Image as ImageLayer
    from napari.layers._source import layer_source

    with layer_source(path=str(tmp_path / "stack.tif")):
        viewer.add_layer(ImageLayer(pixels, **kwargs))
    dock.ui.parameters.set(factor=2.5, sampling="skip", **PLAIN)
    learn(dock, wait)
    button(dock, "stop_learning").click()
    done(dock, wait)
    dock.restore()
    done(dock, wait)
    button(dock, "copy_python").click()
    names: dict = {}
    exec(compile(QApplication.clipboard().text(), "copied", "exec"), names)
    np.testing.assert_array_equal(names["result"].image.data, viewer.layers["stack · Isotropic"].data)
    button(dock, "copy_command").click()
    command = shlex.split(QApplication.clipboard().text())
    assert command[:2] == ["mendem", "isotropic"]
    for part in ("--factor", "2.5", "--sampling", "skip", "--no-align", "--no-repair", "--prior"):
        assert part in command
    assert Path(command[command.index("--prior") + 1]).is_file()


def test_tab_goes_from_top_to_bottom(dock):
    order = []
    widget = dock.ui.parameters.widgets["keep"].nextInFocusChain()
    while len(order) < 200:
        order.append(widget.objectName())
        widget = widget.nextInFocusChain()
    names = ["method", "minutes", "learn", "align", "repair", "sections_quantity", "noise", "live", "show_xz"]
    places = [order.index(name) for name in names]
    assert places == sorted(places)
