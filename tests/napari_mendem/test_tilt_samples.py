"""The tilt series that File › Open Sample offers."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image as ImageLayer

from napari_mendem import samples


@pytest.mark.parametrize(
    ("name", "made", "shape"),
    [("tilt_series", "sample_tilt_series", (40, 64, 72)), ("particles", "sample_particles", (48, 56, 48))],
)
def test_a_tilt_series_opens_with_its_angles_and_hides_its_volume(name, made, shape, monkeypatch):
    import mendem.simulate as simulate

    make = getattr(simulate, made)
    monkeypatch.setattr(f"mendem.simulate.{made}", lambda: make(shape))
    truth, series = (ImageLayer(data, **kwargs) for data, kwargs, _ in getattr(samples, name)())
    assert series.visible and not truth.visible
    assert series.axis_labels == ("tilt", "y", "x") and truth.axis_labels == ("z", "y", "x")
    assert truth.data.shape == shape and series.data.shape[1:] == shape[1:]
    assert tuple(series.scale[1:]) == tuple(truth.scale[1:])
    angles = series.metadata["tilts"]["angles_deg"]
    assert len(angles) == len(series.data) and np.all(np.diff(angles) > 0)
    assert len(series.metadata["truth"]["shifts_px"]) == len(angles)
