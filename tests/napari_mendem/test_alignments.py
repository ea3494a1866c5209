"""Aligned tilts as a layer, and what a layer keeps of an alignment."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image as ImageLayer

import mendem
from mendem.errors import MendemError
from mendem.tomography.tilt_series import TiltSeries
from napari_mendem.aligned_tilts import AlignedTilts
from napari_mendem.alignments import AlignedPreview, accept, can_undo, undo
from napari_mendem.layers import PREVIEW
from napari_mendem.tilt_layers import layer_of, series_of, tilts_metadata

ANGLES = (40.0, -20.0, 0.0, 20.0)


def series(**changes) -> TiltSeries:
    y, x = np.mgrid[:40, :50]
    rng = np.random.default_rng(0)
    stack = np.stack([np.exp(-((y - a) ** 2 + (x - b) ** 2) / 30) for a, b in rng.uniform(15, 25, (4, 2))])
    image = mendem.Image(stack.astype(np.float32), ("tilt", "y", "x"), mendem.VoxelSize((None, 2.0, 2.0)), {}, "ts")
    return TiltSeries(image, ANGLES, **changes)


def add(viewer, made: TiltSeries) -> ImageLayer:
    data, kwargs, _ = layer_of(made, "ts")
    return viewer.add_image(data, **kwargs)


def test_whole_pixels_are_moved_by_minus_the_shift():
    shifts = ((3.0, -2.0), (0.0, 0.0), (-1.0, 4.0), (2.0, 2.0))
    made = series(shifts=shifts, excluded=(1,))
    aligned, raw = AlignedTilts(made), made.image.data
    assert aligned.shape == raw.shape
    for tilt, (dy, dx) in enumerate(shifts):
        expected = np.roll(raw[tilt], (-int(dy), -int(dx)), (0, 1))
        np.testing.assert_array_equal(aligned[tilt][8:-8, 8:-8], expected[8:-8, 8:-8])
    np.testing.assert_array_equal(aligned[1:3, 5, :], np.stack([aligned[1][5], aligned[2][5]]))
    assert aligned[-1, 3, 4] == aligned[3][3, 4]


def test_a_tilt_axis_along_x_changes_rows_and_columns():
    made = series(axis_angle=90.0)
    aligned = AlignedTilts(made)
    assert aligned.shape == (4, 50, 40)
    # The tilt axis is counterclockwise from y with the first row at the bottom, as IMOD shows it: it is turned back
    # clockwise there, which is counterclockwise with the first row at the top.
    np.testing.assert_allclose(aligned[2], np.rot90(made.image.data[2]), atol=1e-6)


def test_an_accepted_alignment_is_the_layers_and_undo_brings_back_what_was_stated(viewer):
    stated = series(axis_angle=3.0)
    layer = add(viewer, stated)
    assert not can_undo(layer)
    heard: list[int] = []
    layer.events.metadata.connect(lambda _: heard.append(1))
    for shift in (1.5, 2.5):
        accept(layer, series(axis_angle=4.0, shifts=((shift, 0.0),) * 4, excluded=(0,)))
    found = series_of(layer)
    assert found.shifts[0] == (2.5, 0.0) and found.axis_angle == 4.0 and found.excluded == (0,) and found.aligned
    undo(layer)
    assert tilts_metadata(series_of(layer)) == tilts_metadata(stated) and len(heard) == 3
    with pytest.raises(MendemError, match="nothing to undo"):
        undo(layer)


def test_the_preview_lies_on_the_raw_tilts_and_is_not_a_series_of_its_own(viewer):
    made = series(shifts=((1.0, 0.0),) * 4)
    layer = add(viewer, made)
    preview = AlignedPreview(viewer)
    preview.show(made, layer)
    shown = preview.layer
    np.testing.assert_allclose(shown.extent.world, layer.extent.world)
    assert shown.metadata.get(PREVIEW) and viewer.layers.selection.active is layer and shown.units == layer.units
    preview.show(series(axis_angle=90.0), layer)
    middle = [one.extent.world.mean(0) for one in (preview.layer, layer)]
    np.testing.assert_allclose(*middle)
    assert len(viewer.layers) == 2
    preview.remove()
    assert len(viewer.layers) == 1
