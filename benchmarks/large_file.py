"""A 16384 x 16384 uint16 TIFF from disk to disk: seconds, and peak memory above an interpreter with torch."""

from __future__ import annotations

import importlib.util
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.process import torch_alone, watch
from benchmarks.settings import Settings

SIDE = 16384
BUDGET = "preview"


def make(path: Path, side: int) -> None:
    """A believable micrograph of that size: one simulated field, turned and mirrored at random for each tile."""
    import tifffile

    from mendem.simulate import acquire, tissue_image

    tile = min(1024, side)
    record = acquire(tissue_image((tile, tile), 8.0, 7), levels=(6000, 50000), read_noise=1500, dtype="uint16", seed=7)
    field = np.asarray(record.data)
    rng = np.random.default_rng(0)
    target = tifffile.memmap(path, shape=(side, side), dtype=np.uint16)
    for top in range(0, side, tile):
        for left in range(0, side, tile):
            part = np.rot90(field, rng.integers(4))
            part = part[:, :: rng.choice((-1, 1))]
            target[top : top + tile, left : left + tile] = part[: side - top, : side - left]
        target.flush()
    del target


def run(settings: Settings) -> dict:
    """Restore it with the command line; the written file is read back and compared in size and type."""
    import tifffile

    side = 2048 if settings.quick else SIDE
    folder = Path(tempfile.mkdtemp())
    try:
        source, target = folder / "large.tif", folder / "restored.tif"
        if shutil.disk_usage(folder).free < 8 * side**2:
            return {"skipped": f"less than {8 * side**2 / 1e9:.1f} GB free for temporary files"}
        start = time.perf_counter()
        make(source, side)
        settings.say(f"made {side} x {side} in {time.perf_counter() - start:.0f} s")
        alone = torch_alone()
        seconds, peak, _ = watch(command(source, target, settings.prior))
        with tifffile.TiffFile(target) as file:
            page = file.pages[0]
            written = {"shape": list(page.shape), "dtype": str(page.dtype), "megabytes": target.stat().st_size / 1e6}
    finally:
        shutil.rmtree(folder)
    return {
        "side": side,
        "budget": BUDGET,
        "command line": has_command_line(),
        "seconds": seconds,
        "megapixels a second": side**2 / 1e6 / seconds,
        "peak": peak,
        "torch alone": alone,
        "above": peak - alone,
        "written": written,
    }


def has_command_line() -> bool:
    """Whether ``python -m mendem`` exists."""
    return importlib.util.find_spec("mendem.__main__") is not None


def command(source: Path, target: Path, prior: str) -> list[str]:
    """The command that a user would type; the same from Python where there is no command line."""
    if has_command_line():
        return [
            sys.executable, "-m", "mendem", "denoise", str(source), str(target), "--budget", BUDGET, "--prior", prior,
        ]  # fmt: skip
    code = (
        "import sys, mendem; mendem.restore_file(sys.argv[1], sys.argv[2], mendem.Denoise(), "
        "budget=sys.argv[3], prior=sys.argv[4])"
    )
    return [sys.executable, "-c", code, str(source), str(target), BUDGET, prior]
