"""What must not change a result: shift, scale and inversion of the intensities, tiles, blocks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks import ours
from benchmarks.settings import Settings

BUDGET = "balanced"


def run(settings: Settings) -> dict:
    """Rows: what was changed, largest and root-mean-square deviation in % of the input's range from 0.5 to 99.5 %."""
    from mendem import Denoise, Image, Options
    from mendem.engine import prepare
    from mendem.simulate import acquire, tissue_image
    from mendem.slices import estimates

    def record(shape: tuple[int, int]) -> np.ndarray:
        return np.asarray(acquire(tissue_image(shape, 8.0, 11), dose=60, read_noise=4, seed=1).data)

    image = record((512, 512))
    low, high = np.percentile(image, [0.5, 99.5])
    same = ours.pixels(ours.restored(image, BUDGET, settings.prior))
    rows = []

    def compare(what: str, bound: float, result: np.ndarray, reference: np.ndarray) -> None:
        difference = np.abs(result - reference) / (high - low)
        rows.append(
            {
                "change": what,
                "largest": 100 * float(difference.max()),
                "rms": 100 * float(np.sqrt(np.mean(difference**2))),
                "bound": bound,
            }
        )

    grey = image.astype(np.float32)
    changes: dict[str, tuple[Callable, Callable]] = {
        "shift by 1000": (lambda x: x + 1000, lambda x: x - 1000),
        "scale by 1/1000": (lambda x: x / 1000, lambda x: x * 1000),
        "inversion": (lambda x: 255 - x, lambda x: 255 - x),
        "uint16, times 200": (lambda x: (200 * x).astype(np.uint16), lambda x: x / 200),
        "inversion, times 37, minus 5000": (lambda x: -37 * x - 5000, lambda x: (x + 5000) / -37),
    }
    for what, (there, back) in changes.items():
        compare(what, 1.0, back(ours.pixels(ours.restored(there(grey), BUDGET, settings.prior))), same)
    for tile in (128, 256):
        tiled = ours.pixels(ours.restored(image, BUDGET, settings.prior, tile=tile))
        compare(f"tiles of {tile} px in place of none", 0.1, tiled, same)

    tall = record((1408, 320))
    run = prepare(Image(tall), Denoise(), Options(budget=BUDGET, prior=settings.prior))
    *_, whole = estimates(run, 0, (0, tall.shape[0]), (0, tall.shape[1]))
    blocks = ours.pixels(ours.restored(tall, BUDGET, settings.prior))
    compare(f"{len(run.blocks)} blocks in place of one", 0.1, blocks, whole.mean)
    return {"rows": rows, "precision": str(run.prior.dtype).removeprefix("torch.")}
