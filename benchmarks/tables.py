"""Markdown tables, how numbers look in them, and a line of the aims that sections share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def number(value: Any, digits: int = 2) -> str:
    """A number with so many decimals; a dash where there is none; anything else as it is."""
    if value is None:
        return "–"
    return f"{value:.{digits}f}" if isinstance(value, float) else str(value)


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table; columns of numbers are aligned to the right."""
    cells = [[number(v) for v in row] for row in rows]
    aligned = ["---:" if all(_numeric(row[i]) for row in cells) else "---" for i in range(len(columns))]
    lines = ["| " + " | ".join(columns) + " |", "|" + "|".join(aligned) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in cells])


def _numeric(cell: str) -> bool:
    try:
        float(cell.removesuffix(" %"))
    except ValueError:
        return cell in ("–", "")
    return True


def plain(rows: Sequence[dict]) -> str:
    """Rows of any columns, a new table where the columns change."""
    parts: list[str] = []
    start = 0
    for i in range(1, len(rows) + 1):
        if i == len(rows) or list(rows[i]) != list(rows[start]):
            parts.append(table(list(rows[start]), [list(r.values()) for r in rows[start:i]]))
            start = i
    return "\n\n".join(parts)


def signed(value: float) -> str:
    """A difference in dB with its sign."""
    return f"{value:+.2f}"


def judged(aim: str, rows: list[dict]) -> list[tuple[str, str, bool]]:
    """In how many cases the product takes the network by itself; nothing where nobody asked."""
    asked = [r for r in rows if "taken" in r]
    found = sum(r["taken"] for r in asked)
    return [(aim, f"in {found} of {len(asked)} cases", found == len(asked))] if asked else []
