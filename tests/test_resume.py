"""A run that is interrupted goes on: nothing is computed twice, nothing is lost, and the result is the same."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import mendem
from mendem import Denoise, Frames, Image, Inpaint, Isotropic, MendemError, blocks, journal, pace, streaming
from mendem.cli import main
from mendem.io import ImageWriter
from mendem.journal import Journal, Tally

#: Two runs, one after the other; ``log`` gets a line for each block that was computed.
PROGRAM = """
import os, sys, time
import torch
torch.set_num_threads(1)
import mendem
from mendem import blocks, execution, pace
blocks.BLOCK = blocks.VOLUME_BLOCK = 64
pace.COST = 1e9  # these blocks are small: keep each at once
name, log = sys.argv[1:]
answers = execution.answers
def noted(run, block, check):
    yield from answers(run, block, check)
    with open(log, "a") as file:
        print(run.task.name, run.blocks.index(block), file=file)
    time.sleep(0.1)  # or all is done before it is killed
execution.answers = noted
isotropic = mendem.Isotropic(factor=4.0, noise=0.0, align=False, contrast=False, focus=False, repair=False)
if not os.path.exists(f"{name}.tif"):
    mendem.restore_file("in.tif", f"{name}.tif", mendem.Denoise(), budget="preview", spread=f"{name}-std.tif")
mendem.restore_file("in.zarr", f"{name}.zarr", isotropic, budget="preview", prior="em-small")
"""


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 64)
    monkeypatch.setattr(blocks, "VOLUME_BLOCK", 64)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def picture(*shape: int) -> np.ndarray:
    """Texture with noise, uint8."""
    rng = np.random.default_rng(1)
    smooth = gaussian_filter(rng.normal(size=shape[-2:]), 3)
    noisy = 128 + 30 * smooth / smooth.std() + rng.normal(0, 8, shape)
    return noisy.clip(0, 255).astype(np.uint8)


def restore(image, target, task, stop_after=None, **more):
    """To a file; cancelled after so many estimates."""
    cancel, seen = threading.Event(), []

    def progress(_):
        seen.append(1)
        if len(seen) == stop_after:
            cancel.set()

    return mendem.restore_file(image, target, task, budget="preview", progress=progress, cancel=cancel, **more)


def left(folder) -> set[str]:
    return {path.name for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("shape", "suffix", "task", "more"),
    [
        ((2, 100, 150), ".tif", Denoise(), {"spread": "{}-std.tif"}),
        ((2, 100, 150), ".mrc", Inpaint(mask="auto"), {}),
        ((100, 150), ".zarr", Denoise(), {"samples": 1, "estimate": "sample"}),
        ((3, 100, 150), ".mrc", Frames(), {}),
        ((5, 70, 80), ".zarr", Isotropic(factor=4.0), {"prior": "em-small", "spread": "{}-std.zarr"}),
    ],
    ids=["slices", "with gaps", "samples", "frames", "volume"],
)
def test_a_run_that_is_cancelled_again_and_again_ends_as_one_that_was_not(folder, shape, suffix, task, more):
    image = Image(picture(*shape), ("frame", "y", "x") if isinstance(task, Frames) else ())
    named = [{**more, **({"spread": more["spread"].format(n)} if "spread" in more else {})} for n in ("a", "b")]
    whole, summary = restore(image, f"a{suffix}", task, **named[0])
    per_block = summary.evaluations // summary.blocks
    record, resumed = {"partial": True}, -1
    while record["partial"]:
        record, last = restore(image, f"b{suffix}", task, stop_after=per_block + 1, **named[1])
        resumed += 1
        assert record["resumed"] == resumed and last.finished > resumed
    assert resumed >= 2
    assert {k: record[k] for k in ("chi2", "evaluations", "blocks", "noise")} == {
        k: whole[k] for k in ("chi2", "evaluations", "blocks", "noise")
    }
    for name in (f"a{suffix}", *([named[0]["spread"]] if "spread" in more else [])):
        assert np.array_equal(mendem.read(name).data, mendem.read(name.replace("a", "b", 1)).data, equal_nan=True)
    assert not [name for name in left(folder) if "part" in name or "run" in name]


@pytest.mark.slow
def test_killed_three_times_nothing_is_computed_twice_and_nothing_is_lost(folder):
    mendem.write("in.tif", Image(picture(2, 180, 250)))
    mendem.write("in.zarr", Image(picture(10, 130, 140)))
    (folder / "program.py").write_text(PROGRAM)

    def start(name: str) -> subprocess.Popen:
        return subprocess.Popen([sys.executable, "program.py", name, f"{name}.log"], cwd=folder)

    def computed(name: str) -> list[str]:
        return (folder / f"{name}.log").read_text().splitlines()

    def finished() -> list[str]:
        """What the journals say."""
        found = []
        for path, task in (("killed.tif", "denoise"), ("killed.zarr", "isotropic")):
            lines = folder / f"{path}.mendem-run" / "blocks.jsonl"
            text = lines.read_text() if lines.exists() else ""
            whole = text.rpartition("\n")[0].splitlines()
            found += [f"{task} {json.loads(line)['block']}" for line in whole if "block" in line]
        return found

    assert start("whole").wait(200) == 0
    every, chance, kept = computed("whole"), random.Random(0), set[str]()
    slices = sum(line.startswith("denoise") for line in every)
    (folder / "killed.log").touch()
    for moment in (slices // 2, slices + 1, len(every) - 4):
        process, before = start("killed"), len(computed("killed"))
        while len(computed("killed")) <= max(moment, before):
            assert process.poll() is None
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.2))
        process.kill()
        assert process.wait(30) == -signal.SIGKILL
        new, lines = computed("killed")[before:], finished()
        assert not kept & set(new) and len(set(lines)) == len(lines)
        already = len(kept)
        kept |= {*lines, *(every[:slices] if (folder / "killed.tif").exists() else ())}
        assert len(kept) > already and not (folder / "killed.zarr").exists()
    before = len(computed("killed"))
    assert start("killed").wait(200) == 0
    assert sorted([*kept, *computed("killed")[before:]]) == sorted(every)
    assert len(computed("killed")) <= len(every) + 3  # what was just computed, and not yet handed over, when it died
    for name in ("{}.tif", "{}-std.tif", "{}.zarr"):
        assert np.array_equal(*(mendem.read(name.format(which)).data for which in ("whole", "killed")))
    assert [mendem.read(f"killed.{s}").metadata["mendem"]["resumed"] for s in ("tif", "zarr")] == [1, 2]
    assert not [name for name in left(folder) if ".part" in name or ".mendem-run" in name]


def test_what_was_decided_is_taken_up_and_not_found_again(folder, monkeypatch):
    image = Image(picture(100, 150))
    first, _ = restore(image, "out.tif", Denoise(), stop_after=3)
    monkeypatch.setattr(streaming, "prepare", None)
    last, _ = restore(image, "out.tif", Denoise())
    assert last["noise"] == first["noise"] and last["normalisation"] == first["normalisation"] and not last["partial"]
    assert "An unfinished run goes on: 3 of 6 blocks are finished." in last["notes"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"budget": "best"}, "budget was preview and is best"),
        ({"task": Denoise(noise=9.0)}, "noise was auto and is 9.0"),
        ({"task": Inpaint(mask="auto")}, "begun to denoise, not to inpaint"),
        ({"image": Image(picture(100, 150) + np.uint8(1))}, "the image is another"),
        ({"region": (0, 90, 0, 150)}, "region"),
        ({"dtype": "same"}, "pixel type"),
        ({"spread": "std.tif"}, "other files"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_run_is_refused_and_replaces_the_unfinished_one_where_that_is_allowed(folder, change, words):
    given = {"image": Image(picture(100, 150)), "task": Denoise(), "budget": "preview"}
    restore(given["image"], "out.tif", given["task"], stop_after=3)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    given |= change
    call = {"source": given.pop("image"), "target": "out.tif", **given}
    with pytest.raises(MendemError, match=words) as refused:
        mendem.restore_file(**call)
    assert "--overwrite" in str(refused.value)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    record, _ = mendem.restore_file(**call, overwrite=True)
    assert record["resumed"] == 0 and not record["partial"]
    assert left(folder) == {"out.tif", *([given["spread"]] if "spread" in given else [])}


def test_an_error_keeps_what_is_finished(folder, monkeypatch):
    image, put_box, calls = Image(picture(3, 60, 60)), ImageWriter.put_box, []

    def full(self, *box):
        calls.append(1)
        if len(calls) == 3:
            raise MendemError("the disk is full")
        put_box(self, *box)

    monkeypatch.setattr(ImageWriter, "put_box", full)
    with pytest.raises(MendemError, match="disk is full"):
        restore(image, "out.mrc", Denoise())
    assert left(folder) == {"out.mrc.part", "out.mrc.mendem-run"}
    record, summary = restore(image, "out.mrc", Denoise())
    assert len(calls) == 4, "the third slice was handed over again, and no other"
    assert summary.blocks == summary.finished == 3 and record["resumed"] == 1
    assert np.array_equal(mendem.read("out.mrc").data, mendem.restore(image, Denoise(), budget="preview").image.data)


def test_an_error_before_anything_is_finished_leaves_nothing(folder, monkeypatch):
    monkeypatch.setattr(ImageWriter, "put_box", lambda *_: (_ for _ in ()).throw(MendemError("the disk is full")))
    with pytest.raises(MendemError, match="disk is full"):
        restore(Image(picture(60, 60)), "out.tif", Denoise())
    assert not left(folder)


def test_half_a_result_does_not_replace_its_input(folder):
    mendem.write("in.tif", Image(picture(3, 60, 60)))
    original = (folder / "in.tif").read_bytes()
    with pytest.raises(mendem.errors.Cancelled, match="still the input"):
        restore("in.tif", "in.tif", Denoise(), stop_after=2, overwrite=True)
    assert (folder / "in.tif").read_bytes() == original
    record, _ = restore("in.tif", "in.tif", Denoise(), overwrite=True)
    assert record["resumed"] == 1 and mendem.read("in.tif").dtype == np.float32 and left(folder) == {"in.tif"}


def test_one_result_is_not_computed_by_two_at_once(folder):
    image, refused = Image(picture(2, 60, 60)), []

    def progress(_):
        if not refused:
            with pytest.raises(MendemError, match="another process"):
                mendem.restore_file(image, "out.tif", Denoise(), budget="preview")
            refused.append(1)

    record, _ = mendem.restore_file(image, "out.tif", Denoise(), budget="preview", progress=progress)
    assert refused and not record["partial"]


def test_a_partial_result_that_was_taken_away_is_not_waited_for(folder):
    image = Image(picture(3, 60, 60))
    restore(image, "out.tif", Denoise(), stop_after=2)
    os.rename("out.tif", "mine.tif")
    record, _ = restore(image, "out.tif", Denoise(noise=5.0))
    assert record["resumed"] == 0 and left(folder) == {"out.tif", "mine.tif"}


def test_the_same_command_goes_on_without_overwriting(folder, capsys):
    mendem.write("in.tif", Image(picture(3, 60, 60)))
    restore("in.tif", "out.tif", Denoise(), stop_after=2)
    command = ["denoise", "in.tif", "out.tif", "--budget", "preview"]
    assert main([*command[:1], "in.tif", "out.tif"]) == 2  # with another budget
    assert "budget was preview and is balanced" in capsys.readouterr().err
    assert main([*command, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["resumed"] == 1 and not said["partial"]
    assert main(command) == 2 and "exists" in capsys.readouterr().err


def test_a_line_that_was_not_written_to_its_end_does_not_count(folder):
    image = Image(picture(4, 60, 60))
    restore(image, "out.tif", Denoise(), stop_after=3)
    lines = folder / "out.tif.mendem-run" / "blocks.jsonl"
    lines.write_bytes(lines.read_bytes() + b'{"block": 3, "evalu')
    record, summary = restore(image, "out.tif", Denoise())
    assert summary.finished == 4 and record["resumed"] == 1
    assert np.array_equal(mendem.read("out.tif").data, mendem.restore(image, Denoise(), budget="preview").image.data)


def test_keeping_what_is_finished_takes_its_share_of_the_time_and_no_more(folder, monkeypatch):
    now, commits = [0.0], []
    monkeypatch.setattr(pace, "time", SimpleNamespace(monotonic=lambda: now[0]))
    with Journal("out.tif") as kept:
        kept.begin({}, None, {})

        def durable():
            now[0] += 0.1
            commits.append(now[0])

        kept.durable = durable
        for index in range(200):
            now[0] += 0.5
            kept.add(index, Tally(1), np.zeros(1), (), now[0])
        assert 0.005 < 0.1 * len(commits) / now[0] < 0.011
        kept.commit()
        lines = (folder / "out.tif.mendem-run" / "blocks.jsonl").read_text().splitlines()
        assert sum("block" in line for line in lines) == 200


def test_after_a_crash_of_the_system_only_what_is_on_the_disk_counts(folder, monkeypatch):
    def finished(boot: str) -> set[int]:
        monkeypatch.setattr(journal, "boot", lambda: boot)
        with contextlib.suppress(KeyboardInterrupt), Journal("out.tif") as found:
            done = set(found.done)
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(pace, "COST", 1e-9)  # nothing is brought to the disk but the first, and what is asked for
    monkeypatch.setattr(journal, "boot", lambda: "before")
    with contextlib.suppress(KeyboardInterrupt), Journal("out.tif") as written:
        written.begin({"results": {}}, None, {})
        for index in range(4):
            written.add(index, Tally(1), np.full((2, 3), index), {index}, 1.0)
            if index == 1:
                written.commit()
        written._write()
        raise KeyboardInterrupt
    assert finished("before") == {0, 1, 2, 3}
    assert finished("after") == {0, 1}
    with Journal("out.tif") as found:
        assert np.array_equal(found.arrays(1), np.full((2, 3), 1))
