"""Sections that others measure: the noise estimation, and the stalls of the event loop."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from typing import Any

from benchmarks.process import measured
from benchmarks.settings import Settings


def noise(settings: Settings) -> dict:
    """The rows of `benchmarks.noise`."""
    from benchmarks import noise

    return {"rows": noise.run(settings.data, draws=1 if settings.quick else 2, say=settings.say)}


def memory(settings: Settings) -> dict:
    """The rows of `benchmarks.memory`."""
    from benchmarks import memory

    return {"rows": memory.run(settings.prior)}


def stalls(settings: Settings) -> dict:
    """The rows of `benchmarks.stalls`, in a process of its own, because it opens a window."""
    try:
        importlib.import_module("benchmarks.stalls")
    except ImportError as error:
        return {"skipped": f"benchmarks.stalls cannot be imported ({error})"}
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        return {"skipped": "no display; run it under xvfb-run"}
    try:
        rows: Any = measured("benchmarks.stalls:run")
    except (RuntimeError, subprocess.SubprocessError) as error:
        return {"skipped": str(error).splitlines()[-1]}
    return {"rows": rows}
