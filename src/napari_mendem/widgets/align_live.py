"""An alignment that waits to be accepted, and its tilts in the viewer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mendem.tomography.tilt_series import TiltSeries
from napari_mendem.alignments import AlignedPreview

if TYPE_CHECKING:
    from mendem.tomography.alignment import Alignment
    from napari_mendem.widgets.align import AlignWidget


@dataclass(frozen=True)
class Proposal:
    """An alignment, the series that it was made of, and what its layer said of the tilts then."""

    alignment: Alignment
    stated: TiltSeries
    tilts: dict[str, Any]

    @property
    def moves(self) -> bool:
        """Whether anything was aligned; a series that was aligned already is judged alone."""
        return self.alignment.series is not self.stated


class AlignLive:
    """Shows the proposed alignment while the dock is in front and Live is on."""

    def __init__(self, dock: AlignWidget) -> None:
        self._dock = dock
        self.output = AlignedPreview(dock.viewer)
        self._shown: TiltSeries | None = None
        self._paused = False

    def pause(self, paused: bool) -> None:
        """Change nothing for a while."""
        self._paused = paused
        if not paused:
            self.refresh()

    def refresh(self) -> None:
        """Show what is proposed now."""
        if self._paused:
            return
        dock = self._dock
        found, layer = dock.found(), dock.input.layer
        series = found.alignment.series if found is not None and found.moves and dock.ui.live.isChecked() else None
        if series is None or layer is None:
            self.output.remove()
        elif series is not self._shown or self.output.layer is None or self.output.layer not in dock.viewer.layers:
            self.output.show(series, layer)
        self._shown = series
