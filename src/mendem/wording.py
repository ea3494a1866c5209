"""How results are worded, alike in the window and on the command line."""

from __future__ import annotations

from math import isfinite


def number(value: float, digits: int) -> str:
    """``5970``, ``6.1``: so many digits, and powers of ten only where a number would be unreadably long."""
    rounded = f"{value:.{digits}g}"
    return f"{float(rounded):.0f}" if "e" in rounded and 1 <= abs(value) < 1e6 else rounded


def is_consistent(chi2: float) -> bool:
    """Whether chi² is near enough to 1 for the noise, the spread and the data to fit together."""
    return 0.8 <= chi2 <= 1.25


def judged(chi2: float, counts_spread: bool = True) -> str:
    """What chi² says. Where it does not count the spread of what was measured, it is right at 1 or below."""
    if not isfinite(chi2):
        return "not a number: the result is not to be used"
    if is_consistent(chi2):
        return "consistent with the data"
    if chi2 < 1 and not counts_spread:
        return "no further from the data than the noise explains"
    return f"{'further from' if chi2 > 1 else 'closer to'} the data than the noise explains"
