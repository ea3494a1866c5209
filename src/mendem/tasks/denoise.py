"""Remove the noise of one micrograph, or of each slice of a stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from mendem.image import Image
from mendem.tasks.base import Check, InputSlot, Plan, Task, free
from mendem.tasks.noise_choice import NOISE_SLOT, checked_noise, noise_parameter
from mendem.tasks.planning import plan


@dataclass(frozen=True)
class Denoise(Task):
    """Remove noise; the noise is estimated from the image unless it is given."""

    name: ClassVar[str] = "denoise"
    title: ClassVar[str] = "Denoise"
    summary: ClassVar[str] = "Remove the noise of a micrograph, or of each slice of a stack."
    inputs: ClassVar[tuple[InputSlot, ...]] = (NOISE_SLOT,)

    noise: str | float = noise_parameter()

    def __post_init__(self) -> None:
        object.__setattr__(self, "noise", checked_noise(self.noise))
        super().__post_init__()

    def plan(self, image: Image, inputs: Mapping[str, Image], check: Check = free, earlier: Plan | None = None) -> Plan:
        return plan(image, inputs, self.noise)
