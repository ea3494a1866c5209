"""Looking through a stack of sections for what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mendem.errors import MendemError
from mendem.image import Image
from mendem.physics.stack_agreement import levels_agree, moves_agree
from mendem.physics.stack_contrast import Levels, section_levels
from mendem.physics.stack_damage import damaged_places
from mendem.physics.stack_faults import Faults, find_faults
from mendem.physics.stack_focus import noise_to_signal, section_blur
from mendem.physics.stack_report import DamagedArea, StackReport, listed
from mendem.physics.stack_spectra import first_shifts, section_shifts
from mendem.physics.stack_survey import Survey, survey
from mendem.physics.stack_trend import FEWEST, jitter_of

#: Sections smaller than this along either axis are taken as they are, pixels.
SMALLEST = 64
#: Least jitter that is corrected: of shifts in pixels, of log contrast and of brightness as a share of the range.
LEAST = {"shift": 0.1, "levels": 0.01}
#: Least jump, in the same units, and how well two sections must match for a jump of their shifts, standard deviations.
JUMP = {"shift": 3.0, "levels": 0.1}
MATCHED = 15.0
#: Shifts smaller than this are none, pixels.
NO_MOVE = 0.005
#: Sections blurrier than this sigma in pixels, or damaged over more than this share, count as missing.
TOO_BLURRED, TOO_DAMAGED = 4.0, 0.5
#: A section with so many times the contrast of those around it, or this part of it, shows something else.
ODD_CONTRAST = 2.5
#: Sections of which less than this share is finite are blank.
FINITE = 0.5


def inspect_stack(
    image: Image,
    check: Callable[[], None] = lambda: None,
    *,
    align: bool = True,
    contrast: bool = True,
    focus: bool = True,
    repair: bool = True,
) -> StackReport:
    """What is wrong with the sections of a stack (z, y, x): jitter, contrast, focus, missing and damaged ones.

    Each section is read once, and reduced copies are kept (`survey`). What changes slowly along z is taken for the
    specimen's and left; see `jitter_of` for how the two are told apart, and for the evidence that is asked for.

    Parameters
    ----------
    check
        Called often; may raise to stop.
    align, contrast, focus
        Whether shifts, brightness and contrast, and blur are looked for.
    repair
        Whether missing and damaged sections are looked for.

    Raises
    ------
    MendemError
        Where the image is no stack, or no section of it shows anything.
    """
    if len(image.shape) != 3:
        where = f"{image.source}: " if image.source else ""
        raise MendemError(f"{where}a stack of sections has three axes, z, y and x; this has shape {image.shape}")
    count = image.plane_count
    if count < FEWEST or min(image.plane_shape) < SMALLEST:
        few = f"{count} sections of {image.plane_shape[0]} x {image.plane_shape[1]} pixels"
        return StackReport.untouched(count, (f"{few} are too few to tell what is wrong with them: taken as they are.",))
    seen = survey(image, check)
    reasons = _blank(seen, image.source)  # which tell nothing, wanted or not
    at = _left(count, reasons)
    shift, peak = _shifts(seen, at, check)
    faults = Faults((), (), ())
    if repair:
        faults = find_faults(seen.spectra.only(at), seen.reduced[at], shift, seen.factor, at)
        reasons |= dict.fromkeys(faults.duplicate, "is a repeat of its neighbour")
        reasons |= dict.fromkeys(faults.unrelated, "shows nothing that its neighbours show")
    if len(_left(count, reasons)) < len(at):
        at = _left(count, reasons)
        shift, peak = _shifts(seen, at, check)
    levels = section_levels(seen.reduced[at], shift / seen.factor, at, check)
    empty = at[_odd_contrast(levels.log_gain)]
    if 0 < len(empty) < len(at) - FEWEST:
        reasons |= dict.fromkeys(empty.tolist(), "has far less or far more contrast than its neighbours")
        at = _left(count, reasons)
        shift, peak = _shifts(seen, at, check)
        levels = section_levels(seen.reduced[at], shift / seen.factor, at, check)
    damage = _damage(seen, image, at, shift, levels, check) if repair else {}
    reasons |= {
        i: f"is damaged over {100 * place.share:.0f} % of it"
        for i, place in damage.items()
        if place.share > TOO_DAMAGED
    }
    blur = np.zeros(count)
    if focus:  # what damage does to a spectrum is not to be taken for blur
        whole = np.array([i for i in at if i not in damage], int)
        blur[whole] = section_blur(seen.power[whole])
        if repair:
            reasons |= {int(i): f"is too blurred ({blur[i]:.1f} px)" for i in np.flatnonzero(blur > TOO_BLURRED)}
    damage = {i: place for i, place in damage.items() if i not in reasons}
    kept = np.array([i not in reasons for i in at])
    moves, gain, offset = np.zeros((count, 2)), np.ones(count), np.zeros(count)
    if align:
        sure = np.r_[False, (peak > MATCHED) & kept[:-1]][kept][1:]
        found = jitter_of(shift[kept], at[kept], JUMP["shift"], LEAST["shift"], sure).values
        if found.any() and moves_agree(seen.reduced[at[kept]], at[kept], check):
            moves[at[kept]] = np.where(np.abs(found) < NO_MOVE, 0.0, found)
    if contrast:
        found, up = _unsteady(levels, at, kept)
        if (np.any(found != 1) or up.any()) and levels_agree(
            seen.reduced[at[kept]], shift[kept] / seen.factor, at[kept], check
        ):
            gain[at[kept]], offset[at[kept]] = found, up
    odd = {*damage, *np.flatnonzero(blur).tolist()}
    gaps = tuple(i for i in faults.gap_after if not odd & {i, i + 1})
    reasons = reasons if repair else {}
    missing = sorted(reasons)
    return StackReport(
        tuple((float(y), float(x)) for y, x in moves),
        tuple(gain.tolist()),
        tuple(offset.tolist()),
        tuple(np.where(np.isin(np.arange(count), missing), 0, blur).tolist()),
        tuple(missing),
        tuple(reasons[i] for i in missing),
        damage,
        gaps,
        tuple(noise_to_signal(seen.power[at]).tolist()) if focus else (),
        _notes(reasons, moves, gain, offset / max(levels.spread, 1e-30), blur, damage, gaps),
    )


def _odd_contrast(log_gain: np.ndarray) -> np.ndarray:
    """Places of sections whose contrast is so unlike that of those around them that they show something else."""
    from scipy.ndimage import median_filter

    return np.flatnonzero(np.abs(log_gain - median_filter(log_gain, 7, mode="nearest")) > np.log(ODD_CONTRAST))


def _left(count: int, reasons: dict[int, str]) -> np.ndarray:
    """Numbers of the sections that are not missing."""
    return np.array([i for i in range(count) if i not in reasons], int)


def _blank(seen: Survey, source: str) -> dict[int, str]:
    blank = seen.constant | (seen.finite < FINITE)
    if (~blank).sum() < 2:
        where = f"{source}: " if source else ""
        raise MendemError(f"{where}fewer than two sections of the stack show anything; nothing can be restored from it")
    return dict.fromkeys(np.flatnonzero(blank).tolist(), "is blank")


def _shifts(seen: Survey, at: np.ndarray, check: Callable[[], None]) -> tuple[np.ndarray, np.ndarray]:
    """Shifts of sections in pixels, slants of the specimen included, and how well each is tied to the next."""
    spectra = seen.spectra.only(at)
    first, peak = first_shifts(spectra, at, check)
    return section_shifts(spectra, first, at, check), peak


def _unsteady(levels: Levels, at: np.ndarray, kept: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gain and offset of the sections that are kept, relative to the trend of contrast and brightness."""
    brightness = levels.brightness[kept] - np.median(levels.brightness[kept])
    course = np.stack([levels.log_gain[kept], brightness / max(levels.spread, 1e-30)], 1)
    log_gain, up = jitter_of(course, at[kept], JUMP["levels"], LEAST["levels"]).values.T
    up = up * levels.spread
    # A section is brighter by `up` at the level that the middle of the stack has here by the trend.
    return np.exp(log_gain), up + (1 - np.exp(log_gain)) * (levels.middle + brightness - up)


def _damage(
    seen: Survey, image: Image, at: np.ndarray, shift: np.ndarray, levels: Levels, check: Callable[[], None]
) -> dict[int, DamagedArea]:
    gain = np.exp(levels.log_gain - np.median(levels.log_gain)).astype(np.float32)[:, None, None]
    level = (levels.brightness - np.median(levels.brightness)).astype(np.float32)[:, None, None]
    even = (seen.reduced[at] - level - np.float32(levels.middle)) / gain + np.float32(levels.middle)
    found = damaged_places(even, shift / seen.factor, seen.factor, image.plane_shape, check)
    return {int(at[i]): place for i, place in found.items()}


def _notes(
    reasons: dict[int, str],
    moves: np.ndarray,
    gain: np.ndarray,
    offset: np.ndarray,
    blur: np.ndarray,
    damage: dict[int, DamagedArea],
    gaps: tuple[int, ...],
) -> tuple[str, ...]:
    said = []
    if moves.any():
        far = np.hypot(*moves.T)
        typical, most = float(np.sqrt((far**2).mean() / 2)), float(far.max())
        said.append(f"Sections are out of place by {typical:.2g} px (root mean square, each axis), {most:.2g} at most.")
    if (gain != 1).any():
        said.append(f"Contrast changes from section to section by {100 * float(np.log(gain).std()):.2g} %.")
    if offset.any():
        said.append(f"Brightness changes from section to section by {100 * float(offset.std()):.2g} % of the range.")
    blurred = [int(i) for i in np.flatnonzero(blur) if int(i) not in reasons]
    if blurred:
        widest = f"up to {max(blur[blurred]):.1f} px" if len(blurred) > 1 else f"{blur[blurred[0]]:.1f} px"
        said.append(f"Out of focus by {widest} (Gaussian sigma): {listed(blurred)}.")
    for reason in dict.fromkeys(r.split("(")[0].split(" over ")[0].strip() for r in reasons.values()):
        which = sorted(i for i, r in reasons.items() if r.startswith(reason))
        several = reason.replace("is a repeat of its neighbour", "are repeats of their neighbours")
        several = several.replace("is ", "are ").replace("shows", "show").replace("its", "their")
        words = listed(which)
        said.append(f"{words[0].upper()}{words[1:]} {several if len(which) > 1 else reason}: treated as missing.")
    if damage:
        said.append(f"Damaged in places: {listed(sorted(damage))}.")
    if gaps:
        said.append(
            f"A section seems to be lost after {listed(list(gaps))}: neighbours there differ as much as "
            "sections two apart. Nothing was inserted."
        )
    return tuple(said)
