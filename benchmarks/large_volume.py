"""A volume of 8 GB from zarr to zarr, killed three times: peak memory, and whether anything is computed twice or lost.

All of it would take a CPU the better part of a day. So the run is ended after a few of its blocks; whatever depends on
the size of the volume is done all the same: it is looked at as a whole before, its result is completed with its coarser
levels, and its input is hashed for the provenance. The same blocks are computed without interruption to compare.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.process import ROOT, environment, rising_peak
from benchmarks.settings import Settings

#: Sections, rows and columns, planes for each section, and blocks after which the run is killed, and ended.
SHAPE, FACTOR, KILLS, END = (128, 2048, 2048), 8, (1, 2, 3), 4
QUICK, QUICK_FACTOR = (24, 300, 520), 4
BUDGET = "preview"
#: Seconds that a run may take.
PATIENCE = 4 * 3600


def make(path: Path, shape: tuple[int, int, int]) -> None:
    """Sections of one simulated tissue, turned and mirrored tile by tile, uint16."""
    import mendem
    from mendem.io import open_writer
    from mendem.simulate import acquire, tissue_volume

    side = min(256, shape[1] // 2)
    tissue = np.asarray(tissue_volume((min(64, shape[0]), side, side), 8.0, 7).data)
    rng = np.random.default_rng(0)
    about: dict[str, Any] = {"axes": ("z", "y", "x"), "voxel_size": mendem.VoxelSize((64.0, 8.0, 8.0))}
    with open_writer(path, shape, np.uint16, **about) as writer:
        for z in range(0, shape[0], len(tissue)):
            for y in range(0, shape[1], side):
                for x in range(0, shape[2], side):
                    part = tissue[:: rng.choice((-1, 1)), :, :: rng.choice((-1, 1))]
                    box = [min(n, end - at) for n, end, at in zip(part.shape, shape, (z, y, x), strict=True)]
                    clean = mendem.Image(np.ascontiguousarray(part[: box[0], : box[1], : box[2]]))
                    noisy = acquire(clean, levels=(6000, 50000), read_noise=1500, dtype="uint16", seed=z + y + x)
                    writer.put_box(z, y, x, np.asarray(noisy.data))


@dataclass
class Session:
    """One process of a run: what ended it, its peak memory, seconds, and seconds until its first new block."""

    ended: str
    peak: int
    seconds: float
    first: float


def session(
    command: list[str], journal: Path, blocks: int | None, how: signal.Signals, chance: random.Random
) -> Session:
    """Start, and end by a signal at a random moment after so many blocks of the journal; None waits for the end."""
    begin, before, first, peak = time.perf_counter(), len(finished(journal)), 0.0, 0
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(command, env=environment(), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=said)
        moment = None
        try:
            while child.poll() is None:
                peak = rising_peak(child.pid, peak)
                count, now = len(finished(journal)), time.perf_counter()
                if count > before and not first:
                    first = now - begin
                if blocks is not None and count >= blocks and moment is None:
                    moment = now + chance.uniform(0, 5)
                if moment is not None and now >= moment:
                    child.send_signal(how)
                    moment = float("inf")
                if now - begin > PATIENCE:
                    raise RuntimeError(f"{' '.join(command)} took longer than {PATIENCE} s")
                time.sleep(0.02)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        said.seek(0)
        if child.returncode not in (0, 130, -signal.SIGKILL):
            raise RuntimeError(f"{' '.join(command)} failed:\n{said.read()[-2000:].strip()}")
    ended = {0: "its end", 130: "Ctrl-C"}.get(child.returncode, "signal 9")
    return Session(ended, peak, time.perf_counter() - begin, first)


def finished(journal: Path) -> list[int]:
    """The blocks that a journal has as finished, in the order of its lines."""
    if not journal.exists():
        return []
    lines = journal.read_bytes().rpartition(b"\n")[0].splitlines()
    return [json.loads(line)["block"] for line in lines if b'"block"' in line]


def run(settings: Settings) -> dict:
    """Kill it three times, end it, run it again without a kill, and compare."""
    import mendem

    shape, factor = (QUICK, QUICK_FACTOR) if settings.quick else (SHAPE, FACTOR)
    pixels = int(np.prod(shape))
    needed = 2 * pixels * (1 + 2 * factor)
    folder = Path(tempfile.mkdtemp())
    chance = random.Random(0)
    try:
        if shutil.disk_usage(folder).free < needed:
            return {"skipped": f"less than {needed / 1e9:.0f} GB free for temporary files"}
        source = folder / "volume.zarr"
        begin = time.perf_counter()
        make(source, shape)
        settings.say(f"made {shape} in {time.perf_counter() - begin:.0f} s")

        def command(target: Path) -> list[str]:
            options = ["--factor", str(factor), "--budget", BUDGET, "--dtype", "same"]
            return [sys.executable, "-m", "mendem", "isotropic", str(source), str(target), *options]

        def lines(target: Path) -> Path:
            return folder / f"{target.name}.mendem-run" / "blocks.jsonl"

        killed, whole = folder / "killed.zarr", folder / "whole.zarr"
        sessions, lost, twice = [], 0, 0
        last = signal.SIGINT
        for after in (*KILLS, END):
            before = finished(lines(killed))
            how = signal.SIGKILL if after in KILLS else last
            sessions.append(session(command(killed), lines(killed), after, how, chance))
            settings.say(f"{sessions[-1]}")
            now = finished(lines(killed)) or before
            lost += len(set(before) - set(now))
            twice += len(now) - len(set(now))
        uninterrupted = session(command(whole), lines(whole), END, last, chance)
        settings.say(f"without a kill: {uninterrupted}")
        results = [mendem.read(path, lazy_above=0) for path in (killed, whole)]
        both = _both(lines(killed), lines(whole), results[0])
        record = results[0].metadata["mendem"]
        equal = [bool(np.array_equal(*(i.data[box] for i in results))) for box in both]
        return {
            "shape": list(shape),
            "factor": factor,
            "budget": BUDGET,
            "result": list(results[0].shape),
            "gigabytes": [2 * pixels / 1e9, 2 * int(np.prod(results[0].shape)) / 1e9],
            "blocks": record["blocks"],
            "resumed": record["resumed"],
            "sessions": [vars(s) for s in sessions],
            "uninterrupted": vars(uninterrupted),
            "peak": max(s.peak for s in (*sessions, uninterrupted)),
            "lost": lost,
            "twice": twice,
            "compared": len(both),
            "identical": sum(equal),
        }
    finally:
        shutil.rmtree(folder)


def _both(first: Path, second: Path, result: Any) -> list[tuple[slice, ...]]:
    """Where the blocks lie that both runs have finished: as their journals say, or all where a run came to its end."""
    from mendem.blocks import volume_blocks

    blocks = volume_blocks(result.shape)
    numbers = [set(finished(path)) if path.exists() else set(range(len(blocks))) for path in (first, second)]
    return [
        tuple(slice(*span) for span in (blocks[i].planes, blocks[i].rows, blocks[i].columns))
        for i in sorted(numbers[0] & numbers[1])
    ]


def page(result: dict) -> list[str]:
    """The section of the page."""
    from benchmarks.tables import table

    given, made = result["gigabytes"]
    rows = [
        (
            f"session {i + 1}, ended by {s['ended']}",
            f"{s['seconds']:.0f}",
            f"{s['first']:.0f}",
            f"{s['peak'] / 1e9:.2f}",
        )
        for i, s in enumerate(result["sessions"])
    ]
    s = result["uninterrupted"]
    rows.append(
        (f"not killed, ended by {s['ended']}", f"{s['seconds']:.0f}", f"{s['first']:.0f}", f"{s['peak'] / 1e9:.2f}")
    )
    done = result["blocks"]
    return [
        f"`mendem isotropic IN OUT --factor {result['factor']} --budget {result['budget']} --dtype same`, OME-Zarr of "
        f"{' x '.join(map(str, result['shape']))} uint16 ({given:.1f} GB) to {' x '.join(map(str, result['result']))} "
        f"({made:.1f} GB), killed at random moments. {done['finished']} of its {done['all']} blocks were computed; the "
        "stack was looked at as a whole, and the result completed as a whole.",
        table(("", "seconds", "until its first new block", "peak resident memory (GB)"), rows),
        f"Finished blocks that were computed twice: {result['twice']}; that were lost: {result['lost']}; the same, bit "
        f"for bit, as in the run that was not killed: {result['identical']} of {result['compared']}.",
    ]


def aims(result: dict) -> list[tuple[str, str, bool]]:
    """(aim, measured, met)."""
    made = result["gigabytes"][1]
    right = result["twice"] == result["lost"] == 0 and result["identical"] == result["compared"] > 0
    return [
        (f"{made:.1f} GB volume in zarr, peak below 3 GB", f"{result['peak'] / 1e9:.2f} GB", result["peak"] < 3e9),
        (
            "killed by signal 9 three times: no block computed twice, none lost, the result identical",
            f"{result['twice']} twice, {result['lost']} lost, {result['identical']} of {result['compared']} identical",
            right,
        ),
    ]
