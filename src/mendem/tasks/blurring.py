"""What blurred an image: nothing, a stated point-spread function, or a picture of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mendem.errors import MendemError
from mendem.image import Image
from mendem.options import parameter
from mendem.tasks.base import InputSlot

if TYPE_CHECKING:
    from mendem.physics.point_spread import PointSpread

PSF_SLOT = InputSlot("psf", "an image of the point-spread function at the pixel size of the input")

#: With these a text states a point-spread function; any other text is a file.
FORMS = ("gaussian:", "disc:", "motion:", "ctf:")


def psf_parameter() -> Any:
    """The field ``psf`` of a task."""
    return parameter(
        "none",
        "what blurred the image: gaussian:6px (full width at half maximum), gaussian:12nm, disc:4px (diameter), "
        "motion:8px@30 (length, degrees), ctf:defocus=800nm,kv=200,cs=2.7; none for nothing",
        label="Blur",
        forms=("none", *FORMS),
    )


def checked_psf(text: str) -> str:
    """A text that `point_spread_of` reads; `MendemError` for another."""
    if text != "none" and not text.startswith(FORMS):
        raise MendemError(
            f"the blur {text!r} is not understood; write none, or as in gaussian:6px, disc:4px, motion:8px@30"
        )
    return text


def point_spread_of(image: Image, text: str, kernel: Image | None) -> tuple[PointSpread | None, tuple[str, ...]]:
    """The point-spread function in pixels of the image, None for a sharp one, and what to say about it."""
    if kernel is None and text == "none":
        return None, ()
    from mendem.physics.point_spread import PointSpread, parse_point_spread

    if kernel is not None:
        if kernel.plane_count > 1:
            raise MendemError(
                f"{kernel.source or 'the point-spread function'} has {kernel.plane_count} slices: give a single picture"
            )
        spread = PointSpread.from_kernel(kernel.read(0))
        return spread, (f"Point-spread function: {spread.describe()}.",)
    nm = image.voxel_size.nm[-1] if image.voxel_size else None
    spread = parse_point_spread(text, nm)
    return spread, (f"Point-spread function: {spread.describe()}.",)
