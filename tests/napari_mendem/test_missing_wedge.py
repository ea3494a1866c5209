"""The Missing wedge dock: dial, slice, Fourier space, and the same tilt in all of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QApplication, QCheckBox, QPushButton, QScrollArea

import mendem
from mendem.image import Image, VoxelSize
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.phantom import ellipse_phantom
from mendem.tomography.tilt_series import TiltSeries
from mendem.tomography.wedge import slice_power, wedge_energy, wedge_mask
from napari_mendem.layers import image_from_layer
from napari_mendem.preferences import Preferences
from napari_mendem.tilt_layers import layer_of, series_of
from napari_mendem.wedge_layers import CURRENT, WEDGE
from napari_mendem.widgets import missing_wedge
from napari_mendem.widgets.missing_wedge import MissingWedgeWidget

ROWS, WIDTH = 20, 48
ANGLES = tuple(np.arange(-60.0, 61.0, 6.0))
FLAT = {"slice", "spectrum", "wedge", "tilts", "point", "tilt"}


def make_series(angles=ANGLES, **given) -> TiltSeries:
    one = ellipse_phantom(WIDTH, WIDTH).project(SliceGeometry(tuple(angles), (WIDTH, WIDTH), WIDTH))
    stack = np.repeat(one[:, None], ROWS, axis=1).astype(np.float32)
    stack *= np.linspace(1, 2, ROWS, dtype=np.float32)[None, :, None]
    image = Image(stack, ("tilt", "y", "x"), VoxelSize((None, 2.0, 2.0)), source="ts")
    return TiltSeries(image, tuple(angles), **given)


def add(viewer, series: TiltSeries | None = None, name: str = "ts"):
    data, kwargs, _ = layer_of(series or make_series(), name)
    return viewer.add_image(data, **kwargs)


@pytest.fixture
def make_dock(viewer, qtbot, monkeypatch):
    def make(live: bool = True, owned: bool = True) -> MissingWedgeWidget:
        monkeypatch.setattr(missing_wedge, "preferences", lambda: Preferences(live=live, device="cpu", cpu_threads=1))
        widget = MissingWedgeWidget(viewer)
        if owned:
            qtbot.addWidget(widget)
        return widget

    return make


@pytest.fixture
def dock(viewer, make_dock, settled):
    add(viewer)
    widget = make_dock()
    settled(widget)
    return widget


@pytest.fixture
def settled(wait, qtbot):
    def until_settled(widget) -> None:
        """All changes are answered: the pause of the throttle, then the work."""
        qtbot.wait(missing_wedge.EVERY + 60)
        wait(lambda: not widget.busy)

    return until_settled


def roles(viewer) -> dict[str, object]:
    return {layer.metadata[WEDGE]: layer for layer in viewer.layers if WEDGE in layer.metadata}


def tilt_lines(viewer, colour: str = CURRENT) -> list[np.ndarray]:
    """What is drawn of the current tilt: its row in the stack last, its line in Fourier space, its ray first."""
    return [np.asarray(line) for line in roles(viewer)["tilt"].data]


def angle_of(line: np.ndarray) -> float:
    """Degrees of a line (z, x) from the x axis."""
    (z, x) = line[-1] - line[0]
    return math.degrees(math.atan2(z, x))


# What is shown.


def test_the_slice_is_that_of_the_tomogram_and_lies_below_its_tilts(dock, viewer):
    made = roles(viewer)
    assert set(made) == FLAT
    whole = mendem.reconstruct(make_series()).data
    np.testing.assert_allclose(made["slice"].data, whole[:, ROWS // 2], atol=1e-5 * np.ptp(whole))
    stack = viewer.layers["ts"]
    assert made["slice"].translate[0] > stack.extent.world[1, 1]  # below
    assert made["slice"].extent.world[:, 1] == pytest.approx(stack.extent.world[:, 2])  # x above x
    assert made["spectrum"].translate[1] > stack.extent.world[1, 2]  # to the right


def test_numbers_are_those_of_the_library(dock):
    # A third is missing at ±60°; a point is 1.55 times as long (Radermacher and Hoppe 1980).
    assert dock.ui.missing.text() == "33 % of Fourier space"
    assert dock.ui.elongation.text().replace("\u00a0", " ").startswith("1.55 along z (half width 1.6")
    assert "whitened" in dock.ui.energy.text()


def test_layers_say_how_large_their_pixels_are(dock, viewer):
    made = roles(viewer)
    assert image_from_layer(made["slice"]).voxel_size.values == (2.0, 2.0)
    assert image_from_layer(made["point"]).voxel_size.values == pytest.approx((2.0 / 8, 2.0 / 8))
    assert image_from_layer(made["spectrum"]).voxel_size.values == (None, None)  # a frequency is no length
    assert made["spectrum"].metadata["mendem_spacing"]["values"] == pytest.approx((1 / 96, 1 / 96))
    assert made["spectrum"].metadata["mendem_spacing"]["unit"] == "1/nm"
    assert tuple(made["spectrum"].axis_labels) == ("kz", "kx")


def test_a_layer_can_be_saved_with_its_pixel_size(dock, viewer, tmp_path):
    from napari_mendem.writers import write_image

    layer = roles(viewer)["point"]
    data, attributes, _ = layer.as_layer_data_tuple()
    write_image(str(tmp_path / "point.tif"), data, attributes)
    read = mendem.read(tmp_path / "point.tif")
    assert read.voxel_size.nm == pytest.approx((0.25, 0.25), rel=1e-5)
    np.testing.assert_array_equal(read.data, layer.data)


# The same tilt everywhere.


@pytest.mark.parametrize("angle", [-60.0, 0.0, 42.0])
def test_a_tilt_is_the_same_in_slider_stack_fourier_space_and_slice(dock, viewer, angle):
    tilt = ANGLES.index(angle)
    dock.ui.tilt.setValue(tilt)
    assert viewer.dims.current_step[0] == tilt
    assert dock.ui.dial.shown.current == tilt
    assert dock.ui.angle.text() == f"{angle:+.1f}°".replace("-", "\u2212")
    ray, line, row = tilt_lines(viewer)
    # napari's rows run down: the ray leans to the right of up by the angle, its line in Fourier space is across it.
    assert math.cos(math.radians(angle_of(ray) - angle_of(line))) == pytest.approx(0, abs=1e-6)
    assert angle_of(line) == pytest.approx(angle)
    assert row[0, 0] == row[1, 0] == 2.0 * (ROWS // 2)  # nm


def test_the_viewers_slider_is_followed(dock, viewer):
    viewer.dims.set_point(0, 4)
    assert dock.ui.tilt.value() == 4 and dock.ui.dial.shown.current == 4
    assert angle_of(tilt_lines(viewer)[1]) == pytest.approx(ANGLES[4])


def test_tilts_in_any_order_are_stepped_through_by_angle(viewer, make_dock, settled):
    order = np.r_[10, 11, 9, 12, 8, 0:8, 13:21]
    add(viewer, make_series(tuple(np.array(ANGLES)[order])))
    widget = make_dock()
    settled(widget)
    widget.ui.tilt.setValue(0)
    assert viewer.dims.current_step[0] == int(np.flatnonzero(order == 0)[0])


def test_a_misaligned_tilt_shows_where_its_row_really_lies(viewer, make_dock, settled):
    add(viewer, make_series(shifts=((3.0, 1.0),) * len(ANGLES), axis_angle=4.0))
    widget = make_dock()
    settled(widget)
    row = tilt_lines(viewer)[-1] / 2.0  # pixels
    middle = (ROWS - 1) / 2 + 3.0, (WIDTH - 1) / 2 + 1.0
    away = row - middle
    # Turned by 4° about the middle, 1/2 pixel off it (row 10 of 20).
    assert away @ [math.cos(math.radians(4)), -math.sin(math.radians(4))] == pytest.approx([0.5, 0.5], abs=1e-5)


# What a user changes.


def test_a_lower_limit_widens_the_wedge_and_the_slice_follows(dock, viewer, settled):
    before = roles(viewer)["slice"].data.copy()
    dock.ui.dial.limit_moved.emit(40.0)
    assert dock.ui.limit.value() == 40.0
    settled(dock)
    assert dock.ui.missing.text() == "60 % of Fourier space"  # tilts to ±36°
    expected = mendem.reconstruct(make_series().excluding([*range(4), *range(17, 21)])).data[:, ROWS // 2]
    after = roles(viewer)["slice"].data
    np.testing.assert_allclose(after, expected, atol=1e-5 * np.ptp(expected))
    assert not np.allclose(after, before)
    assert len(roles(viewer)["tilts"].data) == 13
    assert series_of(viewer.layers["ts"]).excluded == ()  # a limit is tried, and not remembered


def test_an_excluded_tilt_is_remembered_by_its_layer(dock, viewer, settled):
    dock.exclude(10)
    assert series_of(viewer.layers["ts"]).excluded == (10,)
    assert dock.ui.dial.shown.excluded == {10}
    settled(dock)
    assert len(roles(viewer)["tilts"].data) == 20
    dock.exclude(10)
    assert series_of(viewer.layers["ts"]).excluded == ()


def test_the_last_tilt_cannot_be_excluded(dock, viewer):
    dock.ui.limit.setValue(1.0)
    dock.exclude(10)  # 0°, the only one within ±1°
    assert series_of(viewer.layers["ts"]).excluded == ()
    assert "last measured one that counts" in dock.ui.message.text()


def test_a_limit_that_leaves_no_tilt_is_said_in_a_sentence(viewer, make_dock, settled):
    add(viewer, make_series(tuple(np.arange(-57.0, 58.0, 6.0))))
    widget = make_dock()
    settled(widget)
    widget.ui.limit.setValue(2.0)
    settled(widget)
    assert widget.ui.message.text().startswith("No measured tilt lies within ±2°")
    widget.ui.limit.setValue(57.0)
    settled(widget)
    assert not widget.ui.message.isVisibleTo(widget)


def test_another_axis_and_row_make_another_slice(dock, viewer, settled):
    dock.ui.axis.setValue(2.0)
    dock.ui.row.setValue(4)
    settled(dock)
    expected = mendem.reconstruct(make_series(axis_angle=2.0)).data[:, 4]
    np.testing.assert_allclose(roles(viewer)["slice"].data, expected, atol=1e-5 * np.ptp(expected))
    assert dock.ui.row_number.value() == 4


def test_without_live_nothing_is_computed_until_it_is_asked_for(viewer, make_dock, settled):
    add(viewer)
    widget = make_dock(live=False)
    settled(widget)
    assert roles(viewer) == {}
    widget.findChild(QPushButton, "restore").click()
    settled(widget)
    assert set(roles(viewer)) == FLAT
    widget.ui.limit.setValue(30.0)
    settled(widget)
    assert widget.ui.missing.text() == "33 % of Fourier space"


def test_the_newest_request_wins(dock, viewer, settled):
    for limit in (50.0, 40.0, 30.0, 20.0):
        dock.ui.limit.setValue(limit)
        dock.ask_now()
    settled(dock)
    assert dock.ui.missing.text() == "80 % of Fourier space"  # to ±18°


def test_cancel_leaves_what_is_shown(dock, viewer, settled):
    before = roles(viewer)["slice"].data
    dock.ui.row.setValue(3)
    dock.ask_now()
    assert dock.busy
    dock.findChild(QPushButton, "cancel").click()
    assert not dock.busy
    assert roles(viewer)["slice"].data is before


# A tomogram.


def add_tomogram(viewer, depth: int = 32):
    volume = np.random.default_rng(0).normal(size=(depth, ROWS, WIDTH)).astype(np.float32)
    return viewer.add_image(volume, name="noise", scale=(2.0,) * 3, units=("nm",) * 3, axis_labels=("z", "y", "x"))


def test_the_energy_of_a_tomogram_is_told(dock, viewer, settled):
    tomogram = add_tomogram(viewer)
    dock.ui.tomogram.choose(tomogram)
    settled(dock)
    power = slice_power(tomogram.data)
    energy = wedge_energy(power, wedge_mask(ANGLES, power.shape))
    told = f"{100 * energy.missing:.1f} % of energy, whitened {100 * energy.whitened:.1f} %"
    assert dock.ui.energy.text().replace("\u00a0", " ") == told
    dock.ui.tomogram.setValue("of the live slice")
    settled(dock)
    assert dock.ui.energy.text().replace("\u00a0", " ") != told
    dock.ui.tomogram.choose(tomogram)
    settled(dock)
    assert roles(viewer)["slice"].data.shape == (32, WIDTH)  # as deep as the tomogram


def test_the_plane_of_fourier_space_turns_with_the_axes_that_are_shown(dock, viewer, settled):
    tomogram = add_tomogram(viewer)
    dock.ui.tomogram.choose(tomogram)
    found = {}
    for order in ((0, 1, 2), (1, 0, 2), (2, 0, 1)):
        viewer.dims.order = order
        settled(dock)
        layer = roles(viewer)["spectrum"]
        found[order] = tuple(layer.axis_labels), np.squeeze(layer.data).shape
    assert found[0, 1, 2] == (("kz", "kx"), (32, WIDTH))
    assert found[1, 0, 2] == (("kz", "y", "kx"), (32, WIDTH))
    assert found[2, 0, 1] == (("kz", "ky", "x"), (32, ROWS))
    assert "slice" not in roles(viewer)  # which is one of z and x
    viewer.dims.order = (0, 1, 2)
    viewer.layers["ts"].visible = False  # then the tomogram's own rows and columns are looked at
    settled(dock)
    assert tuple(roles(viewer)["spectrum"].axis_labels) == ("ky", "kx")
    assert roles(viewer)["spectrum"].data.shape == (ROWS, WIDTH)


def test_in_xz_the_slice_follows_the_viewers_row(dock, viewer, settled):
    viewer.dims.order = (1, 0, 2)
    settled(dock)
    viewer.dims.set_point(1, 2.0 * 7)
    settled(dock)
    assert dock.ui.row_number.value() == 7
    layer = roles(viewer)["slice"]
    assert layer.data.shape == (WIDTH, 1, WIDTH) and layer.translate[1] == pytest.approx(2.0 * 7)


def test_3d_has_the_surface_over_the_spectrum_and_goes_back(dock, viewer, settled):
    tomogram = add_tomogram(viewer)
    dock.ui.tomogram.choose(tomogram)
    settled(dock)
    dock.select(3)
    dock.ui.solid.setChecked(True)
    settled(dock)
    made = roles(viewer)
    assert viewer.dims.ndisplay == 3 and not viewer.layers["ts"].visible
    assert made["volume"].data.shape == (32, ROWS // 2 + 1, WIDTH)  # the half ky <= 0
    index = viewer.layers.index
    assert index(made["volume"]) < index(made["surface"]) < index(made["plane"])
    # Walls of the wedge stand at ±60° of the centre, where the cube's is.
    vertices = made["surface"].data[0] - 128
    rim = vertices[np.hypot(vertices[:, 0], vertices[:, 2]) > 120]
    assert np.degrees(np.arctan2(abs(rim[:, 0]), abs(rim[:, 2]))).min() == pytest.approx(60)
    edge = made["plane"].data[0]
    assert angle_of(edge[[0, 3]][:, [0, 2]]) == pytest.approx(ANGLES[3])
    dock.ui.solid.setChecked(False)
    settled(dock)
    assert viewer.dims.ndisplay == 2 and viewer.layers["ts"].visible
    assert set(roles(viewer)) == FLAT and viewer.dims.current_step[0] == 3
    assert tomogram.rendering == "mip"


# Layers that come and go.


def test_switches_take_layers_away_and_bring_them_back(dock, viewer):
    for name, gone in (("fourier", {"spectrum", "wedge", "tilts"}), ("point_spread", {"point"}), ("ray", {"tilt"})):
        box = dock.findChild(QCheckBox, name)
        box.setChecked(False)
        assert set(roles(viewer)) == FLAT - gone
        box.setChecked(True)
        assert set(roles(viewer)) == FLAT
    names = [layer.metadata[WEDGE] for layer in viewer.layers if WEDGE in layer.metadata]
    assert names == ["slice", "spectrum", "wedge", "tilts", "point", "tilt"]


def test_what_the_user_removes_stays_away_until_it_is_asked_for(dock, viewer, settled):
    for role in ("point", "slice", "tilts"):
        viewer.layers.remove(roles(viewer)[role])
    assert not dock.ui.point.isChecked() and dock.ui.fourier.isChecked()
    dock.ui.limit.setValue(48.0)
    dock.select(2)
    settled(dock)
    assert set(roles(viewer)) == {"spectrum", "wedge", "tilt"}
    dock.restore()
    settled(dock)
    assert set(roles(viewer)) >= {"slice", "tilts"}


def test_the_series_may_go_and_another_may_come(dock, viewer, settled):
    viewer.layers.remove("ts")
    settled(dock)
    assert not dock.ui.restore.isEnabled() and dock.ui.dial.shown.angles == ()
    assert dock.ui.input.about.text() == "No stack is open"
    add(viewer, make_series(tuple(np.arange(-40.0, 41.0, 4.0))), "second")
    settled(dock)
    assert dock.ui.limit.value() == 40.0
    assert {layer.name.partition(" ·")[0] for layer in roles(viewer).values()} == {"second"}
    assert len(roles(viewer)) == 6


def test_layers_stay_when_the_dock_closes_and_the_next_dock_takes_them_over(viewer, make_dock, settled, qapp):
    add(viewer)
    closed = make_dock(owned=False)
    settled(closed)
    before = roles(viewer)
    closed.deleteLater()
    qapp.sendPostedEvents(closed, QEvent.Type.DeferredDelete)
    viewer.dims.set_point(0, 2)  # nothing of the closed dock listens
    assert roles(viewer) == before
    widget = make_dock()
    settled(widget)
    assert roles(viewer) == before


def test_a_stack_without_angles_is_no_series_until_it_has_some(viewer, make_dock, settled):
    layer = viewer.add_image(make_series().image.data, name="plain")
    widget = make_dock()
    settled(widget)
    assert not widget.ui.restore.isEnabled() and "no tilt angles" in widget.ui.input.about.text()
    layer.metadata = {"tilts": {"angles_deg": ANGLES}}
    settled(widget)
    assert widget.ui.restore.isEnabled()
    assert "pixel" in widget.ui.input.about.text() and set(roles(viewer)) == FLAT


def test_angles_that_do_not_fit_are_said_in_a_sentence(viewer, make_dock, settled):
    viewer.add_image(make_series().image.data, name="odd", metadata={"tilts": {"angles_deg": (0.0, 1.0)}})
    widget = make_dock()
    settled(widget)
    assert "21 tilts and 2 angles" in widget.ui.input.about.text()
    assert roles(viewer) == {}


@pytest.mark.parametrize("angles", [(12.0,), tuple(np.arange(-90.0, 90.0, 6.0)), tuple(np.arange(0.0, 180.0, 9.0))])
def test_one_tilt_and_a_full_turn_are_no_special_cases(viewer, make_dock, settled, angles):
    add(viewer, make_series(angles))
    widget = make_dock()
    settled(widget)
    full = len(angles) > 1
    assert set(roles(viewer)) == FLAT
    assert widget.ui.missing.text() == ("0 %" if full else "100 %") + " of Fourier space"
    assert widget.ui.message.text() == ""
    if full:
        assert widget.ui.elongation.text().startswith("1.00") and widget.ui.energy.text() == "nothing is missing"


def test_a_dock_behind_another_computes_nothing(dock, viewer, settled):
    dock._in_front(False)
    dock.ui.limit.setValue(30.0)
    settled(dock)
    assert dock.ui.missing.text() == "33 % of Fourier space"
    dock._in_front(True)
    settled(dock)
    assert dock.ui.missing.text() == "67 % of Fourier space"


def test_a_dock_in_napari_is_readable_at_300_pixels(make_napari_viewer, monkeypatch):
    window = make_napari_viewer(show=True)  # whose style makes fields wider than the system's
    add(window)
    monkeypatch.setattr(missing_wedge, "preferences", lambda: Preferences(live=False, device="cpu", cpu_threads=1))
    dock = MissingWedgeWidget(window)
    window.window.add_dock_widget(dock, area="right")
    QApplication.processEvents()
    area = dock.findChild(QScrollArea)
    assert dock.minimumSizeHint().width() <= 300
    assert area.widget().minimumSizeHint().width() <= 300 - area.verticalScrollBar().sizeHint().width()


# A series that was completed.

WHOLE = tuple(np.arange(-90.0, 90.1, 6.0))
BEYOND = tuple(k for k, angle in enumerate(WHOLE) if abs(angle) > 60)


@pytest.fixture
def completed(viewer, make_dock, settled):
    add(viewer, make_series(WHOLE, generated=BEYOND))
    widget = make_dock()
    settled(widget)
    return widget


def test_the_wedge_that_was_filled_stays_the_wedge(completed, dock_numbers):
    answer = completed._answer
    assert answer.arcs == ((60.0, 120.0),)
    assert completed.ui.missing.text() == "33 % of Fourier space, filled by 10 generated tilts"
    assert completed.ui.elongation.text() == dock_numbers.elongation
    whole = mendem.reconstruct(make_series(WHOLE)).data[:, ROWS // 2]
    np.testing.assert_allclose(answer.pixels, whole, atol=1e-5 * np.ptp(whole))  # of all tilts
    expected = wedge_energy(slice_power(whole), wedge_mask(ANGLES, whole.shape))
    assert answer.energy.missing == pytest.approx(expected.missing, rel=1e-3)


@pytest.fixture
def dock_numbers():
    """What the measured tilts alone say."""
    from napari_mendem.wedge_work import Question, Work
    from napari_mendem.widgets import wedge_words

    class Numbers:
        elongation = wedge_words.elongation(Work().answer(Question(make_series(), ROWS // 2)))

    return Numbers


def test_generated_tilts_are_told_from_measured_ones_in_dial_and_fourier_space(completed, viewer, settled):
    assert completed.ui.dial.shown.generated == set(BEYOND)
    made = roles(viewer)
    assert len(made["tilts"].data) == 21 and len(made["generated"].data) == 10
    assert "generated tilts" in made["generated"].name
    assert not np.allclose(made["generated"].edge_color[0], made["tilts"].edge_color[0])
    completed.ui.fourier.setChecked(False)
    assert "generated" not in roles(viewer)
    completed.ui.fourier.setChecked(True)
    completed.ui.limit.setValue(60.0)
    settled(completed)
    assert "generated" not in roles(viewer) and completed.ui.missing.text() == "33 % of Fourier space"


def test_the_last_measured_tilt_cannot_be_excluded(viewer, make_dock):
    add(viewer, make_series((-60.0, 0.0, 60.0), generated=(0, 2)))
    widget = make_dock(live=False)
    widget.exclude(1)
    assert "last measured one" in widget.ui.message.text() and series_of(viewer.layers["ts"]).excluded == ()


def test_what_is_known_of_a_completed_series_counts_measured_and_generated_apart(completed):
    text = completed.ui.input.about.text().replace("\u00a0", " ")
    assert text.startswith("21 tilts, -60° to 60° · 10 generated · ")


def test_tilts_beyond_the_limit_are_excluded_together_and_taken_in_again(dock, viewer):
    button = dock.findChild(QPushButton, "beyond")
    assert not button.isEnabled()
    dock.exclude(0)
    dock.ui.limit.setValue(50.0)
    assert button.isEnabled() and button.text() == "Exclude"
    button.click()
    assert series_of(viewer.layers["ts"]).excluded == (0, 1, 19, 20)
    assert dock.ui.limit.value() == 50.0 and button.text() == "Include"
    button.click()
    assert series_of(viewer.layers["ts"]).excluded == ()
