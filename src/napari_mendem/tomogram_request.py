"""What decides a tomogram. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mendem.image import VoxelSize
from mendem.tomography.density import Density
from mendem.tomography.extent import depth_of, voxel_size_of
from mendem.tomography.tilt_series import TiltSeries
from mendem.tomography.wbp import Wbp
from napari_mendem.tilt_layers import tilts_metadata

if TYPE_CHECKING:
    from mendem.tomography.slices import Method


@dataclass(frozen=True)
class TomogramRequest:
    """All that decides a tomogram; parameters as of `mendem.reconstruct`."""

    series: TiltSeries
    method: Method = Wbp()
    thickness: int | VoxelSize | None = None
    density: Density = Density()
    binning: int = 1
    surroundings: bool = True
    device: str = "auto"

    @property
    def settings(self) -> dict[str, Any]:
        """The keywords of `mendem.tomogram.prepare`."""
        return {
            "density": self.density,
            "binning": self.binning,
            "surroundings": self.surroundings,
            "device": self.device,
        }

    @property
    def shape(self) -> tuple[int, int, int]:
        """(z, y, x) of the tomogram; `MendemError` for parameters that are refused."""
        from mendem.tomography.aligned import AlignedRows

        rows = AlignedRows(self.series, self.density, (), (), self.binning)
        voxel = voxel_size_of(self.series, self.binning)
        return depth_of(self.thickness, voxel, rows.width, self.series.name), rows.count, rows.width

    @property
    def notes(self) -> tuple[str, ...]:
        """What there is to know before it and is not seen in the fields, in sentences."""
        from mendem.tomography.notes import warnings_of

        return (*self.series.notes, *warnings_of(self.series, self.method))

    @property
    def read_by(self) -> tuple[Any, ...]:
        """What decides the aligned data, beside the stack, in a form that can be compared."""
        return tilts_metadata(self.series), self.density, self.binning

    def same(self, other: TomogramRequest) -> bool:
        """Whether another request has the same result."""
        mine, theirs = ((r.method, r.thickness, r.surroundings, r.device, r.read_by) for r in (self, other))
        return self.series.image.data is other.series.image.data and mine == theirs
