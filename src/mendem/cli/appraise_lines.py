"""What ``mendem appraise`` found, as lines for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mendem.wording import number


def lines(found: dict[str, Any]) -> Iterator[str]:
    """One finding a line; ``found`` is the object that ``--json`` prints."""
    nm = found["pixel_nm"]
    yield f"{found['raw']} -> {found['restored']}, pixels of {'unknown size' if nm is None else f'{nm:.4g} nm'}"
    for note in found["notes"]:
        yield f"note: {note}"
    yield from _table(found)
    yield from _spectrum(found, nm)
    yield from _residual(found)
    spread = found["spread"]
    if spread is not None:
        share = spread["of_contrast"]
        beside = "" if share is None else f", {number(share, 2)} % of the contrast of the result"
        yield f"spread: {number(spread['rms'], 3)} on average (root mean square){beside}"
    if found["halves"] is not None:
        yield f"halves: {found['halves']['note']}"
    if found["second"] is not None:
        second = found["second"]
        traced = "" if second["traced"] else "; that both are of different recordings is taken on trust"
        yield (
            f"second: the two restorations agree down to {second['words']} (FRC 1/7){traced}. This measures "
            "consistency and is no resolution: both share the prior and its errors"
        )
    if found["no_resolution"]:
        yield found["no_resolution"]


def _table(found: dict[str, Any]) -> Iterator[str]:
    yield f"{'':24}{'before':>12}{'after':>12}{'change':>10}"
    for row in found["measurements"]:
        unit, in_one = row["unit"], 1.0
        if unit == "nm²" and (row["before"] or 0) > 1e5:
            unit, in_one = "µm²", 1e6
        name = f"{row['name']} ({unit})" if unit else row["name"]
        before, after = ("-" if v is None else number(v / in_one, 4) for v in (row["before"], row["after"]))
        change = "-" if row["change"] is None else f"{row['change']:+.1f} %"
        yield f"{name:24}{before:>12}{after:>12}{change:>10}"
    for when in ("before", "after"):
        measured = found[when]
        if measured["width_reason"]:
            yield f"no membrane width {when}: {measured['width_reason']}"
            break
    else:
        yield (
            f"membrane width: median of {found['before']['width_count']} and {found['after']['width_count']} places, "
            f"half of them within ± {number(found['before']['width_spread'], 2)} and "
            f"± {number(found['after']['width_spread'], 2)}"
        )


def _spectrum(found: dict[str, Any], nm: float | None) -> Iterator[str]:
    """Detail by its period, finest first."""
    if not found["spectrum"]:
        return
    unit = "px" if nm is None else "nm"
    parts = [
        f"{number((nm or 1) / o['high'], 3)} to {number((nm or 1) / o['low'], 3)} {unit} {o['change']:+.1f} dB"
        for o in found["spectrum"]
    ]
    yield f"power by size of detail: {', '.join(parts)}"


def _residual(found: dict[str, Any]) -> Iterator[str]:
    from mendem.cli.report import chi2_line

    if found["no_residual"]:
        yield f"what was taken away cannot be judged: {found['no_residual']}"
    else:
        parts = [f"{b['power']:.2f} from {b['low']:g} to {b['high']:g}" for b in found["residual"]]
        yield (
            f"what was taken away, over the noise ({found['noise']}), by frequency in cycles/px: {', '.join(parts)} "
            "(about 1 or less is noise; more is structure)"
        )
    if found["chi2"] is not None:
        yield f"{chi2_line(found['chi2'], found['chi2_counts_spread'])}, as recorded"
