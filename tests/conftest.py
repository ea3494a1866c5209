"""Fixtures that any test may use."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session", autouse=True)
def one_precision() -> None:
    """All processes of the tests compute in the same precision: a busy machine may choose differently in each."""
    from mendem.device import choose_dtype

    os.environ.setdefault("MENDEM_PRECISION", str(choose_dtype("cpu")).removeprefix("torch."))


@pytest.fixture(scope="session")
def root() -> Path:
    """The top of the repository."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The real micrographs beside the repository, which are not part of it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data")
    return folder


def pytest_runtest_setup(item: pytest.Item) -> None:
    if "make_napari_viewer" in getattr(item, "fixturenames", ()) and sys.platform == "linux":
        if not os.environ.get("DISPLAY"):
            pytest.skip("napari's canvas needs an X display: run scripts/test.sh")
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")


@pytest.fixture(autouse=True)
def no_leaked_widgets(request: pytest.FixtureRequest):
    """Fail a Qt test that leaves a window of ours open: it would go on receiving events in the tests that follow."""
    yield
    if not {"qtbot", "qapp", "make_napari_viewer"} & set(request.fixturenames):
        return
    from qtpy.QtWidgets import QApplication

    leaked = [
        widget
        for widget in QApplication.topLevelWidgets()
        if type(widget).__module__.startswith("napari_mendem") and widget.isVisible()
    ]
    for widget in leaked:
        widget.close()
    assert not leaked, f"left open: {leaked}"
