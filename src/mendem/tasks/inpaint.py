"""Fill in what was not measured: holes, dead lines, charged or torn places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from mendem.image import Image
from mendem.options import parameter
from mendem.tasks.base import Check, InputSlot, Plan, Task, free
from mendem.tasks.noise_choice import NOISE_SLOT, checked_noise, noise_parameter
from mendem.tasks.planning import plan

MASK_SLOT = InputSlot("mask", "an image that is not 0 where the input is to be filled in", marks=True)


@dataclass(frozen=True)
class Inpaint(Task):
    """Fill in marked pixels; all others come back bit for bit."""

    name: ClassVar[str] = "inpaint"
    title: ClassVar[str] = "Inpaint"
    summary: ClassVar[str] = "Fill in marked or damaged places of a micrograph; what was measured stays as it is."
    inputs: ClassVar[tuple[InputSlot, ...]] = (MASK_SLOT, NOISE_SLOT)

    mask: str = parameter(
        "auto",
        "auto proposes what looks damaged: saturated and torn places, dead lines, charging",
        choices=("auto",),
        label="Mask",
    )
    keep_measured: bool = parameter(
        True, "keep what was measured bit for bit; without it the rest is denoised too", label="Keep measured"
    )
    noise: str | float = noise_parameter()

    def __post_init__(self) -> None:
        object.__setattr__(self, "noise", checked_noise(self.noise))
        super().__post_init__()

    @property
    def keeps_measured(self) -> bool:
        return self.keep_measured

    def plan(self, image: Image, inputs: Mapping[str, Image], check: Check = free, earlier: Plan | None = None) -> Plan:
        return plan(image, inputs, self.noise, mask=self.mask, keep=self.keep_measured)
