"""Which layers belong together, and which may be halves."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel

from mendem.errors import MendemError
from mendem.options import Options
from mendem.tasks import Denoise
from napari_mendem.compare import partners
from napari_mendem.compare.background import Background
from napari_mendem.compare.half_job import recipe


def record(sha: str = "abc", previous=None, **more):
    return {
        "task": {"name": "denoise", "parameters": Denoise().parameters()},
        "options": {"budget": "best", "unknown": 1},
        "inputs": {"image": {"sha256": sha}},
        "previous": previous,
        **more,
    }


@pytest.fixture
def viewer() -> ViewerModel:
    return ViewerModel()


def add(viewer, name, mendem=None):
    return viewer.add_image(np.zeros((8, 8)), name=name, metadata={"mendem": mendem} if mendem else {})


def test_a_restoration_finds_its_input_and_its_spread(viewer):
    raw = add(viewer, "raw")
    spread = add(viewer, "raw · Denoise spread", {**record(), "quantity": "standard deviation"})
    restored = add(viewer, "raw · Denoise", record())
    chained = add(viewer, "raw · Denoise · Deblur", record())
    assert partners.input_of(viewer, restored) is raw
    assert partners.input_of(viewer, chained) is restored
    assert partners.spread_of(viewer, restored) is spread
    assert partners.spread_of(viewer, raw) is None
    assert not partners.is_restoration(spread) and not partners.is_restoration(raw)
    restored.name = "better"
    assert partners.spread_of(viewer, restored) is spread


@pytest.mark.parametrize(
    "first, second, halves",
    [
        (("a", None), ("b", None), True),
        (("a", None), ("a · Denoise", record()), False),
        (("a · Denoise", record()), ("a · Deblur", record()), False),
        (("a · Denoise", record("1")), ("b · Denoise", record("2")), True),
        (("x", record("1")), ("y", record("3", previous=record("1"))), False),
    ],
)
def test_only_images_of_separate_measurements_may_be_halves(viewer, first, second, halves):
    a, b = add(viewer, *first), add(viewer, *second)
    why = partners.why_no_halves(a, b)
    assert (why == "") is halves
    assert halves or "no resolution is claimed" in why
    assert partners.why_no_halves(a, a)


def test_halves_are_restored_as_the_image_was():
    task, options = recipe(record(), Options())
    assert task == Denoise() and options.budget == "best"
    assert recipe({}, Options(budget="preview")) == (Denoise(), Options(budget="preview"))
    with pytest.raises(MendemError, match="does not have"):
        recipe(record(task={"name": "dream", "parameters": {}}), Options())


def test_of_each_kind_the_newest_request_wins(wait):
    from threading import Event

    gate, answers, errors = Event(), [], []
    background = Background()
    background.ask("a", lambda: gate.wait(5) and "old", answers.append, errors.append)
    background.ask("a", lambda: "new", answers.append, errors.append)
    background.ask("b", lambda: 1 / 0, answers.append, errors.append)
    gate.set()
    wait(lambda: not background.poll())
    assert answers == ["new"] and isinstance(errors[0], ZeroDivisionError)
