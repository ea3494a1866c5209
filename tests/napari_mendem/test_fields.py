"""Input fields come from the declaration of a task and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, fields

import pytest
from qtpy.QtWidgets import QFormLayout, QWidget

from mendem.options import Options, parameter
from mendem.tasks import Denoise
from napari_mendem.widgets.fields import AutoOrNumber, Choice, Fields, Number, Prior, Switch, Whole


@dataclass(frozen=True)
class Made:
    width: float = parameter(1.5, "how wide", unit="nm", low=0, high=9)
    count: int = parameter(3, "how many", low=1, high=5, label="Number")
    kind: str = parameter("a", "which kind", choices=("a", "b"))
    strict: bool = parameter(True, "whether to be strict", advanced=True)
    level: str | float = parameter("auto", "auto, or a level", unit="px", low=0)
    name: str = parameter("x", "what it is called")


@pytest.fixture
def form(qtbot):
    page = QWidget()
    qtbot.addWidget(page)
    page.plain, page.advanced = QFormLayout(), QFormLayout()
    return page


def build(declared, page, heard=None):
    return Fields(declared, page.plain, page.advanced, lambda: heard is not None and heard.append(1))


@pytest.mark.parametrize("declared", [Made, Denoise, Options])
def test_fields_begin_with_the_defaults(form, declared):
    assert build(declared, form).values() == declared()


def test_each_kind_has_its_field_with_range_unit_and_help(form):
    made = build(Made, form)
    width = made.widgets["width"]
    assert isinstance(width, Number) and (width.minimum(), width.maximum(), width.suffix()) == (0, 9, " nm")
    assert "How wide. 0 to 9 nm." in width.toolTip()
    assert isinstance(made.widgets["count"], Whole)
    assert form.plain.labelForField(made.widgets["count"]).text() == "Number"
    assert isinstance(made.widgets["kind"], Choice) and made.widgets["kind"].count() == 2
    assert isinstance(made.widgets["strict"], Switch) and isinstance(made.widgets["level"], AutoOrNumber)
    assert form.advanced.rowCount() == 1


def test_what_is_set_is_what_is_read(form):
    heard = []
    made = build(Made, form, heard)
    made.set(width=2.25, count=5, kind="b", strict=False, level=4.5, name="y")
    made.widgets["name"].editingFinished.emit()
    assert made.values() == Made(2.25, 5, "b", False, 4.5, "y")
    assert len(heard) >= 6
    made.set(level="auto")
    assert made.values().level == "auto"


def test_a_suggestion_changes_nothing_until_a_number_is_wanted(form):
    level = build(Made, form).widgets["level"]
    level.suggest(6.1)
    assert level.value() == "auto"
    level.mode.setValue("given")
    assert level.value() == 6.1
    level.suggest(9.9)
    assert level.value() == 6.1


def test_every_option_has_a_field_that_can_be_found_by_name(form):
    made = build(Options, form)
    assert {w.objectName() for w in made.widgets.values()} == {f.name for f in fields(Options)}
    assert isinstance(made.widgets["prior"], Prior) and made.widgets["tile"].text() == "auto"
