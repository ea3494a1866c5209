"""Runs that are ended from outside: nothing that is left behind looks whole without being it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile

import mendem

pty = pytest.importorskip("pty", reason="needs a pseudo-terminal")


@pytest.fixture
def run(tmp_path):
    """Start a long restoration, and come back once it has finished some of it."""
    slices = np.random.default_rng(0).normal(128, 20, (200, 192, 192)).astype(np.float32)
    tifffile.imwrite(tmp_path / "in.tif", slices, photometric="minisblack")
    started = []

    def start(*more: str) -> subprocess.Popen:
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "mendem", "denoise", "in.tif", "out.tif", "--budget", "best", *more]
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=theirs, text=True)
        os.close(theirs)
        seen = b""
        while b"block 2 of 200" not in seen:
            seen += os.read(ours, 4096)
        process.said = lambda: os.read(ours, 65536).decode()
        started.append((process, ours))
        return process

    yield start
    for process, ours in started:
        if process.poll() is None:
            process.kill()
        process.communicate()
        os.close(ours)


def test_a_killed_run_leaves_nothing_that_looks_whole(run, tmp_path):
    (tmp_path / "old.txt").write_text("precious")
    process = run("--spread", "spread.tif")
    process.kill()
    assert process.wait(10) == -signal.SIGKILL
    left = {p.name for p in tmp_path.iterdir()} - {"in.tif", "old.txt"}
    assert left and all(name.endswith((".part", ".part.lock", ".mendem-run")) for name in left)
    assert not {"out.tif", "spread.tif"} & left


def test_a_killed_run_leaves_the_file_that_it_was_to_replace(run, tmp_path):
    mendem.write(tmp_path / "out.tif", mendem.Image(np.ones((4, 5), np.uint8)))
    run("--overwrite").kill()
    assert np.array_equal(mendem.read(tmp_path / "out.tif").data, np.ones((4, 5)))


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_an_interrupted_run_keeps_what_is_finished_and_marks_it(run, tmp_path, how):
    process = run("--json")
    before = time.monotonic()
    process.send_signal(how)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() - before < 10  # not the minutes that the rest would take
    said = json.loads(out)
    assert said["partial"] and said["provenance"]["partial"]
    image = mendem.read(tmp_path / "out.tif")
    assert image.metadata["mendem"]["partial"]
    finished = image.metadata["mendem"]["blocks"]["finished"]
    assert 1 <= finished < 200
    assert np.isfinite(image.data[:finished]).all() and np.isnan(image.data[finished + 1 :]).all()
    assert {p.name for p in tmp_path.iterdir()} == {"in.tif", "out.tif", "out.tif.mendem-run"}
    assert "stopping" in process.said()


def test_info_says_that_a_file_is_partial(run, tmp_path, capsys):
    from mendem.cli import main

    process = run()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and "PARTIAL" in out
    assert main(["info", str(tmp_path / "out.tif")]) == 0
    said = capsys.readouterr().out
    assert "PARTIAL" in said and "for want of noise" not in said


def test_interrupted_twice_stops_at_once_and_goes_on_later(run, tmp_path):
    process = run()
    # Both signals are delivered before the run asks again whether to stop.
    process.send_signal(signal.SIGSTOP)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGCONT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130 and "PARTIAL" not in out
    assert {p.name for p in tmp_path.iterdir()} == {"in.tif", "out.tif.part", "out.tif.mendem-run"}
    again = run()
    again.send_signal(signal.SIGINT)
    out, _ = again.communicate(timeout=60)
    assert re.search("An unfinished run goes on: [1-9][0-9]* of 200 blocks are finished", out)
