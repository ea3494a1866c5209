"""Blocks computed by other processes: the same result, whoever is lost on the way."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import mendem
from mendem import Denoise, Image, Isotropic, MendemError, blocks, cluster
from mendem.cluster_worker import Facts, File, files_of, inspected, packed
from mendem.engine import prepare
from mendem.journal import Journal

distributed = pytest.importorskip("distributed")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch, tmp_path):
    monkeypatch.setattr(blocks, "BLOCK", 64)
    monkeypatch.setattr(blocks, "VOLUME_BLOCK", 64)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def workers(tmp_path_factory):
    """Two worker processes, with small blocks too; one that is killed is started again."""
    preload = tmp_path_factory.mktemp("preload") / "small_blocks.py"
    preload.write_text(
        "import torch\nfrom mendem import blocks\nblocks.BLOCK = blocks.VOLUME_BLOCK = 64\ntorch.set_num_threads(1)\n"
    )
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=":0", preload=[str(preload)], silence_logs=50
    ) as local:
        yield local


@pytest.fixture
def threads():
    """Two workers in this process."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0", silence_logs=50
    ) as local:
        yield local


def slices(count: int) -> Image:
    return Image(np.random.default_rng(0).normal(128, 20, (count, 130, 150)).astype(np.uint8))


@pytest.mark.slow
def test_a_worker_that_is_killed_changes_nothing(workers):
    mendem.write("in.tif", slices(4))
    mendem.write("in.zarr", Image(np.random.default_rng(0).normal(128, 20, (8, 60, 140)).astype(np.uint8)))
    flat = {"align": False, "contrast": False, "focus": False, "repair": False}
    for source, target, task in (
        ("in.tif", "out.tif", Denoise()),
        ("in.zarr", "out.zarr", Isotropic(factor=4.0, noise=0.0, **flat)),
    ):
        seen: list[float] = []

        def progress(p, seen=seen):
            seen.append(p.fraction)
            if len(seen) == 2:
                os.kill(next(iter(workers.workers.values())).pid, signal.SIGKILL)

        options = {"budget": "preview", "prior": "em-small"}
        here, found = mendem.restore_file(source, f"here-{target}", task, **options)
        there, other = mendem.restore_file(
            source, target, task, progress=progress, scheduler=workers.scheduler_address, **options
        )
        assert len(seen) == found.blocks and seen == sorted(seen), "each block came once"
        same = ("chi2", "evaluations", "noise", "device", "precision", "blocks")
        assert {k: here[k] for k in same} == {k: there[k] for k in same}
        assert np.array_equal(mendem.read(f"here-{target}").data, mendem.read(target).data)


@pytest.mark.slow
def test_when_all_workers_are_killed_others_go_on(workers):
    image, seen = slices(3), []

    def progress(p):
        seen.append(p)
        if len(seen) == 2:
            for worker in list(workers.workers.values()):
                os.kill(worker.pid, signal.SIGKILL)

    # Pixels in memory travel once, and are lost with the workers.
    record, summary = mendem.restore_file(
        image, "out.mrc", Denoise(), budget="preview", progress=progress, scheduler=workers.scheduler_address
    )
    assert len(seen) == summary.blocks and not record["partial"]
    assert np.array_equal(mendem.read("out.mrc").data, mendem.restore(image, Denoise(), budget="preview").image.data)


def test_when_the_scheduler_goes_away_what_is_finished_is_kept(threads):
    mendem.write("in.tif", slices(6))
    seen = []

    def progress(p):
        seen.append(p)
        if len(seen) == 4:
            threads.close()

    with pytest.raises(MendemError, match="went away; start it again, and give the same command"):
        mendem.restore_file(
            "in.tif", "out.tif", Denoise(), budget="preview", progress=progress, scheduler=threads.scheduler_address
        )
    assert not Path("out.tif").exists()
    record, summary = mendem.restore_file(mendem.read("in.tif", lazy_above=0), "out.tif", Denoise(), budget="preview")
    assert record["resumed"] == 1 and any(f"{len(seen)} of {summary.blocks}" in note for note in record["notes"])
    whole = mendem.restore(mendem.read("in.tif"), Denoise(), budget="preview").image.data
    assert np.array_equal(mendem.read("out.tif").data, whole)


def test_cancelled_the_workers_are_idle_soon_and_the_run_goes_on_later(threads):
    mendem.write("in.tif", slices(30))
    cancel = threading.Event()
    call = {"budget": "best", "scheduler": threads.scheduler_address}
    record, summary = mendem.restore_file(
        "in.tif", "out.tif", Denoise(), progress=lambda _: cancel.set(), cancel=cancel, **call
    )
    assert record["partial"] and 1 <= summary.finished < summary.blocks
    with distributed.Client(threads.scheduler_address, set_as_default=False) as client:
        until = time.monotonic() + 20  # the blocks would take longer
        while any(client.processing().values()) or any(client.run(_executing).values()):
            assert time.monotonic() < until
            time.sleep(0.1)
    with Journal("out.tif") as journal:
        assert len(journal.done) == summary.finished


def _executing(dask_worker) -> int:
    return dask_worker.state.executing_count


def test_no_scheduler_is_said(monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT", 0.5)
    for address in ("tcp://127.0.0.1:9", "nonsense:::"):
        with pytest.raises(MendemError, match="no dask scheduler answers"):
            cluster.Cluster(address)


def test_a_control_is_not_computed_elsewhere(capsys):
    from mendem.cli import main

    assert main(["denoise", "in.tif", "out.tif", "--control", "c.tif", "--scheduler", "tcp://127.0.0.1:9"]) == 2
    assert "without --scheduler" in capsys.readouterr().err


def test_without_workers_one_waits_and_then_is_told(monkeypatch):
    monkeypatch.setattr(cluster, "NOBODY", 1.0)
    with distributed.LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=50) as empty:
        with pytest.raises(MendemError, match="has had no worker"):
            mendem.restore_file(slices(1), "out.tif", Denoise(), budget="preview", scheduler=empty.scheduler_address)
    assert not os.listdir()


def facts(**changes) -> Facts:
    from mendem.priors.checkpoint import digest, find
    from mendem.provenance import software_versions

    about = {"version": software_versions()["napari-mendem"], "prior": "em-small", "files": ()}
    return Facts(**{**about, "sha256": digest(find("em-small")), **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"version": "0.0.1"}, "and not 0.0.1; install the same everywhere"),
        ({"files": (File("/nowhere/in.tif", (1, 1), "uint8", ()),)}, "/nowhere/in.tif does not exist"),
        ({"sha256": "0"}, "other weights"),
        ({"prior": "/nowhere/own.safetensors"}, "no such prior"),
        ({"device": "mps"}, "mps is not available"),
    ],
    ids=["version", "file", "weights", "prior", "device"],
)
def test_a_worker_that_cannot_serve_says_why(changes, words):
    assert words in inspected(facts(**changes))["why"]
    assert not inspected(facts())["why"]


def test_a_run_without_any_worker_that_can_serve_is_refused_and_with_some_goes_without_the_others(threads, monkeypatch):
    mendem.write("in.tif", slices(2))
    call = {"budget": "preview", "scheduler": threads.scheduler_address}
    with monkeypatch.context() as other:
        other.setattr(cluster, "software_versions", lambda: {"napari-mendem": "9.9"})
        with pytest.raises(MendemError, match="no worker of .* can serve: .* and not 9.9; install the same everywhere"):
            mendem.restore_file("in.tif", "out.tif", Denoise(), **call)
    assert os.listdir() == ["in.tif"]
    taken, ask, only = cluster.Cluster.taken, cluster._Work.ask, list[frozenset]()

    def one_refused(self, run, begun, check):
        run = taken(self, run, begun, check)
        self.refuse(min(self.workers()), "it is not wanted")
        return run

    def noted(self, index, workers):
        ask(self, index, workers)
        only.extend(asked.only for asked in self.asked.values())

    monkeypatch.setattr(cluster.Cluster, "taken", one_refused)
    monkeypatch.setattr(cluster._Work, "ask", noted)
    record, _ = mendem.restore_file("in.tif", "out.tif", Denoise(), **call)
    refused = min(worker.address for worker in threads.workers.values())
    assert f"Worker {refused} is left out: it is not wanted." in record["notes"]
    assert only and not any(refused in asked or not asked for asked in only)


def test_files_travel_by_their_names_and_pixels_in_memory_as_they_are():
    mendem.write("in.tif", slices(4))
    lazy = mendem.read("in.tif", lazy_above=0)
    for image, least, most in ((lazy, 0, 20_000), (mendem.read("in.tif"), lazy.data.nbytes, lazy.data.nbytes + 20_000)):
        run = prepare(image, Denoise(noise=20.0))
        assert least < len(packed(run)) < most
    (file,) = files_of(prepare(lazy, Denoise(noise=20.0))).values()
    assert np.array_equal(file.open()[...], lazy.data[...])
    os.utime("in.tif", (0, 0))
    with pytest.raises(MendemError, match="in.tif is another file there"):
        file.open()
