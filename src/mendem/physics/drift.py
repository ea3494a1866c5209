"""How far frames of one place lie apart, roughly: pairs of frames, and the tree of those that can be believed."""

from __future__ import annotations

import numpy as np

#: Frames are compared with those that follow after so many.
LAGS = (1, 2, 4, 8)
#: A peak of the correlation is believed from this many standard deviations of what frames without anything in common
#: have; 65 000 shifts of noise reach 5, and windows with tapered edges half as much again.
BELIEVED = 9.0
#: Frequencies above this, cycles per pixel of the reduced frame, count less and less.
LOW_PASS = 0.12


def pair_shift(a: np.ndarray, b: np.ndarray, side: tuple[int, int], loose: float = 1.0) -> tuple[float, float, float]:
    """Drift (y, x) of ``b`` against ``a`` in whole pixels, and how far its peak stands out.

    Phase correlation (Kuglin and Hines 1975) with a low pass. Among peaks of one height, as a lattice gives, the
    smallest shift counts: a quarter of the picture costs 8 standard deviations.

    Parameters
    ----------
    a, b
        ``rfft2`` of windowed frames.
    side
        Height and width of the frames.
    loose
        How much larger shifts may be before they cost as much.
    """
    from scipy import fft

    f_y, f_x = fft.fftfreq(side[0])[:, None], fft.rfftfreq(side[1])[None]
    weight = np.exp(-(f_y**2 + f_x**2) / (2 * LOW_PASS**2)).astype(np.float32)
    weight[:, 0] = 0  # row offsets
    cross = b * a.conj()
    cross *= weight / (np.abs(cross) + 1e-12 * np.abs(cross).max() + 1e-30)
    surface = fft.irfft2(cross, side) * (side[0] * side[1])
    surface /= np.sqrt(2 * float((weight**2).sum()))
    far = [fft.fftfreq(n)[:, None] if axis == 0 else fft.fftfreq(n)[None] for axis, n in enumerate(side)]
    score = surface - 128 / loose**2 * (far[0] ** 2 + far[1] ** 2)
    y, x = np.unravel_index(int(np.argmax(score)), score.shape)
    shift = [float(i if i <= n // 2 else i - n) for i, n in zip((y, x), side, strict=True)]
    return shift[0], shift[1], float(surface[y, x])


def rough_drift(spectra: np.ndarray, side: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Drift of each frame in whole pixels, and which frames show the same place.

    Pairs `LAGS` apart whose correlation is believed make a graph; its largest connected part is kept, and the drift is
    added up along the tree of its nearest neighbours in time.

    Parameters
    ----------
    spectra
        (frames, height, width // 2 + 1), ``rfft2`` of windowed frames.
    side
        Their height and width.

    Returns
    -------
    drift : (frames, 2) along y and x, 0 for frames that are left out
    same : (frames,) bool
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import breadth_first_order, connected_components, minimum_spanning_tree

    count = len(spectra)
    shifts: dict[tuple[int, int], np.ndarray] = {}
    edges = []
    for lag in LAGS:
        for i in range(count - lag):
            y, x, peak = pair_shift(spectra[i], spectra[i + lag], side, lag)
            if peak > BELIEVED:
                shifts[i, i + lag] = np.array([y, x])
                edges.append((i, i + lag, lag + 1 / peak))
    drift, same = np.zeros((count, 2)), np.zeros(count, bool)
    if not edges:
        return drift, same
    first, second, cost = zip(*edges, strict=True)
    graph = minimum_spanning_tree(coo_matrix((cost, (first, second)), (count, count)).tocsr())
    _, part = connected_components(graph, directed=False)
    same = part == np.bincount(part).argmax()
    order, before = breadth_first_order(graph, int(np.flatnonzero(same)[0]), directed=False)
    for node in order[1:]:
        last = int(before[node])
        step = shifts[last, node] if (last, node) in shifts else -shifts[node, last]
        drift[node] = drift[last] + step
    return drift, same
