"""How well the noise of one image is known: added noise of many kinds on real and synthetic targets, and real noise.

    python benchmarks/noise.py DATA_FOLDER

Targets are micrographs binned 2x and slightly smoothed, so that their own noise is about 1 % of their range or less,
and simulated cells without any. Baselines in the same run: the two estimators in common use, both for white noise.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from mendem.physics.noise_estimation import estimate_noise, noise_from_neighbours

KINDS = (
    "white", "correlated 0.3 px", "correlated 0.5 px", "correlated 0.8 px", "correlated 1.2 px", "scan filter 0.6",
    "row offsets", "Poisson-Gaussian", "Poisson, correlated 0.6 px", "Poisson, inverted",
)  # fmt: skip


def white_haar(image: np.ndarray) -> float:
    """MAD of the finest diagonal Haar coefficients (Donoho and Johnstone 1994)."""
    y, x = (n // 2 * 2 for n in image.shape)
    q = image[:y, :x]
    return float(np.median(np.abs(q[::2, ::2] - q[1::2, ::2] - q[::2, 1::2] + q[1::2, 1::2])) / 2 / 0.6745)


def white_db2(image: np.ndarray) -> float:
    """MAD of the finest diagonal Daubechies-2 coefficients: what scikit-image's ``estimate_sigma`` computes."""
    root = np.sqrt(3)
    h = np.array([1 - root, -(3 - root), 3 + root, -(1 + root)]) / (4 * np.sqrt(2))
    for axis in (0, 1):
        image = np.apply_along_axis(np.convolve, axis, image, h, "valid")
    return float(np.median(np.abs(image[::2, ::2])) / 0.6745)


def run(data: str | Path, draws: int = 2, say: Callable[[str], None] = lambda _: None) -> list[dict]:
    """Rows of the benchmark: one for each kind of noise and range of levels, then one for each real image.

    Parameters
    ----------
    data
        Folder with ``train`` and ``demo``; where it is absent, only the simulated cells are used, and `say` is told.
    draws
        Levels for each target and kind, log-uniform from 1.5 to 60 % of the target's 1-99 % range.
    """
    data = Path(data)
    targets = list(cells())
    if (data / "train").is_dir():
        targets += list(micrographs(data))
    else:
        say(f"{data} has no folder 'train': real targets are skipped")
    ours, kinds = {}, {}
    for t, (_, clean) in enumerate(targets):
        for k, kind in enumerate(KINDS):
            for d in range(draws):
                rng = np.random.default_rng([t, k, d])
                level = float(np.exp(rng.uniform(np.log(0.015), np.log(0.6))))
                noisy, std, correlation, line = corrupt(clean, kind, level, rng)
                model = estimate_noise(noisy)
                found = float(np.sqrt(model.variance(clean).mean()))
                wrong = max(abs(a - b) for a, b in zip(model.correlation, correlation, strict=True))
                values = (found / std, white_haar(noisy) / std, white_db2(noisy) / std, wrong, model.scan_line - line)
                for group in (kind, "all, level < 6 %" if level < 0.06 else "all, level 6-60 %", "all"):
                    kinds.setdefault(group, []).append((*values, std, model.relative_error))
        say(f"{t + 1}/{len(targets)}")
    rows = []
    for group in (*KINDS, "all, level < 6 %", "all, level 6-60 %", "all"):
        ours = np.array(kinds[group])
        error = np.abs(ours[:, :3] - 1)
        rows.append(
            {
                "noise": group,
                "images": len(ours),
                "error % median / 90th": _pair(error[:, 0]),
                "Haar MAD": _pair(error[:, 1]),
                "db2 MAD": _pair(error[:, 2]),
                "median ratio": f"{np.median(ours[:, 0]):.2f}",
                "off by 1.5x": f"{100 * np.mean(np.abs(np.log(ours[:, 0])) > np.log(1.5)):.0f} %",
                "correlation off by": f"{np.median(ours[:, 3]):.2f} / {np.quantile(ours[:, 3], 0.9):.2f}",
                "own error / true": f"{np.median(ours[:, 6]) / max(np.median(error[:, 0]), 1e-9):.1f}",
            }
        )
    return rows + (real(data) if (data / "demo").is_dir() else [])


def _pair(error: np.ndarray) -> str:
    return f"{100 * np.median(error):.0f} / {100 * np.quantile(error, 0.9):.0f}"


def real(data: Path) -> list[dict]:
    """Real noise: the estimate from one image beside what repeats or neighbouring slices say."""
    import tifffile

    def row(name: str, image: np.ndarray, reference: str, signal: np.ndarray | None = None) -> dict:
        model = estimate_noise(image)
        pixels = image.astype(np.float64)
        std = float(np.sqrt(model.variance(pixels if signal is None else signal).mean()))
        correlation = " ".join(f"{c:.2f}" for c in model.correlation)
        return {
            "noise": name, "std": f"{std:.3g}", "reference": reference, "Haar MAD": f"{white_haar(pixels):.3g}",
            "db2 MAD": f"{white_db2(pixels):.3g}", "correlation y x": correlation,
            "relative error": f"{model.relative_error:.2f}",
        }  # fmt: skip

    rows = []
    pair = sorted((data / "demo" / "sem_pair_emdiffuse").glob("*.tif"))
    if len(pair) == 2:
        long, short = (tifffile.imread(p) for p in pair)
        slope, shift = np.polyfit(long.ravel().astype(float), short.ravel().astype(float), 1)
        fitted = slope * long + shift
        residual = short - fitted
        lag = [np.mean(residual[1:] * residual[:-1]), np.mean(residual[:, 1:] * residual[:, :-1])] / residual.var()
        own = slope * float(np.sqrt(estimate_noise(long).variance(long.astype(float)).mean()))
        say = f"{np.sqrt(residual.var() - own**2):.2f} (residual {residual.std():.2f}, lag 1 {lag[0]:.2f} {lag[1]:.2f})"
        rows.append(row("demo pair, short dwell", short, say, fitted))
    for path in sorted((data / "train" / "fibsem_flyem_medulla").glob("*.tif"))[::2]:
        volume = tifffile.imread(path)
        part = volume[volume.shape[0] // 2 - 5 : volume.shape[0] // 2 + 5]
        model = noise_from_neighbours(part)
        std = float(np.sqrt(model.variance(part.astype(np.float64)).mean()))
        say = f"neighbours {std:.2f}, lag 1 " + " ".join(f"{c:.2f}" for c in model.correlation)
        rows.append(row(path.stem[:30], part[5], say))
    singles = sorted((data / "demo").glob("emdiffuse_noisy*.tif"))
    singles += sorted((data / "train" / "sem_nasa_superalloy").glob("*.tif"))[2::6]
    rows += [row(p.stem[:30], tifffile.imread(p), "none") for p in singles]
    return rows


def cells(count: int = 4, size: int = 320) -> Iterator[tuple[str, np.ndarray]]:
    """Overlapping ellipses with rims, blurred like a micrograph: targets without any noise."""
    from scipy.ndimage import gaussian_filter

    y, x = np.mgrid[:size, :size]
    for seed in range(count):
        rng = np.random.default_rng(seed)
        image = np.full((size, size), 0.5)
        for _ in range(200):
            angle, (cy, cx), (a, b) = rng.uniform(0, np.pi), rng.uniform(0, size, 2), np.exp(rng.uniform(1.2, 4, 2))
            u = (y - cy) * np.cos(angle) + (x - cx) * np.sin(angle)
            v = (x - cx) * np.cos(angle) - (y - cy) * np.sin(angle)
            outside = (np.hypot(u / a, v / b) - 1) * min(a, b)
            image = np.where(outside < 0, rng.uniform(0.2, 0.8), image)
            if rng.random() < 0.7:
                image = np.where(np.abs(outside) < rng.uniform(0.7, 2), rng.uniform(0, 1), image)
        yield f"cells {seed}", 30 + 190 * gaussian_filter(image, rng.uniform(0.5, 1.2))


def micrographs(data: Path) -> Iterator[tuple[str, np.ndarray]]:
    """FIB-SEM binned 2x2x2, SEM binned 2x, smoothed by half a pixel (1.5 px for the noisier alloys)."""
    import tifffile
    from scipy.ndimage import gaussian_filter

    def binned(stack: np.ndarray) -> np.ndarray:
        z, y, x = stack.shape
        stack = stack[:, : y // 2 * 2, : x // 2 * 2].astype(np.float64)
        return stack.reshape(z, y // 2, 2, x // 2, 2).mean((0, 2, 4))[:384, :384]

    for path in sorted((data / "train" / "fibsem_flyem_medulla").glob("*.tif")):
        yield path.stem, gaussian_filter(binned(tifffile.imread(path)[20:22]), 0.5)
    for path in sorted((data / "train" / "sem_nasa_EBC").glob("*.tif"))[::2]:
        yield path.stem, gaussian_filter(binned(tifffile.imread(path)[None]), 0.5)
    for path in sorted((data / "train" / "sem_nasa_superalloy").glob("*.tif"))[::5]:
        yield path.stem, gaussian_filter(binned(tifffile.imread(path)[None]), 1.5)


def corrupt(
    clean: np.ndarray, kind: str, level: float, rng: np.random.Generator
) -> tuple[np.ndarray, float, tuple[float, float], float]:
    """Noisy image, true root-mean-square std, true lag-1 correlations (row offsets apart), and std of row offsets."""
    low, high = np.percentile(clean, [1, 99])
    std = level * (high - low)
    f_y, f_x = np.fft.fftfreq(clean.shape[0])[:, None], np.fft.fftfreq(clean.shape[1])[None]
    white = rng.standard_normal(clean.shape)
    power = np.ones(clean.shape)
    if " px" in kind:
        width = float(kind.split()[-2])
        power = np.exp(-((2 * np.pi * width) ** 2) * (f_y**2 + f_x**2))
    elif kind.startswith("scan filter"):
        rho = float(kind.split()[-1])
        power = np.broadcast_to(1 / (1 + rho**2 - 2 * rho * np.cos(2 * np.pi * f_x)), clean.shape)
    power = power / power.mean()
    noise = np.fft.ifft2(np.fft.fft2(white) * np.sqrt(power)).real
    correlation = tuple(float(np.mean(power * np.cos(2 * np.pi * f))) for f in (f_y, f_x))
    variance = np.full(clean.shape, std**2)
    if kind == "row offsets":
        line = 0.5 * std
        return clean + noise * np.sqrt(0.75) * std + line * rng.standard_normal((len(clean), 1)), std, correlation, line
    if kind.startswith("Poisson"):
        signal = (high - clean if "inverted" in kind else clean - low) / (high - low) + 0.1
        signal = np.maximum(signal, 0.02)
        variance = std**2 * (0.15 + 0.85 * signal / signal.mean())
    return clean + noise * np.sqrt(variance), float(np.sqrt(variance.mean())), correlation, 0.0


def table(rows: list[dict]) -> str:
    """The rows as Markdown tables, a new one where the columns change."""
    lines, columns = [], None
    for row in rows:
        if list(row) != columns:
            columns = list(row)
            lines += ["", "| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
        lines.append("| " + " | ".join(str(v) for v in row.values()) + " |")
    return "\n".join(lines[1:])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python benchmarks/noise.py DATA_FOLDER")
    print(table(run(sys.argv[1], say=lambda text: print(text, file=sys.stderr))))
