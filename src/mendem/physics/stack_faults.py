"""Sections that show nothing, another section, or something else; and places where sections were lost."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mendem.physics.stack_spectra import REACH, SectionSpectra

#: Frequencies above this count less and less when sections are compared, cycles per reduced pixel.
LOW_PASS = 0.08
#: Two sections are one where they differ by less than this share of what neighbours usually differ by.
SAME = 0.4
#: A section belongs to no neighbour where it shares less than this part of what is usual at these distances, and next
#: sections of the stack share at least this much; the second part is for the ends, which have neighbours on one side.
STRANGE, STRANGE_END, SHARED = 0.35, 0.15, 0.25
#: Parts along each side of a section, and the correlation of the same part of two sections that is no chance.
PARTS, ALIKE = 5, 0.3
#: Sections were lost where neighbours differ more than usual by so many times the spread, and by this part of the way
#: to what sections two apart differ by; which must be so many times what neighbours differ by, or nothing can be told.
LOST, ON_THE_WAY, TELLING = 5.0, 0.8, 1.3


@dataclass(frozen=True)
class Faults:
    """Numbers of sections: repeats of a neighbour, strangers, and those after which sections were lost."""

    duplicate: tuple[int, ...]
    unrelated: tuple[int, ...]
    gap_after: tuple[int, ...]


def find_faults(spectra: SectionSpectra, reduced: np.ndarray, shift: np.ndarray, factor: int, at: np.ndarray) -> Faults:
    """What stands out when each section is compared with its neighbours.

    Parameters
    ----------
    spectra
        Spectra of the sections.
    reduced
        (sections, rows, columns), means over ``factor`` x ``factor`` pixels.
    shift
        (sections, 2) where they lie, pixels.
    at
        (sections,) their numbers.
    """
    likeness = _likeness(spectra, shift / spectra.scale, at)
    usual = {lag: float(np.median([v for (i, j), v in likeness.items() if j - i == lag] or [0])) for lag in (1, 2, 3)}
    unrelated = [
        int(number)
        for i, number in enumerate(at)
        if usual[1] > SHARED
        and _belonging(int(number), likeness, usual) < (STRANGE if 0 < i < len(at) - 1 else STRANGE_END)
        and _stands_out(i, at, likeness)
        and not _partly_alike(reduced, shift / factor, i)
    ]
    kept = {pair: v for pair, v in likeness.items() if not set(pair) & set(unrelated)}
    duplicate = _duplicates(kept)
    kept = {pair: v for pair, v in kept.items() if not set(pair) & set(duplicate)}
    return Faults(tuple(duplicate), tuple(unrelated), tuple(_gaps(kept)))


def _likeness(spectra: SectionSpectra, shift: np.ndarray, at: np.ndarray) -> dict[tuple[int, int], float]:
    """Correlation of sections up to `REACH` apart, all frequencies up to `LOW_PASS` counting alike."""
    power = np.maximum(spectra.by_ring((np.abs(spectra.values) ** 2).mean(0)), 1e-30)[spectra.ring]
    weight = np.exp(-(np.hypot(*spectra.frequency) ** 2) / (2 * LOW_PASS**2)) / power
    placed = spectra.brought_back(shift) * np.sqrt(weight).astype(np.float32)
    norm = np.sqrt((np.abs(placed) ** 2).sum(1))
    found = {}
    for i in range(len(at)):
        for j in range(i + 1, min(i + REACH + 1, len(at))):
            if at[j] - at[i] <= REACH:
                shared = float((placed[i].conj() * placed[j]).real.sum() / (norm[i] * norm[j]))
                found[int(at[i]), int(at[j])] = shared
    return found


def _belonging(i: int, likeness: dict[tuple[int, int], float], usual: dict[int, float]) -> float:
    """Likeness of section i with its neighbours over what is usual at those distances."""
    pairs = [(v, usual[b - a]) for (a, b), v in likeness.items() if i in (a, b)]
    return sum(v for v, _ in pairs) / max(sum(u for _, u in pairs), 1e-9) if pairs else 1.0


def _stands_out(i: int, at: np.ndarray, likeness: dict[tuple[int, int], float]) -> bool:
    """Whether section i shares far less with its neighbours than those share with the next ones.

    How much neighbours share changes slowly along a stack, so that what is usual in all of it does not tell enough.
    """

    def shared(first: int, second: int) -> list[float]:
        inside = 0 <= first and second < len(at)
        return [likeness.get((int(at[first]), int(at[second])), 0.0)] if inside else []

    mine, around = shared(i - 1, i) + shared(i, i + 1), shared(i - 2, i - 1) + shared(i + 1, i + 2)
    return bool(around) and max(mine) < STRANGE * min(around)


def _partly_alike(reduced: np.ndarray, shift: np.ndarray, i: int) -> bool:
    """Whether most parts of section i are like the same parts of a neighbour: a fold spoils the others alone."""
    most = [0.0]
    for j in (i - 1, i + 1):
        if not 0 <= j < len(reduced):
            continue
        y, x = (
            np.clip(np.arange(n) + int(np.rint(d)), 0, n - 1)
            for n, d in zip(reduced[j].shape, shift[j] - shift[i], strict=True)
        )
        other = reduced[j][np.ix_(y, x)]
        parts = [
            [np.array_split(rows, PARTS, 1) for rows in np.array_split(picture, PARTS, 0)]
            for picture in (reduced[i], other)
        ]
        likeness = [
            np.corrcoef(a.ravel(), b.ravel())[0, 1]
            for first, second in zip(*parts, strict=True)
            for a, b in zip(first, second, strict=True)
            if a.std() > 0 and b.std() > 0
        ]
        most.append(float(np.median(likeness)) if likeness else 0.0)
    return max(most) > ALIKE


def _duplicates(likeness: dict[tuple[int, int], float]) -> list[int]:
    """Of two neighbours that are one, the one that is less like its other neighbour: its place holds a copy."""
    next_to = {i: 1 - v for (i, j), v in likeness.items() if j == i + 1}
    if len(next_to) < 3:
        return []
    usual = float(np.median(list(next_to.values())))
    found: list[int] = []
    for i, differs in next_to.items():
        beside = [next_to[j] for j in (i - 1, i + 1) if j in next_to]
        if differs < SAME * min([usual, *beside]) and i not in found:
            before, after = next_to.get(i - 1, 0.0), next_to.get(i + 1, 0.0)
            found.append(i if before > after else i + 1)
    return found


def _gaps(likeness: dict[tuple[int, int], float]) -> list[int]:
    """Sections after which neighbours differ as sections two apart do."""
    by_lag = {lag: {i: 1 - v for (i, j), v in likeness.items() if j - i == lag} for lag in (1, 2)}
    if min(len(d) for d in by_lag.values()) < 6:
        return []
    one, two = (np.array(list(d.values())) for d in (by_lag[1], by_lag[2]))
    usual, apart = float(np.median(one)), float(np.median(two))
    if apart < TELLING * usual:
        return []
    least = usual + max(LOST * 1.4826 * float(np.median(np.abs(one - usual))), ON_THE_WAY * (apart - usual))
    found = {i for i, differs in by_lag[1].items() if differs > least}
    return sorted(i for i in found if not found & {i - 1, i + 1})  # one after the other: the section between is odd
