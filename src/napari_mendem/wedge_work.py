"""What the Missing wedge dock shows, computed: a slice, spectra, energies and the image of a point. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from mendem.errors import MendemError

if TYPE_CHECKING:
    from mendem.tomography.psf import PointWidths
    from mendem.tomography.single_slice import SingleSlice
    from mendem.tomography.tilt_series import TiltSeries
    from mendem.tomography.wedge import WedgeEnergy

#: The image of a point: voxels on either side of it, and points per voxel.
REACH, FINE = 12, 8


@dataclass(frozen=True)
class Question:
    """All that decides what is shown.

    Attributes
    ----------
    series
        With the tilts excluded that do not count, and the tilt axis that is tried. The slice is made of all that count;
        what is missing is what the measured ones leave, so that a wedge that was filled stays the wedge.
    row, depth
        The slice, and its voxels along z; None for as many as it is wide.
    tomogram
        (z, y, x) whose spectrum is shown; None for that of the slice.
    plane
        Of Fourier space, one of `mendem.tomography.spectrum.PLANES`.
    solid
        Whether the spectrum of the volume is wanted too.
    """

    series: TiltSeries
    row: int
    depth: int | None = None
    tomogram: Any = None
    plane: str = "kz kx"
    solid: bool = False

    def same(self, other: Question | None) -> bool:
        """Whether the answer is the same."""
        if other is None or self.tomogram is not other.tomogram:
            return False
        if self.series.image.data is not other.series.image.data:
            return False
        tilts = ("angles", "axis_angle", "offset", "shifts", "excluded", "distortions", "generated")
        plain = all(getattr(self.series, name) == getattr(other.series, name) for name in tilts)
        return plain and all(getattr(self, n) == getattr(other, n) for n in ("row", "depth", "plane", "solid"))


@dataclass(frozen=True)
class Answer:
    """What `Work.answer` found.

    Attributes
    ----------
    question
        What was asked.
    pixels
        The slice (Z, X).
    spectrum
        log10 of the power in the plane of Fourier space; None where only a tomogram could tell.
    volume
        The same of the whole tomogram, (kz, ky, kx); of a slice it is its plane, (kz, 1, kx). None unless asked for.
    energy
        Inside and outside the wedge; None where there is none at all.
    point
        The image of a point, (z, x), `FINE` points per voxel; with its ``elongation`` and ``widths``.
    arcs
        What no tilt measures, as `mendem.tomography.directions.missing_arcs` has it.
    """

    question: Question
    pixels: np.ndarray
    spectrum: np.ndarray | None
    volume: np.ndarray | None
    energy: WedgeEnergy | None
    point: np.ndarray
    elongation: float
    widths: PointWidths
    arcs: tuple[tuple[float, float], ...]

    @property
    def missing_share(self) -> float:
        """Share of Fourier space that no tilt measures."""
        return sum(end - start for start, end in self.arcs) / 180.0

    @property
    def measured(self) -> tuple[float, ...]:
        """Angles of the measured tilts that count, rising."""
        series = self.question.series
        return tuple(series.true_angles[tilt] for tilt in series.measured)

    @property
    def generated(self) -> tuple[float, ...]:
        """Angles of the generated tilts that count, rising."""
        series = self.question.series
        return tuple(series.true_angles[tilt] for tilt in series.used if tilt in series.generated)


class Work:
    """Answers questions one at a time, and keeps what the next one will want again."""

    def __init__(self) -> None:
        self._lock = Lock()  # an answer that is no longer wanted may still be at work
        self._single: SingleSlice | None = None
        self._tomogram: Any = None
        self._powers: dict[str, np.ndarray] = {}

    def answer(self, question: Question, check: Callable[[], None] = lambda: None) -> Answer:
        """The answer; raises `MendemError` for what the user can mend, and what ``check`` raises."""
        with self._lock:
            check()
            return self._answer(question, check)

    def _answer(self, question: Question, check: Callable[[], None]) -> Answer:
        from mendem.tomography import psf
        from mendem.tomography.directions import missing_arcs
        from mendem.tomography.single_slice import SingleSlice
        from mendem.tomography.spectrum import log_power
        from mendem.tomography.wedge import slice_power, wedge_energy, wedge_mask

        series = question.series
        angles = tuple(series.true_angles[tilt] for tilt in series.measured)
        self._single = self._single or SingleSlice()
        pixels = self._single.of(series, question.row, question.depth, check)
        check()
        across, plane, volume = slice_power(pixels), None, None
        if question.tomogram is None:
            plane = across if question.plane == "kz kx" else None
            if question.solid:
                volume = log_power(across)[:, None]
        else:
            plane = self._power(question.tomogram, question.plane, check)
            across = self._power(question.tomogram, "kz kx", check)
            if question.solid:
                volume = log_power(self._power(question.tomogram, "volume", check))
        check()
        try:
            energy = wedge_energy(across, wedge_mask(angles, across.shape))
        except MendemError:  # a constant slice has none
            energy = None
        check()
        away = np.arange(-REACH * FINE, REACH * FINE + 1) / FINE
        return Answer(
            question,
            pixels,
            None if plane is None else log_power(plane),
            volume,
            energy,
            psf.point_spread(angles, away[:, None], away[None, :]).astype(np.float32),
            psf.elongation(angles),
            psf.point_widths(angles),
            missing_arcs(angles),
        )

    def _power(self, tomogram: Any, what: str, check: Callable[[], None]) -> np.ndarray:
        """A power spectrum of a tomogram, which is the same as long as the tomogram is."""
        from mendem.tomography.spectrum import plane_power, volume_power

        if tomogram is not self._tomogram:
            self._tomogram, self._powers = tomogram, {}
        if what not in self._powers:
            found = volume_power(tomogram, check) if what == "volume" else plane_power(tomogram, what, check)
            self._powers[what] = found
        return self._powers[what]
