"""Peak memory of one evaluation of a network, in bytes for each pixel of the block.

    python -m benchmarks.memory [--prior NAME]

This is what `FEATURES_AT_ONCE` and `MAPS_AT_ONCE` in `mendem.priors.network_prior` stand for. Each measurement is a
process of its own, because the peak of a process never falls. From the difference of two block sizes, so that
what does not grow with the block (libraries, weights) drops out.
"""

from __future__ import annotations

import argparse
import json
from statistics import median

from benchmarks.process import measured

SIZES = (512, 1152)
#: What the allocator keeps differs from run to run: the median of so many.
REPEATS = 3


def evaluation(prior: str, dtype: str, size: int) -> dict[str, float]:
    """Evaluate once (a small block first, for what is allocated once), and tell the peak in bytes above that."""
    import torch

    from benchmarks.process import peak_bytes, reset_peak
    from mendem.physics.mask import Mask
    from mendem.physics.noise import NoiseModel
    from mendem.physics.observation import Observation
    from mendem.priors.network_prior import load_prior

    loaded = load_prior(prior, "cpu", getattr(torch, dtype))

    def condition(side: int):
        y = torch.randn(1, 1, side, side)
        return Observation(y, Mask(), NoiseModel(0.25), torch.ones_like(y), None, 0.5).condition()

    loaded.denoise(None, None, condition(128))
    start = reset_peak()
    loaded.denoise(None, None, condition(size))
    return {"bytes": peak_bytes() - start, "finest": loaded.network.config["widths"][0] / loaded.network.fold**2}


def run(prior: str = "em-small") -> list[dict]:
    """One row for each arithmetic: measured bytes for each pixel beside what the engine expects."""
    import torch

    from mendem.priors.network_prior import load_prior

    rows, slopes = [], {}
    for dtype in ("float32", "bfloat16"):
        call = "benchmarks.memory:evaluation"
        facts = [[measured(call, prior, dtype, size, threads=1) for _ in range(REPEATS)] for size in SIZES]
        small, large = (median(f["bytes"] for f in some) for some in facts)
        finest = facts[0][0]["finest"]
        slope = (large - small) / (SIZES[1] ** 2 - SIZES[0] ** 2)
        slopes[dtype] = slope
        expected = load_prior(prior, "cpu", getattr(torch, dtype)).bytes_per_pixel
        rows.append(
            {
                "arithmetic": dtype,
                f"peak for {SIZES[1]}² (MB)": f"{large / 1e6:.0f}",
                "bytes for each pixel": f"{slope:.0f}",
                "expected by the engine": str(expected),
            }
        )
    # Two equations, bytes = features * finest * itemsize + 4 * maps, one for each arithmetic.
    features = (slopes["float32"] - slopes["bfloat16"]) / (2 * finest)
    maps = (slopes["float32"] - 4 * features * finest) / 4
    for row in rows:
        row["features and maps at once"] = f"{features:.1f}, {maps:.0f}"
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prior", default="em-small")
    print(json.dumps(run(parser.parse_args().prior), indent=1))
