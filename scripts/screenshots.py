"""Make all screenshots of the documentation, from the simulated samples.

xvfb-run -a -s "-screen 0 1600x1000x24" python scripts/screenshots.py [NAME …]

With names, only the scenes of those names: denoise, deblur, superres, inpaint, mend, compare, isotropic,
align, reconstruct, missing_wedge, fill_wedge.
"""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from pathlib import Path

import napari
import numpy as np
from PIL import Image
from qtpy.QtWidgets import QApplication, QWidget

import mendem
from napari_mendem import samples
from napari_mendem.damage import PAINT_LAYER
from napari_mendem.layers import layer_from_image
from napari_mendem.picked import EDGE_LAYER
from napari_mendem.tilt_layers import series_of
from napari_mendem.wedge_tilts import by_angle
from napari_mendem.widgets.align import AlignWidget
from napari_mendem.widgets.compare import CompareWidget
from napari_mendem.widgets.deblur import DeblurWidget
from napari_mendem.widgets.denoise import DenoiseWidget
from napari_mendem.widgets.fill_wedge import FillWedgeWidget
from napari_mendem.widgets.inpaint import InpaintWidget
from napari_mendem.widgets.isotropic import IsotropicWidget
from napari_mendem.widgets.mend import MendWidget
from napari_mendem.widgets.missing_wedge import MissingWedgeWidget
from napari_mendem.widgets.reconstruct import ReconstructWidget
from napari_mendem.widgets.super_resolve import SuperResolveWidget
from napari_mendem.widgets.task_widget import TaskWidget
from napari_mendem.widgets.tilt_dock import TiltDock

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"

#: Size of the window, and what a picture may take, bytes: with fewer colours where it takes more.
WINDOW = 1280, 800
LARGEST = 300_000


def spin(until: Callable[[], bool], seconds: float = 600.0) -> None:
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


def save(name: str, pixels: np.ndarray) -> None:
    """Write a picture (H, W, 3 or 4) with as many greys as its size allows."""
    pixels = np.ascontiguousarray(pixels[..., :3])
    coloured = np.ptp(pixels.astype(int), axis=-1) > 24
    for count in (192, 96, 64, 48, 32, 24):
        palette = [*_palette(pixels[coloured], 64), *_palette(pixels[~coloured], count)]
        chosen = Image.new("P", (1, 1))
        chosen.putpalette([int(v) for colour in palette for v in colour])
        packed = io.BytesIO()
        fewer = Image.fromarray(pixels).quantize(palette=chosen, dither=Image.Dither.NONE)
        fewer.save(packed, "PNG", optimize=True)
        if packed.tell() <= LARGEST:
            break
    (IMAGES / f"{name}.png").write_bytes(packed.getvalue())
    print(f"{IMAGES / name}.png: {packed.tell() // 1000} kB, {count} greys")


def _palette(pixels: np.ndarray, count: int) -> np.ndarray:
    """The best ``count`` colours for pixels (N, 3)."""
    if not len(pixels):
        return np.zeros((0, 3), np.uint8)
    found = Image.fromarray(pixels[None]).quantize(count, method=Image.Quantize.MEDIANCUT).getpalette()
    return np.array(found, np.uint8).reshape(-1, 3)


class Scene:
    """A napari window with one sample in it, for as many pictures as one likes."""

    def __init__(self, sample: Callable[[], list]) -> None:
        self.viewer = viewer = napari.Viewer()
        viewer.window.resize(*WINDOW)
        for data, kwargs, _ in sample():
            self.image = viewer.add_image(data, **kwargs)
        viewer.canvas.overlays.scale_bar.visible = True
        spin_for(0.5)
        viewer.fit_to_view()
        spin_for(0.3)

    def dock(self, kind: type[TaskWidget] | type[TiltDock]) -> TaskWidget | TiltDock:
        """Open a dock, with its live preview off."""
        widget = kind(self.viewer)
        widget.ui.live.setChecked(False)
        title = kind.title if issubclass(kind, TiltDock) else kind.task.title
        self.viewer.window.add_dock_widget(widget, name=f"{title} (Mendem)", area="right")
        spin_for(0.3)
        self.viewer.fit_to_view()
        spin_for(0.3)
        return widget

    def look_at(self, row: float, column: float, pixels: float) -> None:
        """Show ``pixels`` rows of the sample around a place."""
        camera = self.viewer.scene.camera
        camera.center = tuple(self.image.data_to_world((row, column)))
        camera.zoom = self.viewer.canvas.size[0] / (pixels * self.image.scale[-1])
        spin_for(0.3)

    def shot(self, name: str) -> None:
        """The whole window."""
        spin_for(0.5)
        save(name, self.viewer.screenshot(canvas_only=False, flash=False))

    def canvas(self, name: str) -> None:
        """The canvas alone."""
        spin_for(0.5)
        save(name, self.viewer.screenshot(canvas_only=True, flash=False))

    def close(self) -> None:
        self.viewer.close()
        spin_for(0.2)


def previewed(widget: TaskWidget) -> None:
    """Wait for the last frame of the live preview."""
    spin_for(0.2)
    spin(
        lambda: (
            not widget.live.preview.busy and widget.live.preview._shown is not None and widget.live.preview._shown.final
        )
    )


def idle(widget: TaskWidget | TiltDock | CompareWidget | MissingWedgeWidget) -> None:
    """Wait for what a button started."""
    spin_for(0.1)
    spin(lambda: not widget.busy)
    spin_for(0.1)


def picture_of(widget: QWidget) -> np.ndarray:
    """A widget as pixels."""
    image = widget.grab().toImage().convertToFormat(widget.grab().toImage().Format.Format_RGB888)
    bits = image.constBits()
    bits.setsize(image.sizeInBytes())
    rows = np.frombuffer(bits, np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def side_by_side(pictures: list[np.ndarray], gap: int = 12) -> np.ndarray:
    """Pictures beside each other, the lower ones filled up."""
    height = max(len(p) for p in pictures)
    filled = [np.concatenate([p, np.full((height - len(p), *p.shape[1:]), p[0, 0], np.uint8)]) for p in pictures]
    white = np.full((height, gap, 3), 255, np.uint8)
    return np.concatenate([part for p in filled for part in (p, white)][:-1], axis=1)


def swiped(scene: Scene, name: str) -> CompareWidget:
    """The result beside its input, in the canvas alone."""
    compare = CompareWidget(scene.viewer)
    scene.viewer.window.add_dock_widget(compare, name="Compare (Mendem)", area="right", tabify=True)
    compare.set_mode("swipe")
    idle(compare)
    scene.canvas(name)
    compare.set_mode("off")
    return compare


def denoise() -> None:
    scene = Scene(samples.micrograph)
    viewer = scene.viewer
    scene.shot("sample")
    widget = scene.dock(DenoiseWidget)
    widget.ui.live.setChecked(True)
    previewed(widget)
    viewer.scene.camera.zoom *= 1.8
    previewed(widget)
    scene.shot("live-preview")
    widget.ui.residual.setChecked(True)
    widget.restore()
    idle(widget)
    scene.shot("restored")
    viewer.layers["Neuropil · Denoise spread"].visible = True
    viewer.layers["Neuropil · Denoise"].visible = False
    scene.shot("spread")
    widget.findChild(object, "advanced").expand(animate=False)
    spin_for(0.3)
    save("denoise-widget", picture_of(widget))
    widget.findChild(object, "advanced").collapse(animate=False)
    viewer.layers["Neuropil · Denoise"].visible = True
    viewer.layers["Neuropil · Denoise spread"].visible = False
    widget.ui.control.click()
    idle(widget)
    scene.shot("control")
    scene.close()


def deblur() -> None:
    scene = Scene(samples.blurred)
    viewer = scene.viewer
    widget = scene.dock(DeblurWidget)
    scene.look_at(214, 414, 150)
    widget.ui.slots["psf"].measure_edge.click()
    viewer.layers[EDGE_LAYER].add_lines([[199, 411], [230, 417]])
    spin(lambda: widget.ui.slots["psf"].kind.value() == "gaussian" and not widget.busy)
    spin(lambda: widget.ui.noise.text() != "")
    scene.shot("deblur-measure")
    viewer.layers.remove(EDGE_LAYER)
    viewer.layers.selection.active = scene.image
    widget.errand.forget()
    viewer.fit_to_view()
    widget.ui.parameters.set(psf="gaussian:4px")
    widget.ui.live.setChecked(True)
    previewed(widget)
    scene.shot("deblur-preview")
    shown = []
    viewer.window.resize(WINDOW[0], 980)
    for text in ("gaussian:4px", "motion:8px@30", "ctf:defocus=1200nm,kv=200,cs=2.7"):
        widget.ui.parameters.set(psf=text)
        previewed(widget)
        noise = widget.ui.parameters.widgets["noise"]
        shown.append(picture_of(widget)[: noise.mapTo(widget, noise.rect().topLeft()).y()])
    save("deblur-widget", side_by_side(shown))
    viewer.window.resize(*WINDOW)
    widget.ui.parameters.set(psf="gaussian:4px")
    widget.restore()
    idle(widget)
    swiped(scene, "deblur-swipe")
    scene.close()


def superres() -> None:
    scene = Scene(samples.coarse)
    widget = scene.dock(SuperResolveWidget)
    scene.look_at(120, 150, 110)
    widget.ui.live.setChecked(True)
    previewed(widget)
    scene.shot("superres-preview")
    widget.restore()
    idle(widget)
    swiped(scene, "superres-swipe")
    scene.close()


def inpaint() -> None:
    scene = Scene(samples.damaged)
    viewer = scene.viewer
    widget = scene.dock(InpaintWidget)
    widget.ui.slots["mask"].propose.click()
    idle(widget)
    spin(lambda: widget.ui.noise.text() != "")
    scene.shot("inpaint-propose")
    marks = viewer.layers[PAINT_LAYER]
    marks.mode = "paint"
    marks.brush_size = 11
    marks.paint((351, 244), marks.selected_label)  # a splinter of the tear that is too small to be proposed
    widget.ui.live.setChecked(True)
    previewed(widget)
    scene.shot("inpaint-preview")
    widget.ui.options.set(estimate="sample")
    widget.restore()
    idle(widget)
    marks.visible = False
    scene.shot("inpaint-restored")
    viewer.layers["Neuropil damaged · Inpaint"].visible = False
    viewer.layers["Neuropil damaged · Inpaint spread"].visible = True
    scene.canvas("inpaint-spread")
    scene.close()


def mend() -> None:
    scene = Scene(samples.damaged)
    widget = scene.dock(MendWidget)
    widget.ui.parameters.set(mask="auto")
    widget.ui.live.setChecked(True)
    previewed(widget)
    scene.shot("mend-preview")
    widget.restore()
    idle(widget)
    swiped(scene, "mend-swipe")
    scene.close()


def compare() -> None:
    scene = Scene(samples.micrograph)
    viewer = scene.viewer
    widget = scene.dock(DenoiseWidget)
    widget.restore()
    idle(widget)
    compared = CompareWidget(viewer)
    viewer.window.add_dock_widget(compared, name="Compare (Mendem)", area="right", tabify=True)
    compared.set_mode("swipe")
    scene.look_at(400, 400, 420)
    compared.draw_line()
    line = viewer.layers.selection.active
    line.add_lines([line.world_to_data((1700, 1300)), line.world_to_data((1935, 1930))])
    line.mode = "pan_zoom"
    idle(compared)
    scene.shot("compare-swipe")
    pages = []
    for tab in (1, 3):
        compared.ui.tabs.setCurrentIndex(tab)
        idle(compared)
        spin_for(0.3)
        pages.append(picture_of(compared))
    save("compare-numbers", side_by_side(pages))
    compared.set_mode("difference")
    idle(compared)
    viewer.layers.remove(line)
    viewer.layers.selection.active = viewer.layers["Neuropil · Denoise"]
    idle(compared)
    scene.shot("compare-difference")
    scene.close()


def isotropic() -> None:
    scene = Scene(samples.sections)
    viewer = scene.viewer
    widget = scene.dock(IsotropicWidget)
    widget.views.planes.click()  # to a plane xz
    spin_for(0.5)
    widget.ui.live.setChecked(True)
    previewed(widget)
    scene.shot("isotropic-preview")
    widget.restore()
    idle(widget)
    (result,) = (layer for layer in viewer.layers if layer.name == "Neuropil sections · Isotropic")
    planes = []
    for visible in (False, True):
        result.visible = visible
        spin_for(0.3)
        planes.append(viewer.screenshot(canvas_only=True, flash=False)[..., :3])
    seen = np.argwhere(planes[1].any(-1)[: -len(planes[1]) // 6])  # without the scale bar
    (top, left), (bottom, right) = seen.min(0), seen.max(0) + 1
    save("isotropic-planes", side_by_side([p[top:bottom, left:right] for p in planes]))
    widget.views.compare.click()
    spin_for(1.0)
    scene.shot("isotropic-3d")
    scene.close()


def align() -> None:
    scene = Scene(samples.particles)
    widget = scene.dock(AlignWidget)
    widget.ui.live.setChecked(True)
    widget.restore()
    idle(widget)
    widget.panel.quantity.setValue("centre of mass across the axis")
    scene.shot("align")
    scene.close()


def reconstruct() -> None:
    scene = Scene(samples.particles)
    viewer = scene.viewer
    widget = scene.dock(ReconstructWidget)
    widget.method.setValue(mendem.Sirt(iterations=30, positive=True))
    widget.surroundings.setValue(False)
    viewer.dims.set_point(0, scene.image.data.shape[0] // 2)
    widget.ui.live.setChecked(True)
    spin_for(0.5)
    spin(lambda: not widget.live.newest.busy)
    scene.shot("reconstruct-live")
    scene.close()


def missing_wedge() -> None:
    scene = Scene(samples.tilt_series)
    viewer, layer = scene.viewer, scene.image
    truth = layer.metadata["truth"]
    # The sample is not aligned; what an alignment would find is known.
    found = {name: truth[name] for name in ("shifts_px", "axis_angle_deg")}
    layer.metadata = {**layer.metadata, "tilts": {**layer.metadata["tilts"], **found, "aligned": True}}
    tomogram = mendem.reconstruct(series_of(layer), thickness=viewer.layers[0].data.shape[0])
    data, kwargs, _ = layer_from_image(tomogram, name="Cell · reconstruct", visible=False)
    widget = MissingWedgeWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Missing wedge (Mendem)", area="right")
    widget.select(by_angle(series_of(layer))[20])
    idle(widget)
    viewer.fit_to_view()
    scene.shot("missing-wedge-cell")
    widget.select(by_angle(series_of(layer))[34])
    widget.exclude(by_angle(series_of(layer))[24])
    idle(widget)
    scene.shot("missing-wedge-tilt")
    widget.exclude(by_angle(series_of(layer))[24])
    viewer.add_image(data, **kwargs)
    widget.ui.tomogram.choose(viewer.layers["Cell · reconstruct"])
    widget.ui.limit.setValue(45.0)
    widget.select(by_angle(series_of(layer))[28])
    idle(widget)
    widget.ui.solid.setChecked(True)
    idle(widget)
    scene.shot("missing-wedge-3d")
    scene.close()


def fill_wedge() -> None:
    scene = Scene(samples.particles)
    viewer, layer = scene.viewer, scene.image
    shifts = layer.metadata["truth"]["shifts_px"]
    layer.metadata = {**layer.metadata, "tilts": {**layer.metadata["tilts"], "shifts_px": shifts, "aligned": True}}
    widget = scene.dock(FillWedgeWidget)
    widget.thickness.setValue(viewer.layers[0].data.shape[0])
    viewer.dims.set_point(0, layer.data.shape[0] // 2)
    widget.ui.live.setChecked(True)
    spin_for(0.5)
    spin(lambda: not widget.live.newest.busy)
    scene.shot("fill-wedge-live")
    scene.close()


PICTURED = (denoise, deblur, superres, inpaint, mend, compare, isotropic, align, reconstruct, missing_wedge, fill_wedge)
SCENES = {f.__name__: f for f in PICTURED}

if __name__ == "__main__":
    IMAGES.mkdir(parents=True, exist_ok=True)
    for chosen in sys.argv[1:] or SCENES:
        SCENES[chosen]()
