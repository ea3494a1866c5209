"""Everything at once: a micrograph that is noisy, blurred, coarse and has holes is one observation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from mendem.image import Image
from mendem.options import parameter
from mendem.tasks.base import Check, InputSlot, Plan, Task, free
from mendem.tasks.blurring import PSF_SLOT, checked_psf, psf_parameter
from mendem.tasks.inpaint import MASK_SLOT
from mendem.tasks.noise_choice import NOISE_SLOT, checked_noise, noise_parameter
from mendem.tasks.planning import plan


@dataclass(frozen=True)
class Mend(Task):
    """Undo noise, blur, holes and large pixels in one go."""

    name: ClassVar[str] = "mend"
    title: ClassVar[str] = "Mend all"
    summary: ClassVar[str] = "Undo noise, blur, holes and large pixels of a micrograph together, as one observation."
    inputs: ClassVar[tuple[InputSlot, ...]] = (MASK_SLOT, PSF_SLOT, NOISE_SLOT)

    mask: str = parameter(
        "none",
        "none fills in nothing; auto proposes what looks damaged",
        choices=("none", "auto"),
        label="Mask",
    )
    psf: str = psf_parameter()
    factor: int = parameter(1, "how many times finer the pixels of the result are", choices=(1, 2, 4, 8), label="Finer")
    noise: str | float = noise_parameter()

    def __post_init__(self) -> None:
        object.__setattr__(self, "noise", checked_noise(self.noise))
        checked_psf(self.psf)
        super().__post_init__()

    @property
    def scale(self) -> int:
        return self.factor

    def plan(self, image: Image, inputs: Mapping[str, Image], check: Check = free, earlier: Plan | None = None) -> Plan:
        return plan(image, inputs, self.noise, psf=self.psf, factor=self.factor, mask=self.mask)
