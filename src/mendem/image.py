"""An image with what a microscopist must not lose: axes, voxel size, unit, origin of the data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mendem.errors import MendemError

#: Nanometres in one of each unit that a voxel size may carry.
NM_PER_UNIT = {"nm": 1.0, "angstrom": 0.1, "um": 1e3, "mm": 1e6, "m": 1e9, "pm": 1e-3}

#: Axes along which distance is a length; every other axis ("frame", "tilt", …) has none.
SPATIAL_AXES = ("z", "y", "x")


@dataclass(frozen=True)
class VoxelSize:
    """Edge lengths of a voxel, in the order of the image's axes.

    Parameters
    ----------
    values
        One positive length for each axis, or ``None`` where it is unknown or the axis has no length.
    unit
        One of `NM_PER_UNIT`. The unit of the source is kept, so that a file comes back unchanged.
    """

    values: tuple[float | None, ...]
    unit: str = "nm"

    def __post_init__(self) -> None:
        if self.unit not in NM_PER_UNIT:
            raise MendemError(f"unknown length unit '{self.unit}'; use one of {', '.join(NM_PER_UNIT)}")
        for value in self.values:
            if value is not None and not (np.isfinite(value) and value > 0):
                raise MendemError(f"a voxel size must be a positive length or unknown, not {value}")

    @property
    def nm(self) -> tuple[float | None, ...]:
        """The same lengths in nanometres."""
        factor = NM_PER_UNIT[self.unit]
        return tuple(None if v is None else v * factor for v in self.values)

    @property
    def known(self) -> bool:
        """Whether at least one axis has a length."""
        return any(v is not None for v in self.values)

    @classmethod
    def unknown(cls, ndim: int) -> VoxelSize:
        return cls((None,) * ndim)

    def __str__(self) -> str:
        if not self.known:
            return "unknown voxel size"
        shown = [v for v in self.values if v is not None]
        unit = {"angstrom": "Å", "um": "µm"}.get(self.unit, self.unit)
        if all(abs(v - shown[0]) <= 1e-6 * shown[0] for v in shown):
            return f"{shown[0]:.4g} {unit}"
        return " x ".join(f"{v:.4g}" for v in shown) + f" {unit}"


@dataclass(frozen=True)
class Image:
    """Pixels with axes and voxel size.

    Parameters
    ----------
    data
        NumPy array, or anything with ``shape``, ``dtype``, ``ndim`` and NumPy basic slicing (dask, a lazily
        read file). Real numbers; the native dtype is kept.
    axes
        One name for each dimension. The last two are ``"y", "x"``; before them ``"z"`` for a volume,
        ``"frame"`` for repeats or a plain stack, ``"tilt"`` for a tilt series.
    voxel_size
        In the order of the axes; unknown when left out.
    metadata
        Whatever the source said, by name; ``metadata["mendem"]`` is the provenance of a restored image.
    source
        Path or layer name, for messages and provenance.
    """

    data: Any
    axes: tuple[str, ...] = ()
    voxel_size: VoxelSize | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    source: str = ""

    def __post_init__(self) -> None:
        where = f"{self.source}: " if self.source else ""
        ndim = len(self.data.shape)
        if not self.axes:
            default = {2: ("y", "x"), 3: ("z", "y", "x")}.get(ndim, ("frame",) * (ndim - 3) + ("z", "y", "x"))
            object.__setattr__(self, "axes", default)
        if ndim < 2:
            raise MendemError(f"{where}an image needs at least two dimensions, this has shape {self.data.shape}")
        if len(self.axes) != ndim:
            raise MendemError(f"{where}{len(self.axes)} axis names {self.axes} for {ndim} dimensions")
        if 0 in self.data.shape:
            raise MendemError(f"{where}the image is empty, its shape is {tuple(self.data.shape)}")
        if np.dtype(self.data.dtype).kind not in "biuf":
            raise MendemError(
                f"{where}pixels of type {self.data.dtype} are not real numbers; give the magnitude or real part"
            )
        if self.voxel_size is None:
            object.__setattr__(self, "voxel_size", VoxelSize.unknown(ndim))
        elif len(self.voxel_size.values) != ndim:
            raise MendemError(f"{where}{len(self.voxel_size.values)} voxel lengths for {ndim} dimensions")

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(int(n) for n in self.data.shape)

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(self.data.dtype)

    @property
    def plane_shape(self) -> tuple[int, int]:
        """Height and width of one slice."""
        return self.shape[-2], self.shape[-1]

    @property
    def plane_count(self) -> int:
        """How many slices (of the last two axes) the image holds."""
        return int(np.prod(self.shape[:-2], dtype=np.int64))

    def read(self, plane: int, rows: slice = slice(None), columns: slice = slice(None)) -> np.ndarray:
        """Part of one slice, read now, in the native dtype; shape (rows, columns).

        ``plane`` counts the slices in C order over all leading axes.
        """
        index = np.unravel_index(plane, self.shape[:-2]) if self.data.ndim > 2 else ()
        return np.asarray(self.data[(*(int(i) for i in index), rows, columns)])

    def with_data(self, data: Any, **changes: Any) -> Image:
        """The same image with other pixels of the same shape."""
        return replace(self, data=data, **changes)
