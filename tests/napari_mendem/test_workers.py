"""A restoration run in the test's own thread, and the layers it leaves."""

from __future__ import annotations

from dataclasses import replace

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel

import mendem
from mendem.image import Image
from mendem.tasks import Denoise
from napari_mendem import workers
from napari_mendem.costs import Outputs, bytes_of, seconds_of
from napari_mendem.layers import Look, image_from_layer
from napari_mendem.results import ResultLayers
from napari_mendem.workers import Preparations, Request, RestoreJob

SPREAD = Outputs()


def job_for(image, options, outputs=SPREAD, **request) -> RestoreJob:
    return RestoreJob(Request(image, Denoise(), options, **request), outputs, Preparations())


@pytest.mark.parametrize("kind", ["plain", "dask", "big-endian", "not a number", "boolean"])
def test_a_job_computes_what_restore_computes(kind, micrograph, options):
    data = {
        "plain": micrograph,
        "dask": da.from_array(micrograph, chunks=(64, 100)),
        "big-endian": micrograph.astype(">u2"),
        "not a number": np.where(micrograph > 1230, np.nan, micrograph).astype(np.float32),
        "boolean": micrograph > 1000,
    }[kind]
    done = job_for(Image(data), options).work()
    expected = mendem.restore(Image(data), Denoise(), options=options)
    np.testing.assert_array_equal(done.result[0], expected.image.data)
    np.testing.assert_array_equal(done.std[0], expected.std.data)
    assert not done.summary.partial and np.isfinite(done.result).all()


def test_a_region_of_one_slice_is_that_part_of_the_whole(options, micrograph):
    stack = Image(np.stack([micrograph, micrograph[::-1], micrograph.T.copy().reshape(micrograph.shape)]))
    whole = job_for(stack, options).work()
    part = job_for(stack, options, region=(40, 140, 30, 200), planes=(1,)).work()
    np.testing.assert_allclose(part.result[0], whole.result[1, 40:140, 30:200], atol=1e-3 * np.ptp(whole.result))
    assert part.provenance["region"] == [40, 140, 30, 200] and part.provenance["planes"] == [1, 1]


def test_residual_and_samples_are_what_their_names_say(micrograph, options):
    chosen = replace(options, samples=2, budget="preview")
    done = job_for(Image(micrograph), chosen, Outputs(True, True, True)).work()
    np.testing.assert_allclose(done.residual[0], micrograph - done.result[0], atol=1e-3)
    expected = mendem.restore(Image(micrograph), Denoise(), options=chosen)
    for mine, theirs in zip(done.samples, expected.samples, strict=True):
        np.testing.assert_array_equal(mine[0], theirs.data)


def test_the_result_is_the_sample_where_that_was_asked_for(micrograph, options):
    chosen = replace(options, estimate="sample", budget="preview")
    done = job_for(Image(micrograph), chosen, Outputs(samples=True)).work()
    np.testing.assert_array_equal(done.result, done.samples[0])


def test_a_cancelled_job_keeps_what_is_finished(options, micrograph):
    job = job_for(Image(np.stack([micrograph] * 4)), options)
    job._set_progress = lambda progress: job.cancel() if progress.block == 2 else None
    job.work()
    assert job.summary.partial and job.provenance["partial"]
    assert np.isfinite(job.result[:2]).all() and np.isnan(job.result[3]).all()


def test_a_job_cancelled_at_once_has_nothing(options, micrograph):
    job = job_for(Image(micrograph), options)
    job.cancel()
    job.work()
    assert job.rows == 0 and job.result is None


def test_a_result_too_large_for_memory_is_kept_in_a_file(options, micrograph, monkeypatch):
    monkeypatch.setattr(workers, "MEMORY_SHARE", 0.0)
    job = job_for(Image(micrograph), options).work()
    assert isinstance(job.result, np.memmap)
    assert any("save it" in note for note in job.provenance["notes"])
    np.testing.assert_array_equal(job.result[0], mendem.restore(micrograph, Denoise(), options=options).image.data)


def test_time_and_memory_grow_with_what_is_asked(options, micrograph):
    run = Preparations().get(Request(Image(micrograph), Denoise(), options))
    half = replace(run, region=(0, 100, 0, 240))
    assert bytes_of(half, Outputs()) < bytes_of(run, Outputs()) < bytes_of(run, Outputs(residual=True))
    job_for(Image(micrograph), options).work()
    best = replace(run, options=replace(options, budget="best"))
    assert 0 < seconds_of(run) < seconds_of(best)


def put_into(viewer, layer, options, outputs=SPREAD, **request) -> ResultLayers:
    job = job_for(image_from_layer(layer), options, outputs, **request)
    results = ResultLayers(viewer, job, Look.of(layer), "Denoise")
    job.work()
    results.grow()
    results.finish()
    return results


def test_layers_have_names_units_and_place_of_the_input(options, micrograph):
    viewer = ViewerModel()
    raw = viewer.add_image(
        np.stack([micrograph] * 2),
        name="raw",
        scale=(8, 4, 4),
        translate=(1, 2, 3),
        rotate=(0, 0, 30),
        affine=np.array([[1, 0, 0, 5], [0, 1.1, 0.1, 6], [0, 0, 1, 7], [0, 0, 0, 1]]),
        units=("nm",) * 3,
        axis_labels=("z", "y", "x"),
        contrast_limits=(700, 1300),
    )
    region = (40, 140, 30, 200)
    put_into(viewer, raw, options, Outputs(True, True, False), region=region, planes=(1,))
    assert [layer.name for layer in viewer.layers] == [
        "raw",
        "raw · Denoise spread",
        "raw · Denoise residual",
        "raw · Denoise",
    ]
    for layer in viewer.layers[1:]:
        assert layer.data.shape == (1, 100, 170)
        assert layer.data_to_world((0, 3, 4)) == pytest.approx(raw.data_to_world((1, 43, 34)))
        assert (layer.units, layer.axis_labels) == (raw.units, raw.axis_labels)
        assert layer.metadata["mendem"]["task"]["name"] == "denoise"
    result, spread = viewer.layers["raw · Denoise"], viewer.layers["raw · Denoise spread"]
    assert tuple(result.contrast_limits) == (700, 1300)
    assert spread.metadata["mendem"]["quantity"] == "standard deviation"
    assert result.visible and not spread.visible and viewer.layers.selection.active is result


def test_samples_become_one_stack(options, micrograph):
    viewer = ViewerModel()
    raw = viewer.add_image(micrograph, name="raw", scale=(4, 4), units=("nm", "nm"))
    put_into(viewer, raw, replace(options, samples=2, budget="preview"), Outputs(samples=True))
    stack = viewer.layers["raw · Denoise samples"]
    assert stack.data.shape == (2, *micrograph.shape)
    assert stack.axis_labels[0] == "sample"


def test_a_result_of_a_result_keeps_its_history(options, micrograph):
    viewer = ViewerModel()
    first = put_into(viewer, viewer.add_image(micrograph, name="raw"), options).layer
    second = put_into(viewer, first, options).layer
    assert second.metadata["mendem"]["previous"] == first.metadata["mendem"]


def test_a_partial_result_says_so_in_its_name(options, micrograph):
    viewer = ViewerModel()
    raw = viewer.add_image(np.stack([micrograph] * 3), name="raw")
    job = job_for(image_from_layer(raw), options)
    job._set_progress = lambda progress: job.cancel() if progress.block == 1 else None
    results = ResultLayers(viewer, job, Look.of(raw), "Denoise")
    job.work()
    results.finish()
    assert "raw · Denoise (partial)" in viewer.layers
    assert viewer.layers["raw · Denoise (partial)"].metadata["mendem"]["partial"]


def test_a_result_that_the_user_removed_does_not_come_back(options, micrograph):
    viewer = ViewerModel()
    raw = viewer.add_image(micrograph, name="raw")
    job = job_for(image_from_layer(raw), options)
    results = ResultLayers(viewer, job, Look.of(raw), "Denoise")
    job.work()
    results.grow()
    viewer.layers.remove(results.layer)
    results.finish()
    assert list(viewer.layers) == [raw]


def test_results_arrive_also_when_the_input_is_gone(options, micrograph):
    viewer = ViewerModel()
    raw = viewer.add_image(micrograph, name="raw")
    job = job_for(image_from_layer(raw), options)
    results = ResultLayers(viewer, job, Look.of(raw), "Denoise")
    viewer.layers.clear()
    job.work()
    results.finish()
    assert "raw · Denoise" in viewer.layers
