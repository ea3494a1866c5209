"""What is decided before a wedge is filled, whatever the road."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mendem.engine import Progress
from mendem.image import VoxelSize
from mendem.provenance import SCHEMA, describe_image, software_versions
from mendem.tomography.aligned import AlignedRows
from mendem.tomography.density import Density
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.missing_tilts import Completion
from mendem.tomography.slices import Reconstruction
from mendem.tomography.tilt_series import TiltSeries
from mendem.tomography.wbp import Wbp
from mendem.wedge_filling.parameters import FillWedge
from mendem.wedge_filling.pieces import Piece


@dataclass(frozen=True)
class WedgeFilling(ABC):
    """All that is decided before the first piece: `mendem.wedge_filling.prepare.prepare` makes it.

    Attributes
    ----------
    parameters
        What was asked for.
    completion
        The tilt series, and the angles that are generated.
    rows, geometry
        Aligned densities, and the geometry of slices of the tomogram.
    isolated
        Whether the specimen is; else slices are reconstructed beyond the view too, and cut off.
    density, device, voxel_size
        As of `mendem.tomogram.Tomogram`.
    found
        What was found out of the series, for the provenance.
    notes
        In sentences.
    """

    parameters: FillWedge
    completion: Completion
    rows: AlignedRows
    geometry: SliceGeometry
    isolated: bool
    density: Density
    device: str
    voxel_size: VoxelSize
    found: dict[str, Any]
    notes: tuple[str, ...]

    @property
    @abstractmethod
    def made_by(self) -> str:
        """The name of what fills."""

    @abstractmethod
    def pieces(self, check: Callable[[], None], progress: Callable[[Progress], None]) -> Iterator[Piece]:
        """Everything, piece by piece; the slices in their order. ``check`` may raise `Cancelled`."""

    @property
    def series(self) -> TiltSeries:
        return self.completion.series

    @property
    def shape(self) -> tuple[int, int, int]:
        """(z, y, x) of the tomogram; y is along the tilt axis."""
        depth, width = self.geometry.shape
        return depth, self.rows.count, width

    @cached_property
    def record(self) -> dict[str, Any]:
        """The provenance, but for how the run ends; all pixels of the series are read for it."""
        series = self.series
        return {
            "schema": SCHEMA,
            "software": software_versions(),
            "task": {"name": "fill-wedge", "parameters": asdict(self.parameters)},
            "options": asdict(self.density),
            "inputs": {"image": describe_image(series.image)},
            "device": self.device,
            "thickness": self.geometry.shape[0],
            "found": {"specimen": "isolated" if self.isolated else "slab", "filler": self.made_by, **self.found},
            "tilts": {
                "completed": self.completion.record(),
                "offset": series.offset,
                "axis_angle": series.axis_angle,
                "aligned": series.aligned,
                "levels": list(self.rows.levels),
                "scales": list(self.rows.scales),
            },
            "previous": series.image.metadata.get("mendem"),
        }

    def back_projection(self, row: int) -> np.ndarray:
        """One slice as it is without filling, by weighted back-projection: float32 (Z, X)."""
        return self._plain.slice(row)

    @cached_property
    def _plain(self) -> Reconstruction:
        return Reconstruction(self.rows, self.geometry, Wbp(), self.device)
