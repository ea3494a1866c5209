"""Excluding tilts in the Missing wedge dock: one, or all beyond the limit. The layer remembers it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_mendem.wedge_tilts import exclude, used_tilts

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

    from mendem.tomography.tilt_series import TiltSeries
    from napari_mendem.widgets.missing_wedge_layout import MissingWedgeLayout


class Excludes:
    """The excluding part of `MissingWedgeWidget`."""

    ui: MissingWedgeLayout
    _layer: ImageLayer | None
    _series: TiltSeries | None

    def _say(self, text: str) -> None:
        raise NotImplementedError

    def exclude(self, tilt: int) -> None:
        """Exclude a tilt, or take it in again."""
        layer, series = self._layer, self._series
        if layer is None or series is None:
            return
        excluded = frozenset(series.excluded) ^ {tilt}
        if not used_tilts(series.true_angles, excluded | set(series.generated), self.ui.limit.value()):
            self._say(f"tilt {tilt} is the last measured one that counts, and one is needed")
            return
        exclude(layer, excluded)

    def exclude_beyond(self) -> None:
        """Exclude all tilts beyond the limit; where all of them are, take them in again."""
        layer, series = self._layer, self._series
        if layer is None or series is None:
            return
        excluded, beyond = frozenset(series.excluded), self.ui.dial.shown.beyond
        exclude(layer, excluded - beyond if beyond <= excluded else excluded | beyond)
