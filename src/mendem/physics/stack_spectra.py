"""Sections in Fourier space: what neighbours share at each frequency, and the shifts at which they share most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

#: Frequencies above this tell no shift that matters, cycles per (reduced) pixel; and rings up to it.
HIGHEST, RINGS = 0.25, 20
#: Frequencies kept of one section at most, and of all together.
KEPT, KEPT_ALL = 32_000, 16_000_000
#: Sections are compared with so many on either side.
REACH = 3
#: Share of the power that counts as noise at least: keeps the weights bounded.
LEAST_NOISE = 0.02
#: Shifts are settled once none moves by more, pixels; the rounds that may take; the largest step of a round.
SETTLED, ROUNDS, LARGEST = 0.005, 12, 0.7
#: Low pass of the first comparison, cycles per pixel.
FIRST = 0.08


@dataclass(frozen=True, eq=False)
class SectionSpectra:
    """Low frequencies of all sections, each section scaled to unit mean power.

    Attributes
    ----------
    values
        (sections, frequencies) complex64.
    frequency
        (2, frequencies) float32, cycles per reduced pixel along y and x.
    scale
        Pixels per reduced pixel.
    side
        Height and width in reduced pixels.
    """

    values: np.ndarray
    frequency: np.ndarray
    scale: int
    side: tuple[int, int]

    @property
    def ring(self) -> np.ndarray:
        return np.minimum((np.hypot(*self.frequency) / HIGHEST * RINGS).astype(int), RINGS - 1)

    def only(self, sections: np.ndarray) -> SectionSpectra:
        """The same for some of the sections."""
        return replace(self, values=self.values[sections])

    def brought_back(self, shift: np.ndarray) -> np.ndarray:
        """Spectra of the sections with their contents moved by minus ``shift`` (sections, 2), in reduced pixels."""
        return np.stack([v * self._phase(s) for v, s in zip(self.values, shift, strict=True)])

    def _phase(self, shift: np.ndarray) -> np.ndarray:
        turn = 2 * np.pi * (shift @ self.frequency)
        return np.exp(1j * turn.astype(np.float32))

    def by_ring(self, values: np.ndarray) -> np.ndarray:
        """Means over the rings."""
        count = np.maximum(np.bincount(self.ring, minlength=RINGS), 1)
        return np.bincount(self.ring, values, RINGS) / count


class SpectraBuilder:
    """Collects the low frequencies of sections of one shape, one after the other."""

    def __init__(self, count: int) -> None:
        self.most = int(np.clip(KEPT_ALL // count, 2000, KEPT))
        self.values: list[np.ndarray] = []
        self.at: tuple[np.ndarray, ...] = ()
        self.frequency = np.zeros((2, 0), np.float32)
        self.window = np.zeros((0, 0), np.float32)

    def add(self, section: np.ndarray) -> None:
        """Keep the spectrum of one section (height, width), finite."""
        from scipy import fft

        if not self.values:
            self._begin(section.shape)
        spectrum = fft.rfft2((section - section.mean(dtype=np.float64).astype(np.float32)) * self.window)[self.at]
        power = float(np.sqrt((np.abs(spectrum) ** 2).mean()))
        self.values.append((spectrum / max(power, 1e-30)).astype(np.complex64))

    def done(self, scale: int) -> SectionSpectra:
        side = (int(self.window.shape[0]), int(self.window.shape[1]))
        return SectionSpectra(np.stack(self.values), self.frequency, scale, side)

    def _begin(self, shape: tuple[int, ...]) -> None:
        f_y, f_x = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None]
        radius = np.hypot(f_y, f_x)
        wanted = (radius < HIGHEST) & (radius > 0)
        wanted[:, 0] &= f_y[:, 0] > 0  # the other half is its mirror image
        self.window = np.outer(*(np.hanning(n + 2)[1:-1] for n in shape)).astype(np.float32)
        at = np.flatnonzero(wanted)
        if len(at) > self.most:  # the lowest, which all sections share, and some of the others
            order = np.argsort(radius.ravel()[at], kind="stable")
            low = order[: self.most // 2]
            rest = order[self.most // 2 :]
            at = np.sort(at[np.r_[low, rest[:: -(-len(rest) // (self.most - len(low)))]]])
        self.at = np.unravel_index(at, radius.shape)
        self.frequency = np.stack([f_y[self.at[0], 0], f_x[0, self.at[1]]]).astype(np.float32)


def section_shifts(spectra: SectionSpectra, start: np.ndarray, at: np.ndarray, check: Callable[[], None]) -> np.ndarray:
    """Shift (sections, 2) of each section in pixels, their mean 0: where all neighbours together agree best.

    Sections are taken for a Gaussian process along z whose coherence at each frequency is that of the stack. Its
    likelihood is a sum over pairs of sections up to `REACH` apart, and Newton's method finds its maximum; the weights
    are those with which a section is predicted from its neighbours (Besag 1975, pseudo-likelihood).

    Parameters
    ----------
    start
        Shifts to begin with, pixels; right to a few pixels.
    at
        (sections,) place of each section along z, in sections; those of missing ones are left out.
    """
    shift = np.asarray(start, float) / spectra.scale
    for _ in range(3):  # what they share is seen better where they lie better
        check()
        weights = _weights(_coherence(spectra, shift, at, 2 * REACH), at)
        shift = _agreed(spectra, shift, weights, check)
    return (shift - shift.mean(0)) * spectra.scale


def _coherence(spectra: SectionSpectra, shift: np.ndarray, at: np.ndarray, reach: int) -> np.ndarray:
    """Correlation of sections 1, 2, … ``reach`` apart by rings, (reach, `RINGS`), where they lie now."""
    placed = spectra.brought_back(shift)
    power = np.maximum(spectra.by_ring((np.abs(placed) ** 2).mean(0)), 1e-30)
    found = np.zeros((reach, RINGS))
    for lag in range(1, reach + 1):
        pairs = _pairs(at, lag)
        if pairs:
            shared = np.mean([(placed[i].conj() * placed[j]).real for i, j in pairs], 0)
            found[lag - 1] = spectra.by_ring(shared) / power
    return found


def _pairs(at: np.ndarray, lag: int) -> list[tuple[int, int]]:
    """Indices of sections that lie ``lag`` apart."""
    where = {int(p): i for i, p in enumerate(at)}
    return [(i, where[p + lag]) for p, i in where.items() if p + lag in where]


def _weights(coherence: np.ndarray, at: np.ndarray) -> list[tuple[int, int, np.ndarray]]:
    """Pairs of sections with their weight by rings.

    For each ring: coefficients of the best linear prediction of a section from all up to `REACH` away that there are,
    over the variance that is left; the mean of those of both sections. Many are negative: a section next but one says
    little that the one between does not say.
    """
    where = {int(p): i for i, p in enumerate(at)}
    lags = [lag for lag in range(-REACH, REACH + 1) if lag]
    known: dict[tuple[int, ...], np.ndarray] = {}
    found: dict[tuple[int, int], np.ndarray] = {}
    for place, i in where.items():
        there = tuple(lag for lag in lags if place + lag in where)
        if there not in known:
            known[there] = _prediction(coherence, np.array(there, int))
        for lag, weight in zip(there, known[there], strict=True):
            j = where[place + lag]
            pair = (min(i, j), max(i, j))
            found[pair] = found.get(pair, 0) + 0.5 * weight
    return [(i, j, weight) for (i, j), weight in found.items()]


def _prediction(coherence: np.ndarray, lags: np.ndarray) -> np.ndarray:
    """Coefficients (lags, `RINGS`) that predict a section from those ``lags`` away, over the variance that is left."""
    found = np.zeros((len(lags), RINGS))
    for ring, column in enumerate(np.clip(coherence, -0.99, 0.99).T):
        by_lag = np.r_[1 + LEAST_NOISE, column]
        values, vectors = np.linalg.eigh(by_lag[np.abs(lags[:, None] - lags[None])])
        among = (vectors * np.maximum(values, LEAST_NOISE)) @ vectors.T
        to_each = by_lag[np.abs(lags)]
        coefficients = np.linalg.solve(among, to_each)
        found[:, ring] = coefficients / max(1 - float(coefficients @ to_each), LEAST_NOISE)
    return found


def _agreed(
    spectra: SectionSpectra,
    shift: np.ndarray,
    weights: list[tuple[int, int, np.ndarray]],
    check: Callable[[], None],
) -> np.ndarray:
    """The shifts, in reduced pixels, at which the weighted agreement of all pairs is largest."""
    power = np.maximum(spectra.by_ring((np.abs(spectra.values) ** 2).mean(0)), 1e-30)
    ring = spectra.ring
    pairs = [(i, j, (w / power).astype(np.float32)) for i, j, w in weights]
    turn = (2 * np.pi * spectra.frequency).astype(np.float32)
    for _ in range(ROUNDS):
        check()
        placed = spectra.brought_back(shift)
        slope = np.zeros((len(shift), 2))
        curves = []
        for i, j, weight in pairs:
            shared = weight[ring] * placed[i].conj() * placed[j]
            pull = -(turn @ shared.imag)
            slope[j] += pull
            slope[i] -= pull
            curves.append((i, j, ((turn * shared.real) @ turn.T).astype(float)))
        step = _newton_step(curves, slope)
        step -= step.mean(0)
        largest = float(np.abs(step).max())
        shift = shift + step * min(1.0, LARGEST / max(largest, 1e-9))
        if largest < SETTLED:
            break
    return shift


def _newton_step(curves: list[tuple[int, int, np.ndarray]], slope: np.ndarray) -> np.ndarray:
    """Step uphill (sections, 2); the curvature of all pairs is a band matrix, made positive where it is not."""
    from scipy.linalg import LinAlgError, solveh_banded

    count = len(slope)
    reach = max((abs(j - i) for i, j, _ in curves), default=0)
    band = np.zeros((2 * reach + 2, 2 * count))  # lower: band[row - column, column]
    for i, j, curve in curves:
        for a in (0, 1):
            for b in (0, 1):
                if a >= b:
                    band[a - b, 2 * i + b] += curve[a, b]
                    band[a - b, 2 * j + b] += curve[a, b]
                low, high = (i, j) if i < j else (j, i)
                band[2 * (high - low) + a - b, 2 * low + b] -= curve[a, b]
    scale = max(float(np.abs(band[0]).max()), 1e-30)
    damping = 1e-4 * scale
    while True:
        try:
            damped = band.copy()
            damped[0] += damping
            return np.asarray(solveh_banded(damped, slope.ravel(), lower=True)).reshape(count, 2)
        except LinAlgError:
            damping *= 10


def first_shifts(spectra: SectionSpectra, at: np.ndarray, check: Callable[[], None]) -> tuple[np.ndarray, np.ndarray]:
    """Shifts (sections, 2) in pixels from pairs of sections alone, and how well each section is tied to the next.

    Pairs 1, 2, … `REACH` apart are compared by phase correlation with a low pass; the shifts are added up along the
    tree of the pairs that stand out most, which leads around sections that resemble none.

    Returns
    -------
    shift : (sections, 2)
    peak : (sections - 1,) peak of each section and the next that is left, in standard deviations; 0 beyond `REACH`
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

    count = len(spectra.values)
    shift, peak = np.zeros((count, 2)), np.zeros(max(count - 1, 0))
    found: dict[tuple[int, int], np.ndarray] = {}
    cost = []
    correlate = _Correlator(spectra)
    for lag in range(1, REACH + 1):
        for i, j in _pairs(at, lag):
            check()
            found[i, j], high = correlate(i, j)
            if j == i + 1:
                peak[i] = high
            cost.append((i, j, lag / max(high, 0.1) ** 2))
    if not cost:
        return shift, peak
    first, second, how = zip(*cost, strict=True)
    tree = minimum_spanning_tree(coo_matrix((how, (first, second)), (count, count)).tocsr())
    order, before = breadth_first_order(tree, 0, directed=False)
    for node in order[1:]:
        last = int(before[node])
        shift[node] = shift[last] + (found[last, node] if (last, node) in found else -found[node, last])
    return shift * spectra.scale, peak


class _Correlator:
    """Phase correlation of two of the sections, from the lowest of the frequencies that are kept."""

    def __init__(self, spectra: SectionSpectra) -> None:
        radius = np.hypot(*spectra.frequency)
        self.low = radius < 2.5 * FIRST
        power = np.maximum(spectra.by_ring((np.abs(spectra.values) ** 2).mean(0)), 1e-30)[spectra.ring]
        self.weight = (np.exp(-(radius**2) / (2 * FIRST**2)) / power).astype(np.float32)[self.low]
        self.values = spectra.values
        # None of these frequencies needs more than every second pixel of the correlation.
        self.size = tuple(n // 2 if n >= 128 else n for n in spectra.side)
        self.side = spectra.side
        index = np.rint(spectra.frequency[:, self.low] * np.array(spectra.side)[:, None]).astype(int)
        self.row, self.column = index[0] % self.size[0], index[1]
        self.far = [np.fft.fftfreq(n) for n in self.size]

    def __call__(self, i: int, j: int) -> tuple[np.ndarray, float]:
        """Shift (y, x) of section j against i in reduced pixels, and its peak in standard deviations.

        Right to a pixel or two. Sections of a stack lie near each other: 10 pixels cost 3 standard deviations, 100
        pixels 10, and more than a quarter of the side is not allowed.
        """
        from scipy import fft

        plane = np.zeros((self.size[0], self.size[1] // 2 + 1), np.complex64)
        plane[self.row, self.column] = self.weight * (self.values[i].conj() * self.values[j])[self.low]
        surface = fft.irfft2(plane, self.size)
        surface /= max(float(surface.std()), 1e-30)
        pixels = [f * n for f, n in zip(self.far, self.side, strict=True)]
        away = 1.5 * np.log1p((pixels[0][:, None] ** 2 + pixels[1] ** 2) / 16)
        allowed = np.maximum(np.abs(self.far[0])[:, None], np.abs(self.far[1])) <= 0.25
        y, x = np.unravel_index(int(np.argmax(np.where(allowed, surface - away, -np.inf))), surface.shape)
        return np.array([pixels[0][y], pixels[1][x]]), float(surface[y, x])
