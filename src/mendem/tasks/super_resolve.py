"""Finer pixels than were measured: each measured one is the mean over several of the result."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from mendem.image import Image
from mendem.options import parameter
from mendem.tasks.base import Check, InputSlot, Plan, Task, free
from mendem.tasks.blurring import PSF_SLOT, checked_psf, psf_parameter
from mendem.tasks.noise_choice import NOISE_SLOT, checked_noise, noise_parameter
from mendem.tasks.planning import plan


@dataclass(frozen=True)
class SuperResolve(Task):
    """Restore finer pixels; without noise their means are the measured ones again."""

    name: ClassVar[str] = "superres"
    title: ClassVar[str] = "Super-resolve"
    summary: ClassVar[str] = "Restore a micrograph on pixels 2, 4 or 8 times finer than it was recorded with."
    inputs: ClassVar[tuple[InputSlot, ...]] = (PSF_SLOT, NOISE_SLOT)

    factor: int = parameter(
        2, "how many times finer the pixels of the result are, along y and x", choices=(2, 4, 8), label="Finer"
    )
    psf: str = psf_parameter()
    noise: str | float = noise_parameter()

    def __post_init__(self) -> None:
        object.__setattr__(self, "noise", checked_noise(self.noise))
        checked_psf(self.psf)
        super().__post_init__()

    @property
    def scale(self) -> int:
        return self.factor

    def plan(self, image: Image, inputs: Mapping[str, Image], check: Check = free, earlier: Plan | None = None) -> Plan:
        return plan(image, inputs, self.noise, psf=self.psf, factor=self.factor)
