"""Results lie on their input whatever their grid: a point stays where it is, by napari's own transforms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image as ImageLayer

from mendem.image import Image
from mendem.tasks import Deblur, Denoise, Inpaint, Mend, SuperResolve
from napari_mendem.costs import Outputs, bytes_of, work_of
from napari_mendem.layers import Look, image_from_layer
from napari_mendem.preview import PreviewJob, stages, whole_cells
from napari_mendem.results import PreviewLayer, ResultLayers
from napari_mendem.viewport import View
from napari_mendem.workers import Preparations, Request, RestoreJob

#: Where the point is, and what is read around it.
POINT, NEAR = (61, 78), 12

PLAIN = Outputs()

TASKS = {
    "denoise": Denoise(noise=1.0),
    "deblur": Deblur(psf="gaussian:3px", noise=1.0),
    "twice": SuperResolve(factor=2, noise=1.0),
    "eight times": SuperResolve(factor=8, noise=1.0),
    "four times, blurred": SuperResolve(factor=4, psf="disc:3px", noise=1.0),
    "inpaint": Inpaint(),
    "mend": Mend(mask="auto", psf="gaussian:2px", factor=2, noise=1.0),
}


def point(shape: tuple[int, int] = (130, 150), dead: bool = False, sigma: float = 1.3) -> np.ndarray:
    """A round spot and structure far from it, the same on both sides of its row and column; perhaps a dead row."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    away = np.hypot(y - POINT[0], x - POINT[1])
    picture = 100 + 60 * np.cos((y - POINT[0]) / 5) * np.cos((x - POINT[1]) / 7) * (1 - np.exp(-((away / 30) ** 4)))
    picture += 120 * np.exp(-(away**2) / (2 * sigma**2))
    if dead:
        picture[4] = 0
    return picture.astype(np.float32)


def skewed(ndim: int = 2) -> dict:
    """Everything that a layer may be placed by."""
    affine = np.eye(ndim + 1)
    affine[-3:, -3:] = [[0.9, 0.1, 5], [-0.2, 1.1, -3], [0, 0, 1]]
    placed = {"scale": (7, 2, 3), "translate": (4, 10, -4), "units": ("nm",) * 3, "rotate": (0, 0, 30)}
    shear = [0.2] if ndim == 2 else [0, 0, 0.2]
    return {
        **{k: v[-ndim:] for k, v in placed.items()},
        "rotate": 30.0 if ndim == 2 else (0, 0, 30),
        "shear": shear,
        "affine": affine,
    }


def centre(layer: ImageLayer, raw: ImageLayer, index: tuple[int, ...] = ()) -> np.ndarray:
    """Where the spot of ``layer`` lies, in pixels of ``raw``."""
    near = np.array([[*(0,) * len(index), *POINT]], float)
    middle = layer.world_to_data(raw.data_to_world(near[0] + [*index, 0, 0]))[-2:]
    reach = NEAR * raw.scale[-1] / layer.scale[-1]
    start, stop = np.ceil(middle - reach).astype(int), np.floor(middle + reach).astype(int) + 1
    start, stop = np.maximum(start, 0), np.minimum(stop, layer.data.shape[-2:])
    plane = np.asarray(layer.data[(0,) * len(index)] if layer.data.shape[0] == 1 and index else layer.data)
    plane = plane.reshape(-1, *plane.shape[-2:])[index[0] if index and len(plane) > 1 else 0]
    seen = plane[start[0] : stop[0], start[1] : stop[1]].astype(float)
    weight = np.clip(seen - np.median(seen) - 0.3 * np.ptp(seen), 0, None)
    rows, columns = np.indices(seen.shape)
    found = np.array([(weight * rows).sum(), (weight * columns).sum()]) / weight.sum() + start
    return np.array(raw.world_to_data(layer.data_to_world((*(0,) * len(index), *found))))[-2:]


def restored(viewer, raw, task, options, outputs=PLAIN, **request) -> ImageLayer:
    job = RestoreJob(Request(image_from_layer(raw), task, options, **request), outputs, Preparations())
    results = ResultLayers(viewer, job, Look.of(raw), task.title)
    job.work()
    results.finish()
    return results.layer


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
@pytest.mark.parametrize("part", [None, (21, 119, 33, 141)], ids=["all of it", "a region"])
def test_a_point_stays_where_it_is_to_a_hundredth_of_a_pixel(task, part, options):
    viewer = ViewerModel()
    raw = viewer.add_image(point(dead="mask" in task.parameters()), name="raw", **skewed())
    layer = restored(viewer, raw, task, options, region=part)
    assert layer.data.shape == tuple(task.scale * n for n in ((130, 150) if part is None else (98, 108)))
    assert centre(layer, raw) == pytest.approx(POINT, abs=0.01)
    assert (layer.units, layer.axis_labels) == (raw.units, raw.axis_labels)


def test_only_rows_and_columns_of_a_stack_are_finer(options):
    viewer = ViewerModel()
    raw = viewer.add_image(np.stack([point(), point()[::-1].copy(), point()]), name="raw", **skewed(3))
    whole = restored(viewer, raw, TASKS["twice"], options)
    assert whole.data.shape == (3, 260, 300)
    assert centre(whole, raw, (2,)) == pytest.approx(POINT, abs=0.01)
    assert whole.data_to_world((1, 0.5, 0.5)) == pytest.approx(raw.data_to_world((1, 0, 0)))
    slice_ = restored(viewer, raw, TASKS["twice"], options, planes=(2,), region=(20, 120, 30, 140))
    assert slice_.data_to_world((0, 0.5, 0.5)) == pytest.approx(raw.data_to_world((2, 20, 30)))


def test_spread_and_samples_lie_on_the_result_and_the_residual_on_the_input(options):
    viewer = ViewerModel()
    raw = viewer.add_image(point(), name="raw", **skewed())
    chosen = replace(options, samples=2, budget="preview")
    outputs = Outputs(True, True, True)
    layer = restored(viewer, raw, TASKS["twice"], chosen, outputs, region=(20, 120, 30, 140))
    spread, residual = viewer.layers[f"{layer.name} spread"], viewer.layers[f"{layer.name} residual"]
    samples = viewer.layers[f"{layer.name} samples"]
    assert (spread.data.shape, residual.data.shape, samples.data.shape) == ((200, 220), (100, 110), (2, 200, 220))
    assert spread.data_to_world((3, 4)) == pytest.approx(layer.data_to_world((3, 4)))
    assert samples.data_to_world((1, 3, 4)) == pytest.approx((1, *layer.data_to_world((3, 4))))
    assert residual.data_to_world((3, 4)) == pytest.approx(raw.data_to_world((23, 34)))


def test_the_voxel_size_of_a_finer_result_is_finer(options):
    viewer = ViewerModel()
    raw = viewer.add_image(point(), name="raw", scale=(4, 4), units=("nm", "nm"))
    result = image_from_layer(restored(viewer, raw, TASKS["twice"], options))
    assert result.voxel_size.values == pytest.approx((2, 2)) and result.voxel_size.unit == "nm"


@pytest.mark.parametrize("dtype", ["uint8", "uint16", ">i2", "float64"])
def test_what_was_measured_comes_back_in_its_own_type(dtype, options):
    viewer = ViewerModel()
    raw = viewer.add_image(point(dead=True).astype(dtype), name="raw")
    layer = restored(viewer, raw, Inpaint(mask="auto"), options)
    kept = abs(np.arange(130) - 4) > 1  # what is proposed is a pixel wider than what was found
    assert layer.data.dtype == np.dtype(dtype).newbyteorder("=")
    np.testing.assert_array_equal(layer.data[kept], raw.data[kept])
    assert (layer.data[4, 20:] > 50).all()
    spread = viewer.layers[f"{layer.name} spread"]
    assert spread.data[kept].max() == 0 and spread.contrast_limits[1] >= np.median(spread.data[4]) > 0


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
@pytest.mark.parametrize("thinning", [0.3, 1.0], ids=["zoomed in", "far out"])
def test_the_preview_lies_on_its_input_too(task, thinning, options, monkeypatch):
    monkeypatch.setattr("napari_mendem.costs.speed_of", lambda run: 1e9)
    viewer = ViewerModel()
    raw = viewer.add_image(point(dead="mask" in task.parameters()), name="raw", **skewed())
    view = View(0, (), (21, 119, 33, 141), thinning)
    job = PreviewJob(Request(image_from_layer(raw), task, options), view, Preparations())
    job.work()
    assert job.frame.final and np.isfinite(job.frame.data).all()
    shown = PreviewLayer(viewer)
    shown.show(job.frame, raw, task.title)
    assert centre(shown.layer, raw) == pytest.approx(POINT, abs=0.01)


def test_the_preview_is_the_result(options, monkeypatch):
    monkeypatch.setattr("napari_mendem.costs.speed_of", lambda run: 1e9)
    task = TASKS["twice"]
    request = Request(Image(point()), task, options)
    whole = RestoreJob(request, Outputs(), Preparations()).work().result[0]
    job = PreviewJob(request, View(0, (), (20, 120, 30, 140), 0.5), Preparations())
    job.work()
    np.testing.assert_allclose(job.frame.data, whole[40:240, 60:280], atol=1e-3 * np.ptp(whole))


def test_a_preview_is_kept_no_finer_than_the_screen_shows(options, monkeypatch):
    monkeypatch.setattr("napari_mendem.costs.speed_of", lambda run: 1e12)
    request = Request(Image(point()), TASKS["eight times"], options)
    preparations = Preparations()
    run = replace(preparations.get(request), image=Image(np.broadcast_to(np.float32(0), (1000, 1000))))
    assert stages(run, (0, 1000, 0, 1000), 1.0) == [4]  # 8000 pixels for a screen of 1000
    assert stages(run, (0, 1000, 0, 1000), 0.1) == [1]
    assert whole_cells((3, 130, 4, 150), 4) == (4, 128, 4, 148)


@pytest.mark.parametrize(("factor", "thinning", "finer"), [(1, 2.0, 0.5), (2, 2.0, 0.5), (2, 1.0, 1)])
def test_a_preview_that_is_coarser_than_its_input_lies_on_it_too(factor, thinning, finer, options, monkeypatch):
    task = Mend(factor=factor, noise=20.0)  # less noise, and the brightest cell would be a defect
    monkeypatch.setattr("napari_mendem.costs.speed_of", lambda run: 1e15)
    monkeypatch.setattr("napari_mendem.costs.pixels_of", lambda *a: 1e9)  # as of a large view
    viewer = ViewerModel()
    raw = viewer.add_image(point((260, 300), sigma=2.6), name="raw", **skewed())
    job = PreviewJob(
        Request(image_from_layer(raw), task, options), View(0, (), (1, 259, 3, 299), thinning), Preparations()
    )
    job.work()
    assert job.frame.finer == finer and job.frame.region == ((2, 258, 4, 298) if finer < 1 else (1, 259, 3, 299))
    shown = PreviewLayer(viewer)
    shown.show(job.frame, raw, "preview")
    # The centre of mass of cells of two pixels is good to a tenth of one; cells in the wrong place are off by a half.
    assert centre(shown.layer, raw) == pytest.approx(POINT, abs=0.1)


def test_a_coarse_first_answer_of_a_finer_result_lies_in_the_right_place(options, monkeypatch):
    monkeypatch.setattr("napari_mendem.costs.speed_of", lambda run: 1e5)
    monkeypatch.setattr("napari_mendem.costs.measured_speed", lambda *a: None)
    seen = []
    job = PreviewJob(
        Request(Image(point()), TASKS["twice"], options), View(0, (), (0, 130, 0, 150), 1.0), Preparations()
    )
    monkeypatch.setattr(PreviewJob, "frame", property(lambda s: None, lambda s, f: f and seen.append(f)), raising=False)
    job.work()
    assert seen[0].stage.startswith("coarse") and seen[-1].final
    viewer = ViewerModel()
    raw = viewer.add_image(point(), name="raw")
    shown = PreviewLayer(viewer)
    for frame in (seen[0], seen[-1]):
        shown.show(frame, raw, "Super-resolve")
        # A cell of the coarse grid is two pixels of the input wide: its centre of mass is good to a tenth of it.
        assert centre(shown.layer, raw) == pytest.approx(POINT, abs=0.01 if frame.final else 0.2)


def test_time_and_memory_are_those_of_the_finer_grid(options):
    def run_of(task):
        return Preparations().get(Request(Image(point()), task, options))

    plain, finer = run_of(TASKS["denoise"]), run_of(TASKS["twice"])
    assert work_of(finer)[1] == pytest.approx(4 * work_of(plain)[1])  # the halo is cut at the image's edges
    extra = [bytes_of(run, Outputs(residual=True)) - bytes_of(run, Outputs()) for run in (plain, finer)]
    assert extra[0] == extra[1] == 4 * 130 * 150
    assert work_of(run_of(TASKS["deblur"]))[1] > work_of(plain)[1]  # the margin is computed too


def test_an_image_with_holes_is_restored_again_from_the_same_preparation(options):
    preparations = Preparations()
    request = Request(Image(point(dead=True)), Inpaint(), options)
    for _ in range(2):
        done = RestoreJob(request, Outputs(), preparations).work()
        assert (done.result[0, 4, 20:] > 50).all()
