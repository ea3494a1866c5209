"""The noise of an image as the tasks ask for it: estimated, given as a number, or measured on another image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mendem.errors import MendemError
from mendem.image import Image
from mendem.options import parameter
from mendem.physics.noise import NoiseModel
from mendem.tasks.base import InputSlot

NOISE_SLOT = InputSlot("noise", "repeated frames of one place, or one image of an empty area, to measure the noise on")


def noise_parameter() -> Any:
    """The field ``noise`` of a task."""
    return parameter(
        "auto",
        "auto estimates the noise from the image; a number is its standard deviation",
        unit="grey levels",
        low=0,
        label="Noise",
    )


def checked_noise(value: str | float) -> str | float:
    """``auto`` or a number; `MendemError` for anything else."""
    if isinstance(value, str) and value != "auto":
        try:
            value = float(value)
        except ValueError:
            raise MendemError(f"noise is {value!r}, but must be auto or a standard deviation in grey levels") from None
    if isinstance(value, float | int) and not 0 <= value < float("inf"):
        raise MendemError(f"noise is {value}, but must be a positive standard deviation in grey levels")
    return value


def noise_of(image: Image, value: str | float, inputs: Mapping[str, Image]) -> tuple[NoiseModel, bool]:
    """The noise, and whether it is an estimate from the image alone."""
    from mendem.physics import noise_estimation as estimation

    measured = inputs.get("noise")
    if measured is not None:
        several = measured.plane_count > 1
        found = estimation.noise_from_repeats(measured) if several else estimation.noise_from_empty(measured)
        if found.absent:
            raise MendemError(
                f"{measured.source or 'the noise image'} holds no noise ({found.method}); give repeated frames, "
                "or an empty area as it was recorded"
            )
        return found, False
    if value != "auto" and float(value) == 0:
        return NoiseModel(offset=0.0, method="given"), False
    estimated = estimation.estimate_noise(image)
    if value == "auto":
        return estimated, True
    from mendem.priors.noise_reader import read_noise  # quiet blocks alone take blur for correlation

    seen = read_noise(image, estimated, "cpu")
    return NoiseModel(offset=float(value) ** 2, correlation=seen.correlation, method="given"), False
