"""A stack of frames becomes one picture, which lies on them; the samples of every task."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Layer

from mendem.tasks import Frames
from napari_mendem import samples
from napari_mendem.costs import Outputs
from napari_mendem.layers import Look, Raster, image_from_layer
from napari_mendem.preview import PreviewJob
from napari_mendem.results import PreviewLayer
from napari_mendem.viewport import View
from napari_mendem.widgets.frames import FramesWidget
from napari_mendem.workers import Preparations, Request


@pytest.fixture(scope="module")
def stack() -> np.ndarray:
    """Five frames of one place, with noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:128, :144]
    clean = 100 + 30 * np.sin(y / 5 + x / 17) * np.cos(x / 7) + 40 * np.exp(-((y - 40) ** 2 + (x - 60) ** 2) / 60)
    return (clean + rng.normal(0, 10, (5, 128, 144))).astype(np.float32)


@pytest.fixture
def viewer(stack):
    viewer = ViewerModel()
    viewer.add_image(
        stack,
        name="frames",
        scale=(1, 4, 4),
        translate=(3, 10, -4),
        units=("pixel", "nm", "nm"),
        axis_labels=("frame", "y", "x"),
    )
    return viewer


def test_the_result_is_one_picture_on_the_frames(viewer, make_widget, wait):
    widget = make_widget(viewer, kind=FramesWidget)
    widget.ui.outputs = lambda: Outputs(spread=True, residual=True)
    assert not widget.ui.slices.isVisibleTo(widget)
    widget.restore()
    wait(lambda: not widget.busy)
    raw, result = viewer.layers["frames"], viewer.layers["frames · Frames"]
    assert result.data.shape == raw.data.shape[1:]
    np.testing.assert_allclose(result.data_to_world((7, 9)), raw.data_to_world((0, 7, 9))[1:])
    assert [str(u) for u in result.units] == ["nanometer"] * 2 and result.axis_labels == ("y", "x")
    assert result.metadata["mendem"]["found"]["frames"]["used"] == [True] * 5
    for beside in ("spread", "residual"):
        assert viewer.layers[f"frames · Frames {beside}"].data.shape == result.data.shape


def test_a_region_of_it_lies_where_it_was_drawn(viewer, make_widget, wait):
    widget = make_widget(viewer, kind=FramesWidget)
    widget.ui.region.region = lambda: (16, 96, 24, 120)
    widget.restore()
    wait(lambda: not widget.busy)
    result = viewer.layers["frames · Frames"]
    assert result.data.shape == (80, 96)
    np.testing.assert_allclose(result.data_to_world((0, 0)), viewer.layers["frames"].data_to_world((0, 16, 24))[1:])


def test_the_preview_is_the_picture_of_all_frames_whichever_is_shown(viewer, options):
    raw = viewer.layers["frames"]
    shown = []
    for index in (0, 3):
        job = PreviewJob(
            Request(image_from_layer(raw), Frames(), options),
            View((index,), index, (0, 128, 0, 144), 1.0),
            Preparations(),
        )
        job.work()
        shown.append(job.frame)
    np.testing.assert_array_equal(shown[0].data, shown[1].data)
    preview = PreviewLayer(viewer)
    preview.show(shown[0], raw, "Frames")
    assert preview.layer.ndim == 2
    np.testing.assert_allclose(preview.layer.data_to_world((0, 0)), raw.data_to_world((0, 0, 0))[1:])


def test_a_stack_that_is_turned_and_skewed_keeps_its_place_without_its_first_axis():
    affine = np.eye(4)
    affine[1:, 1:] = [[0.9, 0.1, 5], [-0.2, 1.1, -3], [0, 0, 1]]
    viewer = ViewerModel()
    raw = viewer.add_image(
        np.zeros((3, 20, 30)),
        scale=(7, 2, 3),
        translate=(4, 10, -4),
        rotate=(0, 0, 30),
        shear=(0, 0, 0.2),
        affine=affine,
    )
    flat = viewer.add_image(np.zeros((20, 30)), **Look.of(raw).flat().at(Raster.of((0, 0))))
    for point in ((0, 0), (5, 11), (19, 2)):
        np.testing.assert_allclose(flat.data_to_world(point), raw.data_to_world((0, *point))[1:], atol=1e-6)


@pytest.mark.parametrize("name", ["blurred", "coarse", "damaged", "frames"])
def test_samples_show_what_was_recorded_and_hide_the_truth_in_its_place(name, monkeypatch):
    import mendem.simulate as simulate

    made = getattr(simulate, f"sample_{name}")
    monkeypatch.setattr(f"mendem.simulate.sample_{name}", lambda: made((64, 80)))
    layers = [Layer.create(*data) for data in getattr(samples, name)()]
    truth, recorded = layers[:2]
    assert recorded.visible and not truth.visible and not any(layer.visible for layer in layers[2:])
    assert {str(u) for u in recorded.units[-2:]} == {"nanometer"}
    for corner in (-0.5, 1.0):  # the first and the last edge of the field
        end = [n - 0.5 if corner > 0 else -0.5 for n in truth.data.shape]
        other = [n - 0.5 if corner > 0 else -0.5 for n in recorded.data.shape[-2:]]
        whole = recorded.data_to_world((*(0,) * (recorded.ndim - 2), *other))[-2:]
        np.testing.assert_allclose(truth.data_to_world(end), whole, atol=1e-6)
