"""What a dial of tilt angles shows, and what it says of a tilt."""

from __future__ import annotations

from dataclasses import dataclass

from napari_mendem.wedge_tilts import LARGEST, within


@dataclass(frozen=True)
class Dialled:
    """What the dial shows.

    Attributes
    ----------
    angles
        Of all tilts in the order of the stack, in degrees.
    excluded
        Tilts that the user, or the file, has excluded.
    limit
        Tilts further from 0° do not count.
    arcs
        (from, to) in degrees that no tilt measures, of `mendem.tomography.directions.missing_arcs`.
    current
        The tilt that is looked at.
    generated
        Tilts that were not measured.
    """

    angles: tuple[float, ...] = ()
    excluded: frozenset[int] = frozenset()
    limit: float = LARGEST
    arcs: tuple[tuple[float, float], ...] = ()
    current: int | None = None
    generated: frozenset[int] = frozenset()

    def counts(self, tilt: int) -> bool:
        """Whether a tilt is neither excluded nor beyond the limit."""
        return tilt not in self.excluded and within(self.angles[tilt], self.limit)

    @property
    def beyond(self) -> frozenset[int]:
        """Tilts beyond the limit."""
        return frozenset(tilt for tilt, angle in enumerate(self.angles) if not within(angle, self.limit))

    def said(self, tilt: int) -> str:
        """``Tilt 4: −20.0°, measured``."""
        state = "generated" if tilt in self.generated else "measured"
        if not self.counts(tilt):
            state = ("" if state == "measured" else "generated, ") + (
                "excluded" if tilt in self.excluded else "beyond the limit"
            )
        return f"Tilt {tilt}: {signed(self.angles[tilt])}, {state}"

    @property
    def summary(self) -> str:
        """How many tilts count."""
        counted = [tilt for tilt in range(len(self.angles)) if self.counts(tilt)]
        made = len(self.generated.intersection(counted))
        generated = f" ({made} of them generated)" if made else ""
        return f"{len(counted)} of {len(self.angles)} tilts count{generated}, limit {self.limit:g}°"


def signed(angle: float) -> str:
    """An angle with its sign."""
    return f"{angle:+.1f}°".replace("-", "\u2212")
