"""The control of a blur gives the text that the task reads, and nothing has to be typed for it."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtWidgets import QFormLayout, QWidget

from mendem.errors import MendemError
from mendem.options import parameter
from mendem.physics.point_spread import parse_point_spread
from mendem.tasks import Deblur
from napari_mendem.widgets.blur_field import BlurField
from napari_mendem.widgets.connections import Connections


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


@pytest.fixture
def form(qtbot):
    page = QWidget()
    qtbot.addWidget(page)
    page.form = QFormLayout(page)
    return page


@pytest.fixture
def make(viewer, form):
    def made(entries=("none", "gaussian:", "disc:", "motion:", "ctf:"), default="none") -> BlurField:
        field = BlurField(viewer, Connections(), entries, default, form)
        field.add_to(form.form, "Blur", "")
        return field

    return made


def entries(field) -> list[str]:
    return [field.kind.itemData(i) for i in range(field.kind.count())]


def shown(field, form) -> set[str]:
    """Labels of the rows that are seen."""
    rows = (field.kind, field._sized, field.angle, *field.optics.values(), field.picture)
    return {form.form.labelForField(row).text() for row in rows if form.form.isRowVisible(row)}


@pytest.mark.parametrize(
    "text",
    ["none", "gaussian:6px", "gaussian:12.5nm", "disc:4px", "motion:8px@30", "motion:2.5nm@-45.5"],
)
def test_what_is_set_is_what_is_read(make, text):
    field = make()
    field.set_pixel(2.0)
    field.setValue(text)
    assert field.value() == text
    Deblur(psf=text)


@pytest.mark.parametrize("kind", ["gaussian", "disc", "motion", "ctf"])
def test_every_kind_is_understood_by_the_task_as_it_begins(make, kind):
    field = make()
    field.kind.setValue(kind)
    assert parse_point_spread(field.value(), 5.0).kind == kind


def test_a_contrast_transfer_is_said_with_what_differs(make):
    field = make()
    field.setValue("ctf:defocus=-800nm,kv=200,cs=1.2,astigmatism=35nm")
    assert field.value() == "ctf:defocus=-800nm,kv=200,cs=1.2,astigmatism=35nm"
    assert parse_point_spread(field.value(), 0.3).optics.defocus == -800


def test_only_the_rows_of_a_kind_are_seen(make, form):
    field = make()
    assert shown(field, form) == {"Blur"}
    field.kind.setValue("gaussian")
    assert shown(field, form) == {"Blur", "Width"}
    field.kind.setValue("motion")
    assert shown(field, form) == {"Blur", "Length", "Angle"}
    field.kind.setValue("ctf")
    assert {"Blur", "Defocus", "Voltage", "Cs"} < shown(field, form)


def test_another_unit_says_the_same_length(make):
    field = make()
    field.set_pixel(5.0)
    field.setValue("gaussian:3px")
    field.unit.setValue("nm")
    assert field.value() == "gaussian:15nm"
    field.unit.setValue("px")
    assert field.value() == "gaussian:3px"


def test_nanometres_need_a_pixel_size(make):
    field = make()
    field.set_pixel(5.0)
    field.setValue("disc:20nm")
    field.set_pixel(None)
    assert field.value() == "disc:4px" and not field.unit.isEnabled()


def test_each_change_is_heard_once(make):
    field, heard = make(), []
    field.changed.connect(lambda: heard.append(1))
    field.kind.setValue("gaussian")
    field.size.setValue(4.0)
    field.unit.setValue("px")
    assert len(heard) == 2


def test_a_picture_is_a_layer_of_its_own(make, viewer, form):
    field = make()
    field.kind.setValue("picture")
    with pytest.raises(MendemError, match="choose under Picture"):
        field.value()
    layer = viewer.add_image(np.eye(5), name="bead")
    assert field.layer is None
    field.choose(layer)
    assert field.layer is layer and field.value() == "none" and shown(field, form) == {"Blur", "Picture"}
    field.kind.setValue("gaussian")
    assert field.layer is None


def test_what_a_task_declares_is_offered(make):
    field = make(("none", "auto", "gaussian:", "sincs:"), "auto")
    assert entries(field) == ["none", "auto", "gaussian", "picture"]
    assert field.value() == "auto"


def test_the_field_of_a_task_offers_its_words(make_widget, viewer, monkeypatch):
    from dataclasses import dataclass

    from napari_mendem.widgets.deblur import DeblurWidget

    @dataclass(frozen=True)
    class Blind(Deblur):
        psf: str = parameter("none", "what blurred it", forms=("none", "gaussian:"), choices=("none", "guess"))

    monkeypatch.setattr(DeblurWidget, "task", Blind)
    field = make_widget(viewer, kind=DeblurWidget).ui.slots["psf"]
    assert entries(field) == ["none", "guess", "gaussian", "picture"]
