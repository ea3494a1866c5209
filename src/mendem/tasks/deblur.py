"""Undo a blur that is known, stated or estimated, together with the noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from mendem.errors import MendemError
from mendem.image import Image
from mendem.tasks.base import Check, InputSlot, Plan, Task, free
from mendem.tasks.blurring import PSF_SLOT, checked_psf, psf_parameter
from mendem.tasks.noise_choice import NOISE_SLOT, checked_noise, noise_parameter
from mendem.tasks.planning import plan


@dataclass(frozen=True)
class Deblur(Task):
    """Undo a blur; how far it is undone follows from the noise."""

    name: ClassVar[str] = "deblur"
    title: ClassVar[str] = "Deblur"
    summary: ClassVar[str] = "Undo defocus, drift or any other known blur of a micrograph, and its noise."
    inputs: ClassVar[tuple[InputSlot, ...]] = (PSF_SLOT, NOISE_SLOT)

    psf: str = psf_parameter()
    noise: str | float = noise_parameter()

    def __post_init__(self) -> None:
        object.__setattr__(self, "noise", checked_noise(self.noise))
        checked_psf(self.psf)
        super().__post_init__()

    def plan(self, image: Image, inputs: Mapping[str, Image], check: Check = free, earlier: Plan | None = None) -> Plan:
        if self.psf == "none" and "psf" not in inputs:
            raise MendemError(
                "state what blurred the image, as in gaussian:3px, disc:4px or motion:8px@30, or give a file; auto "
                "estimates it"
            )
        return plan(image, inputs, self.noise, psf=self.psf)
