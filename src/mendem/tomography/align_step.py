"""One step towards the most probable shifts and tilt axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mendem.tomography.align_field import Field, Residual

#: Directions that the data tell less about than this, against the best known, are left where they are.
FLAT = 1e-3


@dataclass(frozen=True)
class Step:
    """Where the tilts should go, by Gauss and Newton's method.

    Attributes
    ----------
    shifts
        (tilts, 2): y and x in pixels by which each tilt is to be moved.
    turn
        Radians, counterclockwise in (y, x) as `TiltSeries` has it, by which all are to be turned.
    certainty
        (2 tilts + 1, 2 tilts + 1): the information matrix of y, x and turn; its inverse is their covariance.
    """

    shifts: np.ndarray
    turn: float
    certainty: np.ndarray

    @property
    def turn_std(self) -> float:
        """Standard deviation of the turn in radians as the data alone have it, the shifts being unknown."""
        return float(np.sqrt(max(np.linalg.pinv(self.certainty, rcond=1e-9, hermitian=True)[-1, -1], 0.0)))


def step_of(field: Field, residual: Residual, axis: bool) -> Step:
    """The step from where the tilts lie; ``axis``: whether they may be turned.

    Derivatives are taken of what the tilts have in common, which has less noise than they have.
    """
    common = residual.explained
    count, rows, columns = common.shape
    across = np.gradient(common, axis=2)
    frequencies = np.fft.fftfreq(rows)[:, None]
    along = np.fft.ifft(2j * np.pi * frequencies * np.fft.fft(common, axis=1), axis=1).real
    # The window stays where it is when the tilt moves.
    along -= (np.gradient(field.window) / np.maximum(field.window, 0.02))[:, None] * common
    y, x = np.arange(rows)[:, None] - (rows - 1) / 2, np.arange(columns)[None] - (columns - 1) / 2
    turned = along * x - across * y

    def transformed(values: np.ndarray) -> np.ndarray:
        return np.fft.rfft(values, axis=1)[:, :, field.columns] / np.sqrt(rows)

    moves, turns = np.stack([-transformed(along), -transformed(across)]), transformed(turned)
    size = 2 * count + 1
    certainty, slope = np.zeros((size, size)), np.zeros(size)
    for i in field.counted:
        certainty += field.unexplained(i, moves[:, :, i], turns[:, i])
        left = residual.left[:, i]
        slope[:-1] += field.weight(i) * (moves[:, :, i].conj() * left).real.sum(2).ravel()
        slope[-1] += field.weight(i) * float((turns[:, i].conj() * left).real.sum())
    used = size if axis else size - 1
    scale = 1 / np.sqrt(np.maximum(np.diag(certainty)[:used], 1e-30))
    values, vectors = np.linalg.eigh(certainty[:used, :used] * scale[:, None] * scale)
    change = np.zeros(size)
    change[:used] = -scale * (vectors @ ((vectors.T @ (scale * slope[:used])) / np.maximum(values, FLAT)))
    return Step(change[:-1].reshape(2, count).T, float(change[-1]), certainty)
