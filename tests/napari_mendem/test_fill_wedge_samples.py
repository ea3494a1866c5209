"""Samples in the Fill wedge dock, on a viewer without a window."""

from __future__ import annotations

import numpy as np
import pytest

import mendem
from mendem.priors.wedge_filler import WedgeFiller
from mendem.priors.wedge_network import WedgeNetwork
from mendem.priors.wedge_residual import ResidualNetwork
from mendem.priors.wedge_samples import Sampler
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.phantom import ellipse_phantom
from mendem.tomography.tilt_series import TiltSeries
from mendem.wedge_filling import choice, volume_road
from napari_mendem.layers import PREVIEW
from napari_mendem.tilt_layers import layer_of
from napari_mendem.widgets.fill_wedge import FillWedgeWidget

ANGLES = tuple(float(a) for a in range(-60, 61, 6))
DEPTH, ROWS, WIDTH = 20, 4, 32


@pytest.fixture
def widget(viewer, qtbot) -> FillWedgeWidget:
    """With a series of an isolated object."""
    shadows = ellipse_phantom(DEPTH, 20).project(SliceGeometry(ANGLES, (DEPTH, 20), WIDTH))
    stack = np.repeat(50 + 20 * shadows[:, None], ROWS, axis=1).astype(np.uint16)
    image = mendem.Image(stack, ("tilt", "y", "x"), mendem.VoxelSize((None, 2.0, 2.0)), {"notes": []}, "ts")
    data, kwargs, _ = layer_of(TiltSeries(image, ANGLES, aligned=True), "ts")
    viewer.add_image(data, **kwargs)
    made = FillWedgeWidget(viewer)
    qtbot.addWidget(made)
    made.ui.live.setChecked(False)
    made.thickness.setValue(DEPTH)
    made.device.setValue("cpu")
    return made


def preview(viewer):
    return next((layer for layer in viewer.layers if layer.metadata.get(PREVIEW)), None)


@pytest.fixture
def drawing(monkeypatch) -> list[bool]:
    """Networks that have learned nothing; for how often one was asked for."""
    asked: list[bool] = []

    def network(isolated: bool, device: str) -> WedgeFiller:
        asked.append(isolated)
        return WedgeFiller(WedgeNetwork((8, 16), (1, 1)).eval().requires_grad_(False), isolated)

    residual = ResidualNetwork((8, 16), (1, 1)).eval().requires_grad_(False)
    monkeypatch.setattr(choice, "network_filler", network)
    monkeypatch.setattr(volume_road, "load_sampler", lambda seed, device: Sampler(residual, seed))
    return asked


def test_live_another_seed_is_another_sample_of_the_same_mean(viewer, widget, wait, drawing):
    assert widget.parameters.widgets["seed"].isHidden()
    widget.parameters.set(filler="network", estimate="sample")
    assert not widget.parameters.widgets["seed"].isHidden()
    widget.ui.live.setChecked(True)

    def settled() -> bool:
        return preview(viewer) is not None and not widget.live.newest.busy

    wait(settled)
    first = preview(viewer).data[-DEPTH:].copy()
    assert "another seed draws another" in widget.ui.message.text()
    widget.parameters.set(seed=1)
    wait(lambda: settled() and not np.array_equal(first, preview(viewer).data[-DEPTH:]))
    assert len(drawing) == 1  # the series was looked at once
    widget.parameters.set(seed=0)
    widget.restore()
    wait(lambda: not widget.busy, 60)
    # bfloat16 keeps 8 bits.
    row = widget.row.value()
    np.testing.assert_allclose(first, viewer.layers["ts · fill wedge"].data[:, row], atol=0.02 * first.max())
    assert viewer.layers["ts · fill wedge"].metadata["mendem"]["found"]["sample"]["seed"] == 0


def test_a_sample_that_there_cannot_be_is_refused_beside_the_field_that_mends_it(widget):
    widget.parameters.set(filler="tv", estimate="sample")
    assert "samples are drawn by the volume road" in widget.ui.message.text()
    widget.parameters.set(road="tilts")
    assert not widget.parameters.widgets["estimate"].isHidden()
    widget.parameters.set(estimate="mean")
    assert widget.parameters.widgets["estimate"].isHidden() and not widget.ui.message.text()
