"""What decides a filled wedge. No Qt."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from mendem.image import VoxelSize
from mendem.tomography.density import Density
from mendem.tomography.extent import depth_of, voxel_size_of
from mendem.tomography.tilt_series import TiltSeries
from mendem.wedge_filling.parameters import FillWedge
from napari_mendem.tilt_layers import tilts_metadata


@dataclass(frozen=True)
class FillRequest:
    """All that decides the result; parameters as of `mendem.fill_wedge`."""

    series: TiltSeries
    parameters: FillWedge = FillWedge()
    thickness: int | VoxelSize | None = None
    density: Density = Density()
    device: str = "auto"
    #: A tomogram has the pixels of its tilts.
    binning: int = 1

    @property
    def shape(self) -> tuple[int, int, int]:
        """(z, y, x) of the tomogram; `MendemError` for parameters that are refused."""
        from mendem.tomography.aligned import AlignedRows

        rows = AlignedRows(self.series, self.density, (), ())
        return (
            depth_of(self.thickness, voxel_size_of(self.series, 1), rows.width, self.series.name),
            rows.count,
            rows.width,
        )

    @property
    def missing(self) -> tuple[float, ...]:
        """Angles that would be generated for an isolated specimen; `MendemError` where they cannot be told."""
        from mendem.tomography.missing_tilts import missing_tilts

        used, excluded = ([self.series.true_angles[k] for k in ks] for ks in (self.series.used, self.series.excluded))
        return missing_tilts(used, self.parameters.limit, excluded)

    @property
    def bytes(self) -> int:
        """Memory of all results: tomogram and spread, the completed stack, and the density of generated tilts."""
        depth, rows, width = self.shape
        stack = self.series.image.dtype.itemsize * (self.series.count + len(self.missing))
        return rows * width * (8 * depth + stack + 4 * len(self.missing))

    @property
    def read_by(self) -> tuple[Any, ...]:
        """What decides the aligned data, beside the stack, in a form that can be compared."""
        return {**tilts_metadata(self.series), "notes": ()}, self.density

    def same(self, other: FillRequest) -> bool:
        """Whether a slice would be filled alike: which tilts are generated has no bearing on it."""
        mine, theirs = (r._decides_slices for r in (self, other))
        return self.series.image.data is other.series.image.data and mine == theirs

    def same_but_estimate(self, other: FillRequest) -> bool:
        """Whether the mean of a slice is the same, whatever is shown of it: the mean, or a sample of some seed."""
        plain = FillWedge()
        mine, theirs = (
            replace(r, parameters=replace(r.parameters, estimate=plain.estimate, seed=plain.seed))
            for r in (self, other)
        )
        return mine.same(theirs)

    @property
    def _decides_slices(self) -> tuple[Any, ...]:
        alike = replace(self.parameters, limit=FillWedge().limit, at_once=FillWedge().at_once)
        return alike, self.thickness, self.device, self.read_by
