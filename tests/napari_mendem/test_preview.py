"""The live preview without a window."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel

import mendem
from mendem.errors import MendemError
from mendem.image import Image
from mendem.tasks import Denoise
from napari_mendem.layers import PREVIEW
from napari_mendem.preview import Frame, LivePreview, PreviewJob, middle_of, pieces_of, stages
from napari_mendem.results import PreviewLayer
from napari_mendem.viewport import View
from napari_mendem.workers import Preparations, Request


def at_once(work) -> Future:
    """A `submit` that has done its work when it returns."""
    future: Future = Future()
    try:
        future.set_result(work())
    except Exception as error:
        future.set_exception(error)
    return future


class Later:
    """A `submit` whose work is done when a test says so."""

    def __init__(self) -> None:
        self.waiting: list = []

    def __call__(self, work) -> Future:
        self.waiting.append((work, Future()))
        return self.waiting[-1][1]

    def do(self, number: int) -> None:
        work, future = self.waiting[number]
        future.set_result(work())


class Heard:
    def __init__(self, submit=at_once) -> None:
        self.frames: list[Frame] = []
        self.runs: list = []
        self.errors: list = []
        self.live = LivePreview(self.frames.append, self.runs.append, self.errors.append, Preparations(), submit)


@pytest.fixture
def request_(micrograph, options) -> Request:
    return Request(Image(micrograph), Denoise(), options)


def view(region, thinning=1.0, plane=0, index=()) -> View:
    return View(plane, index, region, thinning)


def test_the_last_frame_is_the_restoration_of_what_is_seen(request_, micrograph, options):
    heard = Heard()
    heard.live.request(request_, view((20, 120, 30, 160)))
    assert not heard.live.poll()
    (frame,) = heard.frames
    whole = mendem.restore(micrograph, Denoise(), options=options)
    assert frame.final
    np.testing.assert_allclose(frame.data, whole.image.data[20:120, 30:160], atol=0.002 * np.ptp(micrograph))


def test_the_preview_of_a_sample_is_that_sample(request_, options):
    chosen = replace(options, estimate="sample", budget="preview")
    heard = Heard()
    heard.live.request(replace(request_, options=chosen), view((0, 200, 0, 240)))
    heard.live.poll()
    whole = mendem.restore(request_.image, Denoise(), options=chosen)
    np.testing.assert_allclose(heard.frames[-1].data, whole.image.data, atol=0.01 * np.ptp(whole.image.data))


def test_an_outdated_answer_is_never_shown(request_):
    later = Later()
    heard = Heard(later)
    heard.live.request(request_, view((0, 50, 0, 50)))
    heard.live.request(request_, view((50, 100, 0, 50)))
    later.do(1)
    heard.live.poll()
    later.do(0)
    heard.live.poll()
    assert [frame.region for frame in heard.frames] == [(50, 100, 0, 50)]


def test_an_outdated_job_does_not_compute(request_):
    later = Later()
    heard = Heard(later)
    heard.live.request(request_, view((0, 50, 0, 50)))
    first = heard.live.job
    heard.live.request(request_, view((50, 100, 0, 50)))
    later.do(0)
    assert first.run is None and first.frame is None


def test_the_same_request_is_made_once(request_):
    heard = Heard()
    assert heard.live.request(request_, view((0, 50, 0, 50)))
    assert not heard.live.request(replace(request_), view((0, 50, 0, 50)))
    assert heard.live.request(replace(request_, options=replace(request_.options, budget="best")), view((0, 50, 0, 50)))


def test_an_image_is_looked_at_once_for_all_views(request_, monkeypatch):
    import mendem.engine

    calls = []
    prepare = mendem.engine.prepare
    monkeypatch.setattr(mendem.engine, "prepare", lambda *a, **k: calls.append(a) or prepare(*a, **k))
    heard = Heard()
    for left in (0, 20, 40):
        heard.live.request(request_, view((0, 50, left, left + 50)))
        heard.live.poll()
    heard.live.request(replace(request_, options=replace(request_.options, seed=5)), view((0, 50, 0, 50)))
    heard.live.poll()
    assert len(calls) == 1
    heard.live.request(replace(request_, task=Denoise(noise=3.0)), view((0, 50, 0, 50)))
    assert len(calls) == 2


def test_without_a_view_only_the_image_is_looked_at(request_):
    heard = Heard()
    heard.live.request(request_, None)
    heard.live.poll()
    assert heard.frames == [] and len(heard.runs) == 1
    assert heard.runs[0].plan.noise.std_at(1000) > 0


def test_what_goes_wrong_is_handed_over(request_):
    heard = Heard()
    heard.live.request(replace(request_, options=replace(request_.options, prior="nowhere.safetensors")), None)
    heard.live.poll()
    assert isinstance(heard.errors[0], MendemError)


def test_a_slow_machine_answers_coarse_first(request_, monkeypatch):
    monkeypatch.setattr("napari_mendem.costs.speed_of", lambda run: 1e5)
    monkeypatch.setattr("napari_mendem.costs.measured_speed", lambda *a: None)
    seen: list[Frame] = []
    job = PreviewJob(request_, view((0, 200, 0, 240)), Preparations())
    monkeypatch.setattr(PreviewJob, "frame", property(lambda s: None, lambda s, f: f and seen.append(f)), raising=False)
    job.work()
    assert seen[0].stage == "coarse, 2x" and not seen[0].final
    assert seen[-1].stage == "" and seen[-1].final
    assert all(frame.data.shape == (200, 240) and np.isfinite(frame.data).all() for frame in seen)
    truth = seen[-1].data
    assert np.corrcoef(seen[0].data.ravel(), truth.ravel())[0, 1] > 0.95  # the right place, only coarser


def test_a_fast_machine_answers_at_once(request_, monkeypatch):
    monkeypatch.setattr("napari_mendem.costs.speed_of", lambda run: 1e9)
    run = Preparations().get(request_)
    assert stages(run, (0, 200, 0, 240), 1.0) == [1]


def test_a_view_far_out_is_not_computed_finer_than_the_screen(options, monkeypatch):
    monkeypatch.setattr("napari_mendem.costs.speed_of", lambda run: 1e12)
    run = Preparations().get(Request(Image(np.random.default_rng(0).random((200, 200))), Denoise(), options))
    run = replace(run, image=Image(np.broadcast_to(np.float32(0), (4096, 4096))))
    assert stages(run, (0, 4096, 0, 4096), 4.5) == [2]
    assert stages(run, (0, 4096, 0, 4096), 1.0) == [1]


def test_pieces_cover_the_region_once_from_the_middle():
    region = (100, 1700, 30, 1200)
    pieces = pieces_of(region, 512)
    covered = np.zeros((1800, 1300), int)
    for r0, r1, c0, c1 in pieces:
        covered[r0:r1, c0:c1] += 1
    assert (covered[100:1700, 30:1200] == 1).all() and covered.sum() == 1600 * 1170
    assert pieces[0][0] <= 900 <= pieces[0][1]


def test_a_huge_view_gives_its_middle():
    assert middle_of((0, 10000, 5, 105)) == (2952, 7048, 5, 105)


def frame_at(index, region) -> Frame:
    return Frame(np.ones((region[1] - region[0], region[3] - region[2]), np.float32), index, region, "", True)


def test_one_layer_is_updated_in_place_and_lies_on_its_input():
    viewer = ViewerModel()
    source = viewer.add_image(
        np.zeros((5, 90, 80)), scale=(2, 3, 4), rotate=(0, 0, 20), translate=(7, 8, 9), units=("nm",) * 3, name="raw"
    )
    shown = PreviewLayer(viewer)
    shown.show(frame_at((3,), (10, 50, 20, 60)), source, "Denoise")
    layer = shown.layer
    assert layer.name == "raw · Denoise preview" and layer.metadata[PREVIEW]
    shown.show(frame_at((4,), (0, 30, 5, 60)), source, "Denoise")
    assert shown.layer is layer and len(viewer.layers) == 2
    assert layer.data.shape == (1, 30, 55)
    assert layer.data_to_world((0, 2, 3)) == pytest.approx(source.data_to_world((4, 2, 8)))
    assert layer.units == source.units


def test_the_preview_has_the_contrast_of_its_input_and_leaves_the_selection():
    viewer = ViewerModel()
    source = viewer.add_image(np.zeros((90, 80)), contrast_limits=(0, 5))
    shown = PreviewLayer(viewer)
    shown.show(frame_at((), (0, 9, 0, 9)), source, "Denoise")
    assert viewer.layers.selection.active is source
    source.contrast_limits = (1, 2)
    assert tuple(shown.layer.contrast_limits) == (1, 2)
    shown.remove()
    assert list(viewer.layers) == [source]


def test_an_answer_for_a_layer_that_is_gone_is_dropped():
    viewer = ViewerModel()
    source = viewer.add_image(np.zeros((90, 80)))
    viewer.layers.clear()
    PreviewLayer(viewer).show(frame_at((), (0, 9, 0, 9)), source, "Denoise")
    assert len(viewer.layers) == 0
