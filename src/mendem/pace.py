"""What is done again and again beside the work, and must not slow it down."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

#: The largest share of the time that it may take, about.
COST = 0.01


class Pace:
    """Says when something is to be done again: not before `COST` allows it, by what it took the last time."""

    def __init__(self) -> None:
        self._cost, self._ended = 0.0, time.monotonic()

    @property
    def due(self) -> bool:
        return time.monotonic() - self._ended >= self._cost / COST

    @contextmanager
    def step(self) -> Iterator[None]:
        """Around what is done."""
        began = time.monotonic()
        yield
        self._ended = time.monotonic()
        self._cost = self._ended - began
