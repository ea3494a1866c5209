"""A prior that is small and untrained (it returns what it is given), images, and an event loop to wait in."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest


@pytest.fixture(scope="session")
def tiny_prior(tmp_path_factory) -> str:
    """Path of a checkpoint that takes milliseconds."""
    import torch

    from mendem.priors import checkpoint
    from mendem.priors.network import UNet
    from mendem.priors.prior import Coverage

    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("prior") / "tiny.safetensors"
    torch.manual_seed(0)
    checkpoint.save(UNet((8, 16), (1, 1), embedding=16), Coverage((2.0, 40.0), ("simulated",), ("noise",)), path, {})
    return str(path)


@pytest.fixture
def options(tiny_prior):
    from mendem.options import Options

    return Options(prior=tiny_prior, device="cpu")


def noisy(shape: tuple[int, ...] = (200, 240), seed: int = 0) -> np.ndarray:
    """Smooth structure with noise, 16 bit."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[-2], : shape[-1]]
    clean = 1000 + 200 * np.sin(y / 9) * np.cos(x / 13)
    return (clean + rng.normal(0, 30, shape)).astype(np.uint16)


@pytest.fixture
def micrograph() -> np.ndarray:
    return noisy()


@pytest.fixture
def viewer():
    """A viewer without a window."""
    from napari.components import ViewerModel

    made = ViewerModel()
    made.canvas.size = (400, 400)
    return made


@pytest.fixture
def said(monkeypatch) -> list[str]:
    """All notifications."""
    heard: list[str] = []
    for name in ("show_warning", "show_error"):
        monkeypatch.setattr(f"napari.utils.notifications.{name}", heard.append)
    return heard


@pytest.fixture
def wait(qapp):
    """Run the event loop until something is so."""

    def until(what: Callable[[], bool], seconds: float = 30.0) -> None:
        end = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < end, "it took too long"
            qapp.processEvents()
            time.sleep(0.002)

    return until


@pytest.fixture
def make_widget(qtbot, tiny_prior, monkeypatch):
    """The widget of a task on a viewer (a `ViewerModel` will do), with the tiny prior and without live preview."""
    from napari_mendem.preferences import Preferences
    from napari_mendem.widgets import task_widget
    from napari_mendem.widgets.denoise import DenoiseWidget
    from napari_mendem.widgets.task_widget import TaskWidget

    monkeypatch.setattr(task_widget, "preferences", lambda: Preferences(live=False, device="cpu", cpu_threads=1))

    def make(viewer, owned: bool = False, kind: type[TaskWidget] = DenoiseWidget) -> TaskWidget:
        """``owned`` by a window, which deletes it."""
        widget = kind(viewer)
        if not owned:
            qtbot.addWidget(widget)
        widget.ui.options.set(prior=tiny_prior)
        return widget

    return make
