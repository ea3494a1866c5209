"""Classical deconvolution of a Gaussian blur of known width; the truth chooses the strength of each method.

All take the image for mirrored at its edges, half a pixel beyond the outermost ones.
Under that symmetry the discrete cosine transform diagonalises the blur, and nothing wraps around (Ng, Chan and Tang,
SIAM J. Sci. Comput. 21 (1999) 851-866).
"""

from __future__ import annotations

from math import ceil

import numpy as np
from scipy.fft import dctn, idctn

from benchmarks.metrics import climb, psnr

#: Steps in which the strength of a Wiener filter and the weight of the total variation are looked for.
STEP, WEIGHT_STEP = 1.4, 1.5
#: Iterations of Richardson-Lucy among which the truth chooses: the first of them after which more are worse.
ITERATIONS = (1, 2, 3, 5, 7, 10, 14, 20, 28, 40, 56, 80, 113, 160, 226, 320)
#: Mirrored margin of Richardson-Lucy, which knows no symmetry, in standard deviations of the blur.
MARGIN = 16.0
#: Iterations of the total variation, and its quadratic penalty over its weight: within 0.02 dB (blur of 3 px) to
#: 0.05 dB (6 px) of 1000 iterations.
ROUNDS, PENALTY = 120, 0.05


def deconvolved(y: np.ndarray, std: float, truth: np.ndarray) -> dict[str, np.ndarray]:
    """The best of each method by name, for data ``y`` blurred by a Gaussian of standard deviation ``std`` px."""
    filters = wiener(y, std, truth)
    return {
        "Wiener": max(filters.values(), key=lambda x: psnr(x, truth)),
        "Richardson-Lucy": richardson_lucy(y, std, truth),
        "total variation": total_variation(y, std, truth),
    }


def _transfer(shape: tuple[int, int], std: float) -> tuple[np.ndarray, np.ndarray]:
    """The blur's transfer function at the frequencies of the cosine transform, and those squared (cycles/px)."""
    fy, fx = (np.arange(n) / (2 * n) for n in shape)
    f2 = fy[:, None] ** 2 + fx[None] ** 2
    return np.exp(-2 * np.pi**2 * std**2 * f2), f2


def wiener(y: np.ndarray, std: float, truth: np.ndarray) -> dict[str, np.ndarray]:
    """Wiener filters, each at the best strength: one takes the signal for white, one for falling with frequency².

    The signal's power over the noise's is ``1 / k`` or ``1 / (k f²)``.
    """
    transfer, f2 = _transfer(y.shape, std)
    spectrum = dctn(y, norm="ortho")

    def filtered(k: float, inverse_power: np.ndarray) -> np.ndarray:
        return idctn(spectrum * transfer / (transfer**2 + k * inverse_power), norm="ortho")

    powers: dict[str, tuple[np.ndarray, float]] = {"flat": (np.ones_like(f2), 1e-2), "falling": (f2, 1.0)}
    results = {}
    for name, (inverse, start) in powers.items():
        k, _ = climb(lambda k, inverse=inverse: psnr(filtered(k, inverse), truth), start, STEP, most=20)  # type: ignore[misc]
        results[f"Wiener, {name} spectrum"] = filtered(k, inverse)
    return results


def richardson_lucy(y: np.ndarray, std: float, truth: np.ndarray) -> np.ndarray:
    """scikit-image's Richardson-Lucy on the mirrored image, stopped where it is best."""
    from skimage.restoration import richardson_lucy as skimage_richardson_lucy

    reach = ceil(4 * std)
    steps = np.arange(-reach, reach + 1)
    line = np.exp(-(steps**2) / (2 * std**2))
    kernel = np.outer(line, line) / line.sum() ** 2
    margin = ceil(MARGIN * std)
    padded = np.pad(np.maximum(y, 0), margin, mode="symmetric") / truth.max()
    best, score = y, -np.inf
    for count in ITERATIONS:
        whole = skimage_richardson_lucy(padded, kernel, num_iter=count, clip=False)
        found = whole[margin:-margin, margin:-margin] * truth.max()
        if psnr(found, truth) < score:
            break
        best, score = found, psnr(found, truth)
    return best


def total_variation(y: np.ndarray, std: float, truth: np.ndarray) -> np.ndarray:
    """Least squares with isotropic total variation, at the weight that is best."""
    noise = float(np.std(np.diff(y, axis=1))) / 2  # where the search begins
    weight, _ = climb(lambda w: psnr(tv_deconvolution(y, std, w), truth), 0.2 * noise, WEIGHT_STEP)
    return tv_deconvolution(y, std, weight)


def tv_deconvolution(y: np.ndarray, std: float, weight: float, rounds: int = ROUNDS) -> np.ndarray:
    """The x that minimises ``||H x - y||² / 2 + weight TV(x)``, by ADMM (Boyd et al. 2011, sections 3 and 6.4).

    Forward differences, none across the edges; H and their Laplacian are diagonal in the same cosine basis, so that
    the quadratic step is exact.
    """
    penalty = PENALTY * weight
    transfer, _ = _transfer(y.shape, std)
    laplacian = [2 - 2 * np.cos(np.pi * np.arange(n) / n) for n in y.shape]
    denominator = transfer**2 + penalty * (laplacian[0][:, None] + laplacian[1][None])
    data = transfer * dctn(y, norm="ortho")
    x = y.astype(np.float64)
    split, dual = np.zeros((2, *y.shape)), np.zeros((2, *y.shape))
    for _ in range(rounds):
        gradient = _differences(x)
        moved = gradient + dual
        length = np.sqrt((moved**2).sum(0))
        split = moved * np.maximum(1 - weight / penalty / np.maximum(length, 1e-12), 0)
        dual = moved - split
        x = idctn((data + penalty * dctn(_adjoint(split - dual), norm="ortho")) / denominator, norm="ortho")
    return x


def _differences(x: np.ndarray) -> np.ndarray:
    """Forward differences along both axes, 0 at the far edges; (2, H, W)."""
    d = np.zeros((2, *x.shape))
    d[0, :-1], d[1, :, :-1] = np.diff(x, axis=0), np.diff(x, axis=1)
    return d


def _adjoint(d: np.ndarray) -> np.ndarray:
    """The adjoint of `_differences`."""
    down, along = d[0, :-1], d[1, :, :-1]
    x = np.zeros(d.shape[1:])
    x[1:] += down
    x[:-1] -= down
    x[:, 1:] += along
    x[:, :-1] -= along
    return x
