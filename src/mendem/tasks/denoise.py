"""Remove the noise of one micrograph, or of each slice of a stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mendem.errors import MendemError
from mendem.image import Image
from mendem.normalise import estimate_normalisation
from mendem.options import parameter
from mendem.physics.noise import NoiseModel
from mendem.tasks.base import InputSlot, Plan, Task

if TYPE_CHECKING:
    from torch import Tensor

    from mendem.physics.observation import Observation


@dataclass(frozen=True)
class Denoise(Task):
    """Remove noise; the noise is estimated from the image unless it is given."""

    name: ClassVar[str] = "denoise"
    title: ClassVar[str] = "Denoise"
    summary: ClassVar[str] = "Remove the noise of a micrograph, or of each slice of a stack."
    inputs: ClassVar[tuple[InputSlot, ...]] = (
        InputSlot("noise", "repeated frames of one place, or one image of an empty area, to measure the noise on"),
    )

    noise: str | float = parameter(
        "auto",
        "auto estimates the noise from the image; a number is its standard deviation",
        unit="grey levels",
        low=0,
        label="Noise",
    )

    def __post_init__(self) -> None:
        value = self.noise
        if isinstance(value, str) and value != "auto":
            try:
                object.__setattr__(self, "noise", float(value))
            except ValueError:
                raise MendemError(
                    f"noise is {value!r}, but must be auto or a standard deviation in grey levels"
                ) from None
        if isinstance(self.noise, float | int) and not 0 <= self.noise < float("inf"):
            raise MendemError(f"noise is {self.noise}, but must be a positive standard deviation in grey levels")
        super().__post_init__()

    def plan(self, image: Image, inputs: Mapping[str, Image]) -> Plan:
        noise = self._noise(image, inputs.get("noise"))
        alone = self.noise == "auto" and "noise" not in inputs
        return Plan(noise, estimate_normalisation(image), (observe,), noise_from_one_image=alone)

    def _noise(self, image: Image, measured: Image | None) -> NoiseModel:
        from mendem.physics import noise_estimation as estimation

        if measured is not None:
            several = measured.plane_count > 1
            found = estimation.noise_from_repeats(measured) if several else estimation.noise_from_empty(measured)
            if found.absent:
                raise MendemError(
                    f"{measured.source or 'the noise image'} holds no noise ({found.method}); give repeated frames, "
                    "or an empty area as it was recorded"
                )
            return found
        if self.noise == "auto":
            return estimation.estimate_noise(image)
        estimated = estimation.estimate_noise(image)
        return NoiseModel(offset=float(self.noise) ** 2, correlation=estimated.correlation, method="given")


def observe(pixels: Tensor, reliability: Tensor, noise: NoiseModel, pixel_nm: float | None) -> Observation:
    """The image itself, as it was measured."""
    from mendem.physics.mask import Mask
    from mendem.physics.observation import Observation

    start = min(max(3 * noise.std_at(0.0), 0.15), 5.0)
    return Observation(pixels, Mask(), noise, reliability, pixel_nm, start)
