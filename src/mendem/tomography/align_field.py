"""How probable tilts are together: a specimen as a random field, seen through a tilt scheme.

Before it is seen, the specimen is a Gaussian random field with the power spectrum that the tilts show, inside a
support: a cylinder about the tilt axis for an isolated object, a slab that goes on beyond the view otherwise. Then the
tilts are Gaussian too, and their covariance follows from the projector. It does not depend on the shifts, which only
move the data: so shifts and tilt axis are found where the tilts, moved back, are most probable together (maximum
marginal likelihood; the specimen itself is integrated out). The slices across the axis are independent for each
frequency along it, and small enough for dense matrices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mendem.tomography.geometry import SliceGeometry

#: Highest frequency along the axis that counts, cycles per pixel; beyond, interpolation tells.
HIGHEST = 0.4
#: Rings of the power spectrum.
RINGS = 16
#: Frequencies along the axis that tell whether a tilt fits the others.
LOWEST = 6
#: Part of the length over which images of a slab fade at both ends of the axis.
FADE = 0.2


@dataclass(frozen=True)
class Residual:
    """What tilts, as they lie, have in common and what not.

    Attributes
    ----------
    explained
        (tilts, y, x): the mean of the specimen given all tilts, projected.
    left
        (tilts, ky, u) complex: the data less what was explained.
    power
        Products of the data and ``left``, over the variance of the noise: -2 times the logarithm of the probability,
        but for what depends on the field alone.
    """

    explained: np.ndarray
    left: np.ndarray
    power: float


class Field:
    """The covariance of aligned tilts, factorised for each frequency along the axis.

    Parameters
    ----------
    tilts
        (tilts, y, x) roughly aligned, of which spectrum and noise are measured.
    angles_deg
        Of the tilts.
    depth
        Pixels of the slab along z; None for an isolated object, inside a cylinder as wide as the view.
    margin
        Columns at either side that do not count, since shifted tilts have nothing there.
    """

    def __init__(
        self,
        tilts: np.ndarray,
        angles_deg: Sequence[float],
        depth: int | None,
        margin: int,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        from scipy import linalg

        count, rows, columns = tilts.shape
        self.shape = tilts.shape
        self.columns = slice(margin, columns - margin)
        self.window = np.ones(rows) if depth is None else faded(rows)
        self.frequencies = np.fft.rfftfreq(rows)
        data = self.transform(tilts)
        width = data.shape[2]
        radius = np.hypot(self.frequencies[:, None], np.fft.fftfreq(width)[None])
        fade = np.ones(width) if depth is None else faded(width)
        power = (np.abs(np.fft.fft(data * fade, axis=2)) ** 2).mean(0) / (width * (fade**2).mean())
        self.noise = max(float(np.median(power[radius > HIGHEST])), 1e-9 * float(power.max()))
        matrix, inside = _seen(angles_deg, columns, depth)
        seen = matrix.reshape(count, columns, -1)[:, self.columns]
        path = float((seen[..., inside.ravel()] ** 2).sum() / (count * width))
        ring = np.minimum((radius * 2 * RINGS).astype(int), RINGS)
        total = np.bincount(ring.ravel(), power.ravel(), RINGS + 1) / np.maximum(np.bincount(ring.ravel()), 1)
        variance = np.maximum(total - self.noise, 0.02 * total) / path
        self.counted = [
            i
            for i, f in enumerate(self.frequencies)
            if f <= HIGHEST and float((np.abs(data[:, i]) ** 2).mean()) > 1.02 * self.noise
        ]
        self._size = count * width
        self._full: dict[int, np.ndarray] = {}
        self._factors: dict[int, tuple[np.ndarray, bool]] = {}
        for i in self.counted:
            check()
            full = _coloured(matrix, inside, variance, self.frequencies[i])
            part = self._part(full)
            normal = part.T @ part
            normal[np.diag_indices_from(normal)] += np.float32(self.noise)
            self._full[i] = full
            self._factors[i] = linalg.cho_factor(normal, lower=True, overwrite_a=True, check_finite=False)

    def transform(self, tilts: np.ndarray) -> np.ndarray:
        """(tilts, y, x) to (tilts, ky, u) complex, of the columns that count and faded at the ends."""
        rows = self.shape[1]
        return np.fft.rfft(tilts * self.window[:, None], axis=1)[:, :, self.columns] / np.sqrt(rows)

    def weight(self, i: int) -> float:
        """How often frequency ``i`` counts: twice for all that stand for themselves and their conjugate."""
        rows = self.shape[1]
        return (1.0 if i == 0 or (rows % 2 == 0 and i == rows // 2) else 2.0) / self.noise

    def residual(self, tilts: np.ndarray) -> Residual:
        """What aligned tilts (tilts, y, x) have in common, and what is left of them."""
        data = self.transform(tilts)
        count, rows, columns = self.shape
        projected = np.zeros((count, len(self.frequencies), columns), np.complex128)
        left, power = np.zeros_like(data), 0.0
        for i in self.counted:
            full = self._full[i]
            mean = self._mean(i, data[:, i].reshape(-1))
            seen = (full @ mean[0] + 1j * (full @ mean[1])).reshape(count, columns)
            projected[:, i] = seen
            left[:, i] = data[:, i] - seen[:, self.columns]
            power += self.weight(i) * float((data[:, i].conj() * left[:, i]).real.sum())
        explained = np.fft.irfft(projected * np.sqrt(rows), n=rows, axis=1)
        return Residual(explained, left, power)

    def unexplained(self, i: int, directions: np.ndarray, together: np.ndarray) -> np.ndarray:
        """Inner products of data directions, less what a specimen could explain of them.

        Parameters
        ----------
        i
            Frequency along the axis.
        directions
            (k, tilts, u) complex, each a change of every single tilt: k x tilts directions that hold one tilt each.
        together
            (tilts, u) complex, a change of all tilts at once.

        Returns
        -------
        (k tilts + 1, k tilts + 1) real: what the directions have in common with one another after the covariance of
        the tilts has been taken into account, in units of the noise.
        """
        from scipy import linalg

        kinds, count, _ = directions.shape
        part = self._part(self._full[i]).reshape(count, -1, self._full[i].shape[1]).transpose(0, 2, 1)
        pieces = np.concatenate([directions, together[None]]).transpose(1, 2, 0)
        seen = np.matmul(part, np.concatenate([pieces.real, pieces.imag], 2).astype(np.float32))
        k = kinds + 1
        columns = [seen[:, :, c].T for c in range(kinds)] + [seen[:, :, kinds].sum(0)[:, None]]
        columns += [seen[:, :, k + c].T for c in range(kinds)] + [seen[:, :, k + kinds].sum(0)[:, None]]
        both = np.concatenate(columns, 1)
        size = kinds * count + 1
        solved = linalg.cho_solve(self._factors[i], both, check_finite=False)
        explained = both[:, :size].T @ solved[:, :size] + both[:, size:].T @ solved[:, size:]
        plain = np.zeros((size, size))
        for a in range(kinds):
            for b in range(kinds):
                shared = (directions[a].conj() * directions[b]).real.sum(1)
                plain[a * count : (a + 1) * count, b * count : (b + 1) * count] += np.diag(shared)
            shared = (directions[a].conj() * together).real.sum(1)
            plain[a * count : (a + 1) * count, -1] = plain[-1, a * count : (a + 1) * count] = shared
        plain[-1, -1] = (np.abs(together) ** 2).sum()
        return self.weight(i) * (plain - explained)

    def agreement(self, tilts: np.ndarray) -> np.ndarray:
        """(tilts,): correlation of each aligned tilt with what the others say that it shows, -1 to 1.

        A tilt's own part in what it is compared with is taken out exactly: the residual of a datum that is left out
        is its residual over one less its leverage (here a matrix for each tilt). Of the lowest `LOWEST` frequencies.
        """
        from scipy import linalg

        data, count = self.transform(tilts), self.shape[0]
        shared, own, others = np.zeros(count), np.zeros(count), np.zeros(count)
        for i in self.counted[:LOWEST]:
            part = self._part(self._full[i])
            mean = self._mean(i, data[:, i].reshape(-1))
            left = data[:, i] - (part @ mean[0] + 1j * (part @ mean[1])).reshape(count, -1)
            rows = part.reshape(count, -1, part.shape[1])
            for k in range(count):
                leverage = rows[k] @ linalg.cho_solve(self._factors[i], rows[k].T, check_finite=False)
                said = data[k, i] - np.linalg.solve(np.eye(len(leverage)) - leverage, left[k])
                shared[k] += self.weight(i) * (data[k, i].conj() * said).real.sum()
                own[k] += self.weight(i) * (np.abs(data[k, i]) ** 2).sum()
                others[k] += self.weight(i) * (np.abs(said) ** 2).sum()
        return shared / np.sqrt(np.maximum(own * others, 1e-30))

    def evidence(self, residual: Residual) -> float:
        """Logarithm of the probability of the tilts, but for a constant: to compare fields of the same tilts."""
        determinants = 0.0
        for i in self.counted:
            diagonal = np.diag(self._factors[i][0]).astype(np.float64)
            spread = 2 * np.log(diagonal).sum() + (self._size - len(diagonal)) * np.log(self.noise)
            determinants += self.weight(i) * self.noise * spread
        return -0.5 * (residual.power + determinants)

    def _mean(self, i: int, data: np.ndarray) -> np.ndarray:
        """Real and imaginary part of the mean specimen, in the units of the field."""
        from scipy import linalg

        both = self._part(self._full[i]).T @ np.stack([data.real, data.imag], 1).astype(np.float32)
        return linalg.cho_solve(self._factors[i], both, check_finite=False).T

    def _part(self, full: np.ndarray) -> np.ndarray:
        """Rows of the columns that count."""
        count, _, columns = self.shape
        return np.ascontiguousarray(full.reshape(count, columns, -1)[:, self.columns]).reshape(-1, full.shape[1])


def faded(length: int) -> np.ndarray:
    """1 inside, and a soft end over `FADE` of the length at both ends."""
    edge = max(2, round(FADE * length))
    distance = np.minimum(np.arange(length), np.arange(length)[::-1]) + 0.5
    return np.sin(np.pi / 2 * np.minimum(distance / edge, 1)) ** 2


def _seen(angles_deg: Sequence[float], columns: int, depth: int | None) -> tuple[np.ndarray, np.ndarray]:
    """The projector as a matrix (tilts x columns, voxels), float32, and which voxels belong to the support (z, x)."""
    import torch

    from mendem.tomography.projector import Projector

    geometry = SliceGeometry(tuple(angles_deg), (depth or columns, columns), columns)
    if depth is None:
        z, x = np.mgrid[:columns, :columns] - (columns - 1) / 2
        inside = np.hypot(z, x) <= columns / 2
    else:
        geometry, _ = geometry.widened()
        ones = torch.ones(len(geometry.angles_deg), columns)
        inside = Projector(geometry).adjoint(ones).numpy() > 0.5
    single = torch.zeros(int(inside.sum()), *geometry.shape)
    single[torch.arange(len(single)), *(torch.from_numpy(n) for n in np.nonzero(inside))] = 1
    seen = Projector(geometry).forward(single).numpy().reshape(len(single), -1).T
    matrix = np.zeros((seen.shape[0], inside.size), np.float32)
    matrix[:, inside.ravel()] = seen
    return matrix, inside


def _coloured(matrix: np.ndarray, inside: np.ndarray, variance: np.ndarray, frequency: float) -> np.ndarray:
    """The projector of white noise that is first given the spectrum of the field, at one frequency along the axis."""
    from scipy import fft

    shape = tuple(fft.next_fast_len(2 * n, real=True) for n in inside.shape)
    kz, kx = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None]
    radius = np.sqrt(kz**2 + kx**2 + frequency**2)
    at = (np.arange(RINGS) + 0.5) / (2 * RINGS)
    root = np.exp(0.5 * np.interp(radius, at, np.log(np.maximum(variance[:RINGS], 1e-30)))).astype(np.float32)
    out = np.empty((len(matrix), int(inside.sum())), np.float32)
    for first in range(0, len(matrix), 256):
        rows = matrix[first : first + 256].reshape(-1, *inside.shape)
        smooth = fft.irfft2(fft.rfft2(rows, shape) * root, shape)[:, : inside.shape[0], : inside.shape[1]]
        out[first : first + 256] = smooth[:, inside]
    return out
