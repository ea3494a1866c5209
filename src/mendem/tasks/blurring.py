"""What blurred an image: nothing, a stated point-spread function, a picture of one, or what the image itself tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mendem.errors import MendemError
from mendem.image import Image
from mendem.options import parameter
from mendem.tasks.base import InputSlot

if TYPE_CHECKING:
    from mendem.physics.point_spread import PointSpread

PSF_SLOT = InputSlot("psf", "an image of the point-spread function at the pixel size of the input")

#: Words that stand for themselves.
WORDS = ("none", "auto")
#: With these a text states a point-spread function; any other text is a file.
FORMS = ("gaussian:", "disc:", "motion:", "ctf:")


def psf_parameter() -> Any:
    """The field ``psf`` of a task."""
    return parameter(
        "none",
        "what blurred the image: gaussian:6px (full width at half maximum), gaussian:12nm, disc:4px (diameter), "
        "motion:8px@30 (length, degrees), ctf:defocus=800nm,kv=200,cs=2.7; auto estimates a Gaussian from the image; "
        "none for nothing",
        label="Blur",
        forms=(*WORDS, *FORMS),
    )


def checked_psf(text: str) -> str:
    """A text that `blurring_of` reads; `MendemError` for another."""
    if text not in WORDS and not text.startswith(FORMS):
        raise MendemError(
            f"the blur {text!r} is not understood; write none, auto, or as in gaussian:6px, disc:4px, motion:8px@30"
        )
    return text


@dataclass(frozen=True)
class Blurring:
    """The point-spread function in pixels of an image, None for a sharp one.

    ``notes`` are what to say about it, ``found`` what was estimated, plain JSON values for the provenance.
    """

    spread: PointSpread | None = None
    notes: tuple[str, ...] = ()
    found: Mapping[str, Any] = field(default_factory=dict)


def blurring_of(image: Image, text: str, kernel: Image | None) -> Blurring:
    """What blurred an image, from the parameter ``psf`` of a task and the picture that fills its slot, which counts."""
    if kernel is None and text == "none":
        return Blurring()
    from mendem.physics.blur import STD_PER_FWHM, WIDEST_TOLD
    from mendem.physics.point_spread import PointSpread, parse_point_spread

    if kernel is not None:
        if kernel.plane_count > 1:
            raise MendemError(
                f"{kernel.source or 'the point-spread function'} has {kernel.plane_count} slices: give a single picture"
            )
        spread = PointSpread.from_kernel(kernel.read(0))
    elif text == "auto":
        return estimated(image)
    else:
        spread = parse_point_spread(text, image.voxel_size.nm[-1] if image.voxel_size else None)
    said: tuple[str, ...] = (f"Point-spread function: {spread.describe()}.",)
    if spread.kind != "ctf" and max(spread.moments[0], spread.moments[2]) > WIDEST_TOLD**2:
        said += (
            f"This blur is wider than the prior was trained for (a Gaussian of {WIDEST_TOLD / STD_PER_FWHM:.2g} px): "
            "average pixels first, or trust coarse detail alone.",
        )
    return Blurring(spread, said)


def estimated(image: Image) -> Blurring:
    """The Gaussian that the image itself tells of, and what to do where that is not sure."""
    from mendem.physics.blur_estimate import LEAST
    from mendem.priors.blur_reader import WIDEST, read_blur

    blur = read_blur(image)
    found = {"blur": blur.record()}
    if not blur.significant:
        said = "No blur was found" if blur.fwhm_px < LEAST else "A blur cannot be told for sure"
        said += (
            f" ({blur.fwhm_px:.1f} ± {blur.std_px:.1f} px full width at half maximum), and none is undone. Only a "
            "round blur is looked for; if you know better, choose another blur (as in gaussian:3px or motion:8px@30)."
        )
        return Blurring(None, (said,), found)
    said = f"Blur estimated: {blur.describe()}."
    if blur.confidence == "low":
        said += (
            " Try widths from "
            f"{max(blur.fwhm_px - blur.std_px, 1):.1f} to {blur.fwhm_px + blur.std_px:.1f} px, or measure it at a "
            "bead or an edge."
        )
    if blur.fwhm_px > WIDEST:
        said += f" It may be wider than {WIDEST:g} px, which is the most that can be told; average pixels first."
    return Blurring(blur.spread, (said,), found)
