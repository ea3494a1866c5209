"""A blur measured where the user points, at an edge or at a bead."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtWidgets import QPushButton

from napari_mendem.picked import BEAD_LAYER, EDGE_LAYER, pick_of, pointing_layer
from napari_mendem.widgets.deblur import DeblurWidget

#: Full width at half maximum of the blur in the picture, pixels.
FWHM = 5.0


@pytest.fixture
def picture() -> np.ndarray:
    """A step at column 200, and a point at row 300, column 100, through the same Gaussian; a little noise."""
    from scipy.ndimage import gaussian_filter

    sharp = np.zeros((400, 400))
    sharp[:, 200:] = 100
    sharp[300, 100] = 4000
    blurred = gaussian_filter(sharp, FWHM / 2.3548)
    return (100 + blurred + np.random.default_rng(0).normal(0, 0.5, sharp.shape)).astype(np.float32)


def press(widget, name) -> None:
    widget.findChild(QPushButton, name).click()


def test_a_line_across_an_edge_fills_in_the_blur(viewer, make_widget, wait, picture):
    raw = viewer.add_image(picture, name="raw", scale=(4, 4), rotate=30, translate=(50, -20), units=("nm", "nm"))
    widget = make_widget(viewer, kind=DeblurWidget)
    press(widget, "measure_edge")
    assert "across a sharp edge" in widget.ui.found.text()
    line = viewer.layers[EDGE_LAYER]
    assert line.mode == "add_line" and line not in widget.ui.slots["psf"].picture._offered()
    line.add_lines([line.world_to_data(raw.data_to_world(p)) for p in ((150, 185), (150, 215))])
    wait(lambda: widget.ui.slots["psf"].kind.value() == "gaussian" and not widget.busy)
    # A pixel's own width is taken off, and the noise is 0.5 % of the step.
    assert widget.ui.slots["psf"].size.value() == pytest.approx(FWHM, rel=0.05)
    assert widget.ui.found.text().startswith("Measured at the edge")


def test_a_click_on_a_bead_fills_in_the_blur(viewer, make_widget, wait, picture):
    viewer.add_image(np.stack([np.zeros_like(picture), picture]), name="raw")
    viewer.dims.set_current_step(0, 1)
    widget = make_widget(viewer, kind=DeblurWidget)
    press(widget, "measure_bead")
    viewer.layers[BEAD_LAYER].add((1, 301, 99))
    wait(lambda: widget.ui.slots["psf"].kind.value() == "gaussian" and not widget.busy)
    assert widget.ui.slots["psf"].size.value() == pytest.approx(FWHM, rel=0.05)


def test_a_bead_that_is_not_round_becomes_a_picture(viewer, make_widget, wait):
    y, x = np.mgrid[:120, :120] - 60.0
    rng = np.random.default_rng(0)
    viewer.add_image(100 * np.exp(-(y**2) / 8 - x**2 / 50) + rng.normal(0, 0.5, y.shape), name="raw")
    widget = make_widget(viewer, kind=DeblurWidget)
    press(widget, "measure_bead")
    viewer.layers[BEAD_LAYER].add((60, 60))
    wait(lambda: widget.ui.slots["psf"].layer is not None and not widget.busy)
    kernel = widget.ui.slots["psf"].layer.data
    assert kernel.sum() == pytest.approx(1) and kernel[kernel.shape[0] // 2].max() == kernel.max()


def test_where_there_is_no_edge_that_is_said(viewer, make_widget, wait, said, picture):
    viewer.add_image(picture, name="raw")
    widget = make_widget(viewer, kind=DeblurWidget)
    press(widget, "measure_edge")
    viewer.layers[EDGE_LAYER].add_lines([[150, 50], [150, 80]])
    wait(lambda: len(said) == 1 and not widget.busy)
    assert "no edge was found on the line; draw it" in said[0] and widget.ui.slots["psf"].kind.value() == "none"


def test_pressing_again_begins_anew(viewer, picture):
    raw = viewer.add_image(picture, name="raw")
    first = pointing_layer(viewer, raw, edge=True)
    assert pick_of(first, raw) is None
    second = pointing_layer(viewer, raw, edge=True)
    assert first not in viewer.layers and second in viewer.layers
