"""Make all screenshots of the documentation, from the simulated sample.

xvfb-run -a -s "-screen 0 1600x1000x24" python scripts/screenshots.py
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import napari
from qtpy.QtWidgets import QApplication

from napari_mendem import samples
from napari_mendem.widgets.denoise import DenoiseWidget

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"


def spin(until: Callable[[], bool], seconds: float = 300.0) -> None:
    """Run the event loop until something is so."""
    end = time.monotonic() + seconds
    while not until():
        if time.monotonic() > end:
            raise TimeoutError("it took too long")
        QApplication.processEvents()
        time.sleep(0.005)


def spin_for(seconds: float) -> None:
    end = time.monotonic() + seconds
    spin(lambda: time.monotonic() > end)


def main() -> None:
    IMAGES.mkdir(parents=True, exist_ok=True)
    viewer = napari.Viewer()
    viewer.window.resize(1400, 880)
    for data, kwargs, _ in samples.micrograph():
        viewer.add_image(data, **kwargs)
    viewer.canvas.overlays.scale_bar.visible = True
    spin_for(0.5)

    def shot(name: str) -> None:
        spin_for(0.4)
        viewer.screenshot(IMAGES / f"{name}.png", canvas_only=False, flash=False)
        print(IMAGES / f"{name}.png")

    def previewed() -> bool:
        frame = widget.live.preview._shown
        return frame is not None and frame.final

    shot("sample")
    widget = DenoiseWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Denoise (Mendem)", area="right")
    widget.ui.live.setChecked(True)
    spin(previewed)
    viewer.scene.camera.zoom *= 1.8
    spin_for(0.3)
    spin(previewed)
    shot("live-preview")
    widget.ui.residual.setChecked(True)
    widget.restore()
    spin(lambda: not widget.busy)
    shot("restored")
    viewer.layers["Neuropil · Denoise spread"].visible = True
    viewer.layers["Neuropil · Denoise"].visible = False
    shot("spread")
    widget.findChild(object, "advanced").expand(animate=False)
    spin_for(0.3)
    widget.grab().save(str(IMAGES / "denoise-widget.png"))
    widget.findChild(object, "advanced").collapse(animate=False)
    viewer.layers["Neuropil · Denoise"].visible = True
    viewer.layers["Neuropil · Denoise spread"].visible = False
    widget.ui.control.click()
    spin(lambda: not widget.busy)
    shot("control")
    viewer.close()


if __name__ == "__main__":
    main()
