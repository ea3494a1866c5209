"""What one run of the benchmarks is given, handed to every section."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bm3d_client import Bm3d


@dataclass(frozen=True)
class Settings:
    """Data folder, folder for what is kept between runs, BM3D (None where it is not wanted), prior, jobs at a time.

    ``quick`` takes fewer cases, for trying out; ``say`` tells progress.
    """

    data: Path
    kept: Path
    bm3d: Bm3d | None
    prior: str
    jobs: int
    quick: bool
    say: Callable[[str], None]
