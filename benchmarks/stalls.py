"""How smoothly napari goes on while the plugin works: stalls of the event loop, latencies of preview and cancel.

    python -m benchmarks.stalls        (needs a display; xvfb-run will do)

A timer of 2 ms beats in the GUI thread; a stall is the time between two beats. Layer creation is left out:
napari itself takes 0.1 to 0.3 s to add a layer.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np


class Heartbeat:
    """Times between the beats of a timer in the GUI thread, in ms."""

    def __init__(self) -> None:
        from qtpy.QtCore import Qt, QTimer

        self.gaps: list[float] = []
        self._last = 0.0
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(2)
        self._timer.timeout.connect(self._beat)

    def _beat(self) -> None:
        now = time.perf_counter()
        self.gaps.append(1e3 * (now - self._last))
        self._last = now

    def __enter__(self) -> Heartbeat:
        self.gaps, self._last = [], time.perf_counter()
        self._timer.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._timer.stop()

    def excuse(self) -> None:
        """What has just happened does not count."""
        self._last = time.perf_counter()


def spin(until: Callable[[], bool], seconds: float = 120.0) -> float:
    """Run the event loop until something is so; returns how long it took, in s."""
    from qtpy.QtWidgets import QApplication

    start = time.perf_counter()
    while not until():
        if time.perf_counter() - start > seconds:
            raise TimeoutError("it took too long")
        QApplication.processEvents()
        time.sleep(0.0005)
    return time.perf_counter() - start


def run(side: int = 2048) -> list[dict[str, Any]]:
    """All measurements, as rows for the page: what, stalls (99th percentile and largest, ms), latency (s)."""
    import napari
    from qtpy.QtWidgets import QApplication

    from mendem.simulate import sample_micrograph
    from napari_mendem.widgets.denoise import DenoiseWidget

    noisy, _ = sample_micrograph()
    repeats = -(-side // noisy.shape[0])
    pixels = np.tile(np.asarray(noisy.data), (repeats, repeats))[:side, :side]
    viewer = napari.Viewer()
    viewer.window.resize(1500, 950)
    viewer.add_image(pixels, name="micrograph", scale=(5, 5), units=("nm", "nm"), contrast_limits=(0, 255))
    spin_for(0.5)
    beat = Heartbeat()
    _excuse_layer_creation(viewer, beat)
    rows: list[dict[str, Any]] = []

    def row(what: str, seconds: float | None = None) -> None:
        gaps = beat.gaps
        p99, worst = (float(np.percentile(gaps, 99)), float(max(gaps))) if gaps else (None, None)
        rows.append({"what": what, "stall p99 (ms)": p99, "stall max (ms)": worst, "latency (s)": seconds})
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)

    viewer.scene.camera.zoom *= 3
    with beat:
        for step in range(6):
            viewer.scene.camera.center = (0, 2560 + 300 * (step + 1), 2560)
            spin_for(0.5)
    row("napari alone while panning, for comparison")

    start = time.perf_counter()
    widget = DenoiseWidget(viewer)
    viewer.window.add_dock_widget(widget, area="right")
    QApplication.processEvents()
    rows.append({"what": "widget opens", "stall p99 (ms)": None, "stall max (ms)": None})
    rows[-1]["latency (s)"] = time.perf_counter() - start
    widget.ui.live.setChecked(False)
    with beat:
        seconds = spin(lambda: widget._run is not None)
    row("loading the network and estimating the noise, once", seconds)

    zoom = min(viewer.canvas.size) / (5 * 512)
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 2560, 2560), zoom
    spin_for(0.3)
    with beat:
        widget.ui.live.setChecked(True)
        seconds = spin(lambda: widget.live.output.layer is not None)
        row("first preview of a 512 x 512 view", seconds)
        spin(lambda: not widget.live.preview.busy)
    with beat:
        delays = []
        for step in range(6):
            job = widget.live.preview._job
            viewer.scene.camera.center = (0, 2560 + 300 * (step + 1), 2560)
            asked = time.perf_counter()
            spin(lambda job=job: _answered(widget, job))
            delays.append(time.perf_counter() - asked)
            spin_for(0.5)
        spin(lambda: not widget.live.preview.busy)
    row("live preview while panning, median first answer", float(np.median(delays)))

    with beat:
        started = time.perf_counter()
        widget.restore()
        spin(lambda: not widget.busy, 600)
    row(f"restoring {side} x {side}", time.perf_counter() - started)

    delays = []
    with beat:
        for wait in (0.3, 1.1, 2.3):
            widget.restore()
            spin_for(wait)
            asked = time.perf_counter()
            widget.cancel()
            job, future = widget.errand._job, widget.errand._future
            spin(lambda future=future: future is None or future.done())
            delays.append(time.perf_counter() - asked)
            spin(lambda: not widget.busy)
            assert job is None or job.cancelled.is_set()
    row("cancel until the engine has stopped, longest of 3", max(delays))
    viewer.close()
    return rows


def spin_for(seconds: float) -> None:
    """Run the event loop for a while."""
    end = time.perf_counter() + seconds
    spin(lambda: time.perf_counter() >= end)


def _answered(widget: Any, before: Any) -> bool:
    job = widget.live.preview._job
    return job is not None and job is not before and job.frame is not None


def _excuse_layer_creation(viewer: Any, beat: Heartbeat) -> None:
    add, remove = viewer.add_image, viewer.layers.remove

    def excused(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            from qtpy.QtWidgets import QApplication

            result = call(*args, **kwargs)
            QApplication.sendPostedEvents()
            beat.excuse()
            return result

        return wrapped

    object.__setattr__(viewer, "add_image", excused(add))
    object.__setattr__(viewer.layers, "remove", excused(remove))


if __name__ == "__main__":
    from benchmarks.tables import plain

    print(plain(run()))
