"""What was found in the sections of a volume, as one line of words and as curves over the section's number. No Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mendem.wording import number

if TYPE_CHECKING:
    from mendem.normalise import Normalisation
    from mendem.physics.stack_report import StackReport
    from mendem.tasks.isotropic import Isotropic

#: Sections that are named in the summary at the most.
NAMED = 6


@dataclass(frozen=True)
class Curves:
    """One quantity of each section: ``label`` of its axis, and values by the name of their curve."""

    name: str
    label: str
    values: dict[str, np.ndarray]


def curves(report: StackReport, level: Normalisation) -> list[Curves]:
    """What differs between sections, NaN for missing ones; nothing where they are all alike.

    Brightness is that of the middle of the intensities, in units of the image.
    """
    absent = np.isin(np.arange(len(report)), report.missing)

    def seen(values: np.ndarray) -> np.ndarray:
        return np.where(absent, np.nan, values)

    shift, gain, offset, blur = (np.array(v) for v in (report.shift, report.gain, report.offset, report.blur_px))
    found = []
    if report.shifted:
        found.append(Curves("shift", "shift (px)", {"y": seen(shift[:, 0]), "x": seen(shift[:, 1])}))
    if report.rescaled:
        found.append(Curves("contrast", "contrast (%)", {"": seen(100 * (gain - 1))}))
        brighter = offset + (gain - 1) * level.centre
        found.append(Curves("brightness", "brightness (grey levels)", {"": seen(brighter)}))
    if report.blurred:
        found.append(Curves("focus", "blur (px)", {"": seen(blur)}))
    return found


def summary(report: StackReport, task: Isotropic) -> str:
    """One line as rich text; section numbers are links to them.

    ``jitter 0.8 px rms undone in 61 of 64 sections; contrast ±4 %; sections 12 and 40 missing: is blank``.
    """
    count, parts = len(report), []
    moved = np.array(report.shift)
    if report.shifted:
        some = moved[np.any(moved != 0, axis=1)]
        rms = number(float(np.sqrt((some**2).sum(1).mean())), 2)
        parts.append(f"jitter {rms} px rms {_done(task.align)} in {len(some)} of {count} sections")
    if any(g != 1 for g in report.gain):
        spread = number(100 * float(np.std(report.gain)), 2)
        parts.append(f"contrast ±{spread} % {_done(task.contrast)}")
    elif report.rescaled:
        spread = number(float(np.std(report.offset)), 2)
        parts.append(f"brightness ±{spread} grey levels {_done(task.contrast)}")
    if report.blurred:
        blurred = [i for i, b in enumerate(report.blur_px) if b and i not in report.missing]
        widest = number(max(report.blur_px[i] for i in blurred), 2)
        parts.append(f"{_named(blurred)} out of focus by up to {widest} px, {_done(task.focus)}")
    for reason in dict.fromkeys(report.reasons):
        which = [i for i, why in zip(report.missing, report.reasons, strict=True) if why == reason]
        left = "taken as missing" if task.repair else "left as measured"
        parts.append(f"{_named(which)} {_plural(reason, len(which))}: {left}")
    if report.damage:
        parts.append(f"{_named(sorted(report.damage))} damaged in places")
    if report.gap_after:
        parts.append(f"a section seems lost after {_named(list(report.gap_after))}")
    if not parts:
        return f"{count} sections: nothing is wrong with them." if not report.notes else " ".join(report.notes)
    text = "; ".join(parts)
    return text[0].upper() + text[1:] + "."


def _done(wanted: bool) -> str:
    return "undone" if wanted else "left"


def _named(sections: list[int]) -> str:
    """``section 3``, ``sections 3, 4 and 2 more``, each a link."""
    links = [f'<a href="{i}">{i}</a>' for i in sections[:NAMED]]
    if len(sections) > NAMED:
        links.append(f"{len(sections) - NAMED} more")
    words = links[0] if len(links) == 1 else f"{', '.join(links[:-1])} and {links[-1]}"
    return f"section{'s' if len(sections) > 1 else ''} {words}"


def _plural(reason: str, count: int) -> str:
    if count == 1:
        return reason
    return reason.replace("is a repeat of its neighbour", "are repeats of their neighbours").replace("is ", "are ")
