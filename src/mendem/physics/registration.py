"""Each frame against the mean of all others, frequency by frequency, weighted by what the frames share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

#: Frequencies above this tell nothing that interpolation would not spoil, cycles per pixel.
HIGHEST = 0.35
#: The drift is settled once no frame moves by more, pixels; and the rounds it may take.
SETTLED, ROUNDS = 0.01, 12
#: Rings of the power spectra, up to `HIGHEST`.
RINGS = 48


@dataclass(frozen=True, eq=False)
class Spectra:
    """Windows of the frames in Fourier space, cut where the drift so far says.

    Attributes
    ----------
    values
        (frames, frequencies) complex64, of windows that end softly.
    iy, ix
        Indices of the frequencies, integers; ``iy`` runs from minus to plus half the height.
    side
        Height and width of a window.
    origin
        (frames, 2): where each window was cut, relative to the reference, pixels.
    start
        (frames, 2): the drift so far less ``origin``.
    means
        (frames,) mean of each window.
    same
        (frames,) bool, the frames that count.
    """

    values: np.ndarray
    iy: np.ndarray
    ix: np.ndarray
    side: tuple[int, int]
    origin: np.ndarray
    start: np.ndarray
    means: np.ndarray
    same: np.ndarray

    @classmethod
    def of(
        cls, read: Callable[[int], np.ndarray], drift: np.ndarray, same: np.ndarray, largest: int, scale: float = 1
    ) -> Spectra:
        """Windows of at most ``largest`` pixels a side, in the middle of what all frames that are the ``same`` show.

        ``drift`` in units of ``scale`` pixels; ``read(i)`` gives a frame, finite everywhere.
        """
        from scipy import fft

        drift = drift * scale
        count = len(drift)
        values: list[np.ndarray] = []
        means, origin = np.zeros(count), np.zeros((count, 2))
        side, first, window = (0, 0), np.zeros(2), np.zeros(0)
        iy = ix = np.zeros(0, int)
        for i in range(count):
            frame = read(i)
            if not values:
                shape = np.array(frame.shape)
                low, high = (-drift[same]).max(0), (shape - drift[same]).min(0)
                room = np.clip(high - low, shape // 2, shape)
                rows, columns = (int(n) for n in np.minimum(room, largest))
                side = rows, columns
                first = np.rint((low + high - side) / 2)
                window = np.outer(*(np.hanning(n + 2)[1:-1] for n in side)).astype(np.float32)
                iy, ix = np.nonzero(_wanted(side))
                iy = np.where(iy > side[0] // 2, iy - side[0], iy)
            corner = np.clip(first + np.rint(drift[i]), 0, shape - side).astype(int)
            origin[i] = corner - first
            cut = frame[corner[0] : corner[0] + side[0], corner[1] : corner[1] + side[1]]
            means[i] = cut.mean(dtype=np.float64)
            values.append(fft.rfft2((cut - np.float32(means[i])) * window)[iy, ix].astype(np.complex64))
        return cls(np.stack(values), iy, ix, side, origin, drift - origin, means, same)

    def moved(self, i: int, rest: np.ndarray, at: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Frame i with its content brought back by ``rest`` (y, x)."""
        return self.values[i, at] * self.phase(rest, at)

    def phase(self, rest: np.ndarray, at: np.ndarray | slice = slice(None)) -> np.ndarray:
        """What brings content back by ``rest``."""
        h, w = self.side
        lowest = int(self.iy.min())
        ey = np.exp(2j * np.pi * rest[0] * np.arange(lowest, int(self.iy.max()) + 1) / h).astype(np.complex64)
        ex = np.exp(2j * np.pi * rest[1] * np.arange(int(self.ix.max()) + 1) / w).astype(np.complex64)
        return ey[self.iy[at] - lowest] * ex[self.ix[at]]

    @cached_property
    def frame_power(self) -> np.ndarray:
        """Mean power of the frames that count, by rings."""
        total = np.zeros(RINGS)
        for i in np.flatnonzero(self.same).tolist():
            total += np.bincount(self.ring, np.abs(self.values[i]) ** 2, RINGS)
        return total / self.same.sum() / np.maximum(np.bincount(self.ring, minlength=RINGS), 1)

    @cached_property
    def ring(self) -> np.ndarray:
        """Ring of each frequency."""
        radius = np.hypot(self.iy / self.side[0], self.ix / self.side[1])
        return np.minimum((radius / HIGHEST * RINGS).astype(int), RINGS - 1)

    def powers(self, rest: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Sum of the brought-back frames, and power of signal and of one frame's noise at each frequency, by rings."""
        used = np.flatnonzero(self.same).tolist()
        total = np.zeros(self.values.shape[1], np.complex128)
        for i in used:
            total += self.moved(i, rest[i])
        n, ring, frame = len(used), self.ring, self.frame_power
        count = np.maximum(np.bincount(ring, minlength=RINGS), 1)
        mean = np.bincount(ring, np.abs(total / n) ** 2, RINGS) / count
        signal = np.clip((n * mean - frame) / (n - 1), 0, frame)
        noise = np.maximum(frame - signal, 1e-3 * frame + 1e-30)
        return total, signal[ring], noise[ring]

    def sharpness(self, rest: np.ndarray) -> np.ndarray:
        """How much of what the others show each frame has, averaged over the frequencies that tell; (frames,).

        1 is typical; a blurred frame has less, and one of another place nothing. Frames that do not count have 0.
        """
        total, signal, noise = self.powers(rest)
        used = np.flatnonzero(self.same).tolist()
        weight = np.minimum(1, signal**2 / (noise * (signal + noise / len(used)))) / (signal + 1e-3 * noise)
        found = np.zeros(len(self.values))
        for i in used:
            mine = self.moved(i, rest[i])
            found[i] = float((weight * (mine * (total - mine).conj()).real).sum())
        typical = float(np.median(found[used]))
        return found / typical if typical > 0 else found

    def constancy(self, rest: np.ndarray) -> float:
        """Correlation of the means of the first and the second half of the frames over that of even and odd ones."""
        _, signal, noise = self.powers(rest)
        weight = signal / (signal + noise)
        used = np.flatnonzero(self.same).tolist()
        sums = np.zeros((2, 2, self.values.shape[1]), np.complex128)  # parity, half
        for place, i in enumerate(used):
            sums[place % 2, int(2 * place >= len(used))] += self.moved(i, rest[i])

        def correlation(a: np.ndarray, b: np.ndarray) -> float:
            norm = np.sqrt((weight * np.abs(a) ** 2).sum() * (weight * np.abs(b) ** 2).sum())
            return float((weight * (a * b.conj()).real).sum() / norm) if norm > 0 else 0.0

        between, within = correlation(*sums.sum(0)), correlation(*sums.sum(1))
        return between / within if within > 0 else 0.0

    def contrast(self, rest: np.ndarray) -> np.ndarray:
        """Contrast of each frame relative to the mean of all, (frames,); 1 where it cannot be told.

        From the covariance with the mean of the others, in which noise has no part; two frames have but one covariance,
        so that there the powers of the frequencies with little noise are compared.
        """
        total, signal, noise = self.powers(rest)
        used = np.flatnonzero(self.same).tolist()
        found, n = np.ones(len(self.values)), len(used)
        if n == 2:
            clear = signal > 10 * noise
            power = [float((np.abs(self.values[i, clear]) ** 2).sum()) for i in used]
            if clear.sum() > 20 and min(power) > 0:
                found[used] = np.sqrt(np.array(power) / np.sqrt(power[0] * power[1]))
            return found
        weight = 1 / noise
        shared = []
        for i in used:
            mine = self.moved(i, rest[i])
            shared.append(float((weight * (mine * (total - mine).conj()).real).sum()))
        chance = np.sqrt(len(self.ix) * (n - 1) / 2)  # what frames of noise alone would share
        if min(shared) < 10 * chance:
            return found
        a = np.ones(n)
        for _ in range(20):  # covariance of frame i: a_i times the sum of all other a
            a = np.array(shared) / (a.sum() - a)
            a /= a.mean()
        found[used] = a
        return found

    def brightness(self, contrast: np.ndarray) -> np.ndarray:
        """What is added to each frame, so that the mean of all frames stays; (frames,)."""
        return self.means - contrast * self.means[self.same].mean()


def refined(part: Spectra, search: float = 0.0) -> np.ndarray:
    """The drift less ``part.origin``, (frames, 2), refined until it settles.

    The most likely place of a frame against the mean of the n - 1 others (Gaussian noise of power N on signal of power
    S): the peak of their correlation, each frequency weighted by ``S / (N (S + N / (n - 1)))``, found by Newton's
    method on the phases. The frame itself is left out of the mean, or its own noise would hold it where it is.

    Parameters
    ----------
    search
        Pixels around the start where the highest peak is looked for at first.
    """
    rest, used = part.start.copy(), np.flatnonzero(part.same).tolist()
    both = np.where(part.ix > 0, 2.0, 1.0)
    for number in range(ROUNDS):
        total, signal, noise = part.powers(rest)
        weight = both * signal / (noise * (signal + noise / (len(used) - 1)) + 1e-30)
        at = np.flatnonzero(weight > 3e-3 * weight.max())
        if not len(at):
            return rest
        weight = weight[at].astype(np.float32)
        f = 2 * np.pi * np.stack([part.iy[at] / part.side[0], part.ix[at] / part.side[1]]).astype(np.float32)
        before, total = rest.copy(), total[at]
        for i in used:
            mine = part.values[i, at]
            others = total - mine * part.phase(rest[i], at)
            cross = weight * mine * others.conj()
            if search and number == 0:
                rest[i] = _highest(part, cross, at, rest[i], search)
            for _ in range(3):
                turned = cross * part.phase(rest[i], at)
                slope = -(f * turned.imag).sum(1, dtype=np.float64)
                curve = (turned.real * f) @ f.T
                step = _newton(slope, curve)
                rest[i] += step
                if np.abs(step).max() < 1e-3:
                    break
            total = others + mine * part.phase(rest[i], at)  # those that follow meet it in its new place
        rest[used] -= (rest[used] - before[used]).mean(0)
        if np.abs(rest - before).max() < SETTLED:
            break
    return rest


def _newton(slope: np.ndarray, curve: np.ndarray) -> np.ndarray:
    """A step uphill of at most half a pixel; along the slope where the surface is no hill."""
    if curve[0, 0] > 0 and np.linalg.det(curve) > 1e-6 * curve[0, 0] * abs(curve[1, 1]):
        step = np.linalg.solve(curve, slope)
    else:
        length = float(np.hypot(*slope))
        step = 0.25 * slope / length if length > 0 else np.zeros(2)
    return step * min(1.0, 0.5 / max(float(np.abs(step).max()), 1e-9))


def _highest(part: Spectra, cross: np.ndarray, at: np.ndarray, start: np.ndarray, search: float) -> np.ndarray:
    """Highest place of the correlation within ``search`` pixels of ``start``, on a grid of half pixels."""
    steps = np.arange(-search, search + 0.25, 0.5)
    h, w = part.side
    ey = np.exp(2j * np.pi * np.outer(start[0] + steps, np.arange(-(h // 2), h // 2 + 1)) / h)
    ex = np.exp(2j * np.pi * np.outer(start[1] + steps, np.arange(w // 2 + 1)) / w)
    plane = np.zeros((2 * (h // 2) + 1, w // 2 + 1), np.complex128)
    plane[part.iy[at] + h // 2, part.ix[at]] = cross
    surface = (ey @ plane @ ex.T).real
    y, x = np.unravel_index(int(np.argmax(surface)), surface.shape)
    return start + np.array([steps[y], steps[x]])


def _wanted(side: tuple[int, int]) -> np.ndarray:
    """Frequencies (height, width // 2 + 1) that are looked at: no row offsets, and not the highest."""
    f_y, f_x = np.fft.fftfreq(side[0])[:, None], np.fft.rfftfreq(side[1])[None]
    wanted = f_y**2 + f_x**2 < HIGHEST**2
    wanted[:, 0] = False
    return wanted
