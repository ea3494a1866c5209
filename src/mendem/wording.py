"""How results are worded, alike in the window and on the command line."""

from __future__ import annotations


def number(value: float, digits: int) -> str:
    """``5970``, ``6.1``: so many digits, and powers of ten only where a number would be unreadably long."""
    rounded = f"{value:.{digits}g}"
    return f"{float(rounded):.0f}" if "e" in rounded and 1 <= abs(value) < 1e6 else rounded


def is_consistent(chi2: float) -> bool:
    """Whether chi² is near enough to 1 for the noise, the spread and the data to fit together."""
    return 0.8 <= chi2 <= 1.25
