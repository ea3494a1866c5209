"""What a run says while it works, and how it is stopped."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TextIO

from mendem.cli.report import duration

if TYPE_CHECKING:
    from mendem.engine import Progress

#: Without a terminal a line is printed for so much more of the work, and not within so many seconds of the last.
SHARE, SECONDS = 0.1, 5.0
BAR = 24

#: What happens when a run that goes on later is interrupted twice.
GOES_ON = "; the same command goes on after the last finished block"


class ProgressLine:
    """One line that is updated in a terminal, few lines elsewhere; a context manager that tidies up behind it.

    ``about`` stands before what is said, ``unit`` is what is counted.
    """

    def __init__(self, stream: TextIO, about: str = "", unit: str = "block") -> None:
        self.stream, self.about, self.unit = stream, about, unit
        self.live = stream.isatty()
        self.said, self.said_at = 0.0, time.monotonic()
        self.drawn = False

    def __call__(self, progress: Progress) -> None:
        left = "" if progress.seconds_left is None else f", {duration(progress.seconds_left)} left"
        block = min(progress.block + 1, progress.blocks)
        text = f"{self.about}{100 * progress.fraction:3.0f} %, {self.unit} {block} of {progress.blocks}{left}"
        now = time.monotonic()
        if self.live:
            if now - self.said_at < 0.1 and self.drawn and progress.fraction < 1:
                return
            filled = int(BAR * progress.fraction)
            self._write(f"\r\x1b[K{'#' * filled}{'.' * (BAR - filled)} {text}")
            self.drawn = True
        elif progress.fraction - self.said < SHARE - 1e-9 or now - self.said_at < SECONDS or progress.fraction == 1:
            return
        else:
            self._write(f"{text.strip()}\n")
        self.said, self.said_at = progress.fraction, now

    def close(self) -> None:
        """Clear the line, so that what follows begins on a fresh one."""
        if self.drawn:
            self._write("\r\x1b[K")
            self.drawn = False

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def _write(self, text: str) -> None:
        self.stream.write(text)
        self.stream.flush()


@contextmanager
def interruptible(what_happens: str, twice: str = " and keep nothing") -> Iterator[threading.Event]:
    """An event that Ctrl-C (or SIGTERM) sets; the second time it raises `KeyboardInterrupt`.

    What happens then, and what ``twice``, is said the first time.
    """
    stop = threading.Event()

    def handle(number: int, frame: Any) -> None:
        if stop.is_set():
            raise KeyboardInterrupt
        stop.set()
        print(f"\nstopping, {what_happens}; once more to stop at once{twice}", file=sys.stderr, flush=True)

    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread may handle signals
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """SIGTERM ends the command as Ctrl-C does, tidily."""

    def handle(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
