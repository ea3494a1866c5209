"""A volume of sections in napari: where results and previews lie, how they grow, and what they cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel

import mendem
from mendem.blocks import Block
from mendem.image import Image, VoxelSize
from mendem.tasks import Isotropic
from mendem.volumes import volume_estimates
from napari_mendem import costs
from napari_mendem.costs import Outputs
from napari_mendem.layers import Look, Raster, along_z, image_from_layer
from napari_mendem.preview import PreviewJob
from napari_mendem.preview_volume import parts_of, plane_frames, planes_of
from napari_mendem.results import PreviewLayer, ResultLayers
from napari_mendem.viewport import SideView, go_to, rectangle_of, seen_region, visible_side
from napari_mendem.workers import Preparations, Request, RestoreJob

SPREAD = Outputs()

#: Nothing is corrected: what was measured is where it is.
PLAIN = {"align": False, "contrast": False, "focus": False, "repair": False, "noise": 1.0}


def sections(count: int = 12, side: int = 48, seed: int = 0) -> np.ndarray:
    """Smooth structure, different along each axis."""
    z, y, x = np.mgrid[:count, :side, :side]
    clean = 100 + 40 * np.sin(z / 2.0 + y / 9) * np.cos(x / 7) + 20 * np.cos(y / 5)
    return (clean + np.random.default_rng(seed).normal(0, 1, clean.shape)).astype(np.float32)


def placed() -> dict:
    """Everything that a layer may be placed by."""
    affine = np.eye(4)
    affine[:3] = [[1.1, 0, 0.1, 2], [0, 0.9, 0.1, 5], [0.1, -0.2, 1.1, -3]]
    return {
        "scale": (28, 7, 6),
        "translate": (40, -10, 4),
        "rotate": (10, 20, 30),
        "shear": (0.1, 0, 0.2),
        "affine": affine,
        "units": ("nm",) * 3,
        "axis_labels": ("z", "y", "x"),
    }


def restored(viewer, raw, task, options, outputs=SPREAD, **request):
    job = RestoreJob(Request(image_from_layer(raw), task, options, **request), outputs, Preparations())
    results = ResultLayers(viewer, job, Look.of(raw), task.title)
    job.work()
    results.finish()
    return job, results.layer


@pytest.mark.parametrize("sampling", ["average", "skip", "both"])
@pytest.mark.parametrize("factor", [4.0, 2.6])
def test_each_plane_of_a_result_lies_where_its_section_does(sampling, factor, options):
    viewer = ViewerModel()
    raw = viewer.add_image(sections(6), name="raw", **placed())
    task = Isotropic(factor=factor, sampling=sampling, thickness=0.5, **PLAIN)
    region = (5, 40, 8, 48)
    job, layer = restored(viewer, raw, task, replace(options, samples=1), Outputs(True, True, True), region=region)
    grid = job.run.grid
    assert layer.data.shape == (grid.height, 35, 40)
    for plane in (0, 3, grid.height - 1):
        there = raw.data_to_world((grid.section_at(plane), 5 + 7, 8 + 9))
        assert layer.data_to_world((plane, 7, 9)) == pytest.approx(there)
        assert viewer.layers[f"{layer.name} spread"].data_to_world((plane, 7, 9)) == pytest.approx(there)
        samples = viewer.layers[f"{layer.name} samples"]
        assert samples.data_to_world((0, plane, 7, 9)) == pytest.approx((0, *there))
    assert (layer.units, layer.axis_labels) == (raw.units, raw.axis_labels)
    if not task.keeps_measured:
        residual = viewer.layers[f"{layer.name} residual"]
        assert residual.data.shape == (6, 35, 40)
        assert residual.data_to_world((2, 7, 9)) == pytest.approx(raw.data_to_world((2, 12, 17)))


def test_sections_are_the_means_of_the_planes_that_lie_on_them(options):
    viewer = ViewerModel()
    raw = viewer.add_image(sections(6), name="raw", **placed())
    _, layer = restored(viewer, raw, Isotropic(factor=4, **PLAIN), options)
    # The middle of the four planes of section 2.
    between = (layer.data_to_world((9, 3, 4)) + np.array(layer.data_to_world((10, 3, 4)))) / 2
    assert raw.world_to_data(between) == pytest.approx((2, 3, 4))


def test_the_voxels_of_a_result_are_isotropic(options):
    viewer = ViewerModel()
    raw = viewer.add_image(sections(6), name="raw", scale=(28, 7, 7), units=("nm",) * 3)
    _, layer = restored(viewer, raw, Isotropic(**PLAIN), options)
    assert image_from_layer(layer).voxel_size == VoxelSize((7.0, 7.0, 7.0), "nm")


def blocky(monkeypatch, side: int = 64) -> None:
    """Small blocks, so that there are several."""
    monkeypatch.setattr("mendem.blocks.VOLUME_BLOCK", side)
    monkeypatch.setattr("mendem.blocks.VOLUME_CELL", 16)


def test_a_result_is_there_before_its_first_block_is_done_and_cancel_takes_the_unfinished_away(options, monkeypatch):
    blocky(monkeypatch, 32)
    monkeypatch.setattr("mendem.volumes.VOLUME_BATCH", 1)
    viewer = ViewerModel()
    raw = viewer.add_image(sections(), name="raw")
    job = RestoreJob(Request(image_from_layer(raw), Isotropic(factor=4, **PLAIN), options), Outputs(), Preparations())
    results = ResultLayers(viewer, job, Look.of(raw), "Isotropic")
    seen = []

    def look(progress) -> None:
        results.grow()
        seen.append((progress.block, results.layer is not None and bool(np.isfinite(results.layer.data).any())))
        if progress.fraction * progress.blocks > 2.5:
            job.cancel()

    monkeypatch.setattr(job, "_set_progress", look)
    job.work()
    assert (0, True) in seen  # something was seen while the first block was at work
    assert job.summary.partial and job.summary.finished == 2
    results.finish()
    assert "partial" in results.layer.name
    finite = np.isfinite(job.result)
    kept = np.zeros_like(finite)
    for block in job.run.blocks[:2]:
        kept[tuple(slice(*s) for s in (block.planes, block.rows, block.columns))] = True
    np.testing.assert_array_equal(finite, kept)


def test_a_run_that_is_cancelled_in_its_first_block_leaves_no_layer(options, monkeypatch):
    monkeypatch.setattr("mendem.volumes.VOLUME_BATCH", 1)
    viewer = ViewerModel()
    raw = viewer.add_image(sections(), name="raw")
    job = RestoreJob(Request(image_from_layer(raw), Isotropic(factor=4, **PLAIN), options), Outputs(), Preparations())
    results = ResultLayers(viewer, job, Look.of(raw), "Isotropic")
    grown = []

    def look(_) -> None:
        results.grow()
        grown.append(len(viewer.layers))
        if len(viewer.layers) == 2:
            job.cancel()

    monkeypatch.setattr(job, "_set_progress", look)
    job.work()
    results.finish()
    assert 2 in grown and list(viewer.layers) == [raw]


@pytest.mark.parametrize("samples", [0, 1])
def test_the_pixels_that_are_counted_are_those_that_the_network_is_asked_about(samples, options, monkeypatch):
    from mendem.priors.network_prior import NetworkPrior

    blocky(monkeypatch, 32)
    asked = []
    denoise = NetworkPrior.denoise
    monkeypatch.setattr(
        NetworkPrior,
        "denoise",
        lambda s, x, t, c, k=lambda: None: asked.append(c.y[:, :1].numel()) or denoise(s, x, t, c, k),
    )
    request = Request(
        Image(sections(8, 48)), Isotropic(factor=3, **PLAIN), replace(options, budget="preview", samples=samples)
    )
    run = Preparations().get(request)
    asked.clear()
    RestoreJob(request, Outputs(), Preparations()).work()
    assert costs.pixels_of_run(run) == pytest.approx(sum(asked))


def test_memory_grows_with_the_region_and_counts_planes(options):
    preparations = Preparations()
    request = Request(Image(sections(12, 64)), Isotropic(factor=4, **PLAIN), options)
    whole = preparations.get(request)
    part = preparations.get(replace(request, region=(0, 32, 0, 64)))
    assert costs.bytes_of(whole, Outputs()) > costs.bytes_of(part, Outputs())
    extra = costs.bytes_of(whole, Outputs(residual=True)) - costs.bytes_of(whole, Outputs())
    assert extra == 4 * 12 * 64 * 64  # of the sections
    spread = costs.bytes_of(whole, Outputs(True)) - costs.bytes_of(whole, Outputs(False))
    assert spread == 4 * 48 * 64 * 64  # of the planes


# What is seen, and its preview.


@pytest.mark.parametrize("order", [(1, 0, 2), (1, 2, 0)])
def test_a_plane_xz_is_seen_however_it_is_turned(order):
    viewer = ViewerModel()
    viewer.canvas.size = (400, 600)
    layer = viewer.add_image(np.zeros((50, 200, 300)), scale=(4, 1, 1), translate=(0, 7, 0))
    viewer.dims.order = order
    viewer.dims.set_point(1, 7 + 33)
    centre = {0: 100.2, 2: 150.2}
    viewer.scene.camera.center = (0, *(centre[axis] for axis in order[1:]))
    viewer.scene.camera.zoom = 10.0
    view = visible_side(viewer, layer)
    assert (view.direction, view.position) == ("xz", 33)
    tall, wide = (20, 30) if order[1] == 0 else (30, 20)  # half of what is seen, in world units
    assert view.sections == (round((100.2 - tall) / 4), round((100.2 + tall) / 4) + 1)
    assert view.across == (150 - wide, 151 + wide)
    assert view.thinning == pytest.approx(2 * wide / 400)


def test_a_plane_yz_is_seen_and_sections_and_blocks_are_not():
    viewer = ViewerModel()
    viewer.canvas.size = (400, 600)
    layer = viewer.add_image(np.zeros((50, 200, 300)))
    assert visible_side(viewer, layer) is None
    viewer.dims.order = (2, 0, 1)
    viewer.dims.set_point(2, 250)
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 25, 100), 2.0
    assert visible_side(viewer, layer) == SideView("yz", 250, (0, 50), (0, 200), 300 / 400)
    viewer.dims.ndisplay = 3
    assert visible_side(viewer, layer) is None


def test_the_visible_region_of_a_plane_has_all_of_its_rows():
    viewer = ViewerModel()
    viewer.canvas.size = (400, 400)
    layer = viewer.add_image(np.zeros((50, 200, 300)))
    viewer.dims.order = (1, 0, 2)
    viewer.scene.camera.center, viewer.scene.camera.zoom = (0, 25.2, 150.2), 4.0
    assert seen_region(viewer, layer) == (0, 200, 100, 201)


def test_a_rectangle_on_a_plane_takes_all_of_its_rows():
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((50, 200, 300)), scale=(4, 1, 1))
    shapes = viewer.add_shapes([[[40, 33, 20], [40, 33, 59], [80, 33, 59], [80, 33, 20]]], shape_type="rectangle")
    assert rectangle_of(viewer, shapes, layer) == (0, 200, 20, 60)


def test_the_slider_goes_to_a_section_whatever_the_units():
    viewer = ViewerModel()
    layer = viewer.add_image(np.zeros((50, 20, 30)), scale=(32, 8, 8), translate=(100, 0, 0), units=("nm",) * 3)
    viewer.layers.units = ("um",) * 3
    go_to(viewer, layer, 0, 12)
    assert viewer.dims.point[0] == pytest.approx((100 + 32 * 12) / 1000)


@pytest.fixture
def request_(options) -> Request:
    return Request(Image(sections(12, 80)), Isotropic(factor=4, **PLAIN), options)


@pytest.mark.parametrize("direction", ["xz", "yz"])
def test_the_preview_is_that_plane_of_a_restoration_in_its_own_direction(direction, request_, monkeypatch):
    monkeypatch.setattr("napari_mendem.costs.speed_of", lambda run, thin: 1.0)  # as slow as can be: in parts
    monkeypatch.setattr("napari_mendem.costs.measured_speed", lambda *a, **k: None)
    run = Preparations().get(request_)
    view = SideView(direction, 30, (2, 9), (5, 80), 1.0)
    frames = list(plane_frames(run, view, lambda: None))
    assert len(frames) > 1 and [f.final for f in frames] == [False] * (len(frames) - 1) + [True]
    *_, whole = volume_estimates(run, Block((0, 48), (0, 80), (0, 80)), directions=(direction,))
    planes = slice(*planes_of(run.grid, 2, 9))
    expected = whole.mean[planes, 30:31, 5:80] if direction == "xz" else whole.mean[planes, 5:80, 30:31]
    np.testing.assert_allclose(frames[-1].pixels, expected, atol=1e-3 * np.ptp(request_.image.data))
    middle = frames[0].pixels[:, 0, 37] if direction == "xz" else frames[0].pixels[:, 37, 0]
    assert np.isfinite(middle).all() and not np.isfinite(frames[0].pixels).all()


def test_the_preview_of_a_plane_lies_on_its_input(request_):
    viewer = ViewerModel()
    raw = viewer.add_image(request_.image.data, name="raw", **placed())
    job = PreviewJob(
        replace(request_, image=image_from_layer(raw)), SideView("xz", 30, (2, 9), (5, 80), 1.0), Preparations()
    )
    job.work()
    shown = PreviewLayer(viewer)
    shown.show(job.frame, raw, "Isotropic")
    assert job.frame.final and job.frame.pixels.shape[1:] == (1, 75)
    grid = job.run.grid
    first = planes_of(grid, 2, 9)[0]
    there = raw.data_to_world((grid.section_at(first + 3), 30, 5 + 11))  # row 30, and column 11 of what is seen
    assert shown.layer.data_to_world((3, 0, 11)) == pytest.approx(there)


def test_a_better_budget_answers_quickly_first(request_, monkeypatch):
    monkeypatch.setattr("napari_mendem.costs.speed_of", lambda run, thin: 1e9)
    run = Preparations().get(replace(request_, options=replace(request_.options, budget="best")))
    frames = list(plane_frames(run, SideView("xz", 30, (0, 12), (0, 80), 1.0), lambda: None))
    assert [frame.stage for frame in frames] == ["refining", ""]
    assert all(np.isfinite(frame.pixels).all() for frame in frames)


def test_parts_cover_the_view_once_with_the_middle_first(request_, monkeypatch):
    run = Preparations().get(request_)
    for speed in (1.0, 1e5, 1e9):
        monkeypatch.setattr("napari_mendem.costs.speed_of", lambda run, thin, speed=speed: speed)
        parts = parts_of(run, SideView("xz", 30, (0, 12), (3, 1003), 1.0), (0, 48), (3, 1003))
        assert sorted(parts)[0][0] == 3 and sorted(parts)[-1][1] == 1003
        assert all(a[1] == b[0] for a, b in zip(sorted(parts)[:-1], sorted(parts)[1:], strict=True))
        assert parts[0][0] <= 503 <= parts[0][1]


def test_the_planes_of_sections_are_those_whose_middle_lies_in_them(options):
    grid = Isotropic(factor=4).grid(Image(sections(12)))
    assert planes_of(grid, 0, 12) == (0, 48)
    assert planes_of(grid, 3, 5) == (12, 20)
    skipped = Isotropic(factor=4, sampling="skip").grid(Image(sections(12)))
    assert skipped.height == 45 and planes_of(skipped, 0, 12) == (0, 45)
    assert planes_of(skipped, 3, 4) == (10, 15)  # from half way to the section before to half way to the next


def test_a_restoration_in_napari_is_that_of_python(options):
    viewer = ViewerModel()
    raw = viewer.add_image(sections(), name="raw", scale=(28, 7, 7), units=("nm",) * 3)
    job, layer = restored(viewer, raw, Isotropic(), options)
    expected = mendem.restore(image_from_layer(raw), Isotropic(), options=options)
    np.testing.assert_array_equal(layer.data, expected.image.data)
    made = Look.of(raw).at(along_z(Raster.of((0, 0, 0)), job.run.grid))
    np.testing.assert_array_equal(layer.scale, made["scale"])
