"""The live slice of the Fill wedge dock: before, and filled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from napari_mendem.fill_jobs import FillSliceJob, FillSource
from napari_mendem.fill_layers import FillPreview
from napari_mendem.widgets.connections import Connections
from napari_mendem.widgets.slice_live import SliceLive

if TYPE_CHECKING:
    from napari.components import ViewerModel
    from qtpy.QtCore import QObject


class FillLive(SliceLive):
    """As `SliceLive`, of a filled slice below what it was before."""

    def __init__(
        self,
        viewer: ViewerModel,
        wanted: Callable[[], Any],
        connections: Connections,
        cpu_threads: int,
        parent: QObject,
    ) -> None:
        super().__init__(viewer, wanted, connections, cpu_threads, parent)
        self.source, self.output = FillSource(), FillPreview(viewer)

    def forget(self) -> None:
        """What fills has changed: the next slice is filled anew."""
        self.newest.cancel()

    def _job(self, request: Any, row: int) -> FillSliceJob:
        return FillSliceJob(request, row, self.source, self._cpu_threads)
