"""As fine along z as along x and y: a volume of sections becomes one of isotropic voxels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from mendem.errors import MendemError
from mendem.image import NM_PER_UNIT, Image
from mendem.normalise import estimate_normalisation
from mendem.options import parameter
from mendem.physics.section_grid import SectionGrid
from mendem.physics.stack_report import stated
from mendem.tasks.base import Check, InputSlot, Plan, Task, free
from mendem.tasks.noise_choice import NOISE_SLOT, checked_noise, noise_of, noise_parameter
from mendem.tasks.planning import Observer

#: Planes for each section that are restored at the most: beyond this next to nothing is measured of them.
LARGEST_FACTOR = 32.0


@dataclass(frozen=True)
class Isotropic(Task):
    """Restore the planes between and within the sections of a volume."""

    name: ClassVar[str] = "isotropic"
    title: ClassVar[str] = "Isotropic"
    summary: ClassVar[str] = "Restore a volume of thick or sparse sections to voxels as fine along z as along x and y."
    inputs: ClassVar[tuple[InputSlot, ...]] = (NOISE_SLOT,)
    prior: ClassVar[str] = "em-axial"

    factor: str | float = parameter(
        "auto",
        "planes of the result for each section, not necessarily whole; auto makes voxels isotropic",
        low=1,
        high=LARGEST_FACTOR,
        label="Factor",
    )
    target_voxel: str = parameter(
        "", "distance of the planes of the result, for example 4.6nm, in place of the factor", label="Plane distance"
    )
    sampling: str = parameter(
        "average",
        "average: a section shows all of its thickness, as cut or milled ones do; skip: it shows one plane, and what "
        "lies between was not imaged; both: it is thinner than the distance to the next",
        choices=("average", "skip", "both"),
        label="Sections",
    )
    thickness: float = parameter(
        0.5, "thickness of a section over the distance to the next, for both", low=0.01, high=1, label="Thickness"
    )
    keep: bool = parameter(
        True, "skipped sections come back as they were measured, bit for bit, noise included", label="Keep measured"
    )
    align: bool = parameter(True, "undo the jitter from section to section", label="Align")
    contrast: bool = parameter(True, "undo changes of contrast and brightness", label="Contrast")
    focus: bool = parameter(True, "undo changes of focus", label="Focus")
    repair: bool = parameter(True, "take missing and damaged sections as not measured", label="Repair")
    noise: str | float = noise_parameter()

    def __post_init__(self) -> None:
        object.__setattr__(self, "noise", checked_noise(self.noise))
        if self.factor != "auto":
            try:
                object.__setattr__(self, "factor", float(self.factor))
            except (ValueError, TypeError):
                raise MendemError(f"factor is {self.factor!r}, but must be auto or a number from 1") from None
        if self.target_voxel:
            _length_nm(self.target_voxel)
        super().__post_init__()

    @property
    def keeps_measured(self) -> bool:
        return self.sampling == "skip" and self.keep

    def grid(self, image: Image) -> SectionGrid:
        _check_volume(image)
        spacing = self._spacing(image)
        width = {"average": spacing, "skip": 1.0, "both": max(1.0, self.thickness * spacing)}[self.sampling]
        return SectionGrid(image.plane_count, spacing, width)

    def plan(self, image: Image, inputs: Mapping[str, Image], check: Check = free, earlier: Plan | None = None) -> Plan:
        from mendem.physics.stack_corrected import corrected
        from mendem.physics.stack_inspect import inspect_stack

        wanted = {"align": self.align, "contrast": self.contrast, "focus": self.focus, "repair": self.repair}
        report = earlier.stack if earlier is not None else None
        if report is None and any(wanted.values()):
            report = inspect_stack(image, check)
        seen = image if report is None else corrected(image, report, **wanted)
        missing = report.missing if report is not None and self.repair else ()
        check()
        found, alone = noise_of(seen, self.noise, inputs)
        return Plan(
            found,
            estimate_normalisation(seen),
            Observer(),
            notes=() if report is None else report.notes,
            noise_from_one_image=alone,
            image=None if seen is image else seen,
            keep=self.keeps_measured,
            pointwise=False,
            found={} if report is None else {"sections": stated(report)},
            grid=replace(self.grid(image), missing=missing),
            stack=report,
        )

    def _spacing(self, image: Image) -> float:
        """Planes from one section to the next."""
        assert image.voxel_size is not None
        z, _, x = image.voxel_size.nm[-3:]
        where = f"{image.source}: " if image.source else ""
        if self.target_voxel:
            if z is None:
                raise MendemError(
                    f"{where}the distance of the sections is unknown, so that {self.target_voxel} cannot be reached; "
                    "give the voxel size (--voxel-size Z,Y,X), or a factor"
                )
            spacing, asked = z / _length_nm(self.target_voxel), f"a plane distance of {self.target_voxel}"
        elif self.factor == "auto":
            if z is None or x is None:
                raise MendemError(
                    f"{where}the voxel size is not known along x and z, so that the factor cannot be found; give the "
                    "factor, or the voxel size (--voxel-size Z,Y,X)"
                )
            spacing, asked = z / x, "isotropic voxels"
        else:
            return float(self.factor)
        if abs(spacing - round(spacing)) < 1e-4:
            spacing = float(round(spacing))
        if not 1 <= spacing <= LARGEST_FACTOR:
            raise MendemError(
                f"{where}{asked} would need a factor of {spacing:.3g}, which must be from 1 to {LARGEST_FACTOR:g}; "
                "check the voxel size, or give a factor"
            )
        return spacing


def _check_volume(image: Image) -> None:
    """`MendemError` for what is no single volume of at least two sections."""
    where = image.source or "the image"
    if len(image.shape) != 3 or image.axes[0] == "tilt":
        raise MendemError(f"{where} has the axes {', '.join(image.axes)}: give one volume (z, y, x)")
    if image.plane_count < 2:
        raise MendemError(f"{where} has one section: give a volume of two or more")


def _length_nm(text: str) -> float:
    """``4.6nm``, ``46A`` or a number of nm."""
    units = {"": "nm", "a": "angstrom", "å": "angstrom", "µm": "um", "μm": "um"}
    match = re.fullmatch(r"\s*([\d.]+(?:[eE][-+]?\d+)?)\s*(\D*?)\s*", text)
    unit = "" if match is None else units.get(match[2].lower(), match[2].lower())
    try:
        length = float(match[1]) if match else 0.0
    except ValueError:
        length = 0.0
    if not length > 0 or unit not in NM_PER_UNIT:
        raise MendemError(f"target_voxel is {text!r}, but must be a length, for example 4.6nm or 46A")
    return length * NM_PER_UNIT[unit]
