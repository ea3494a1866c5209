"""What a measurement depends on: machine, versions, weights."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.settings import Settings


def cpu_name() -> str:
    """Model name of the CPU."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def memory_gb() -> float:
    """Installed memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def weights(prior: str) -> str:
    """SHA-256 of the prior's weights."""
    from mendem.priors.checkpoint import digest, find

    return digest(find(prior))


def versions(settings: Settings) -> dict[str, str]:
    """Versions of what computes, BM3D's included."""
    found = {"Python": platform.python_version()}
    for package in ("napari-mendem", "torch", "numpy", "scipy", "scikit-image"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "from source"
    if settings.bm3d is not None:
        found["bm3d, bm4d"] = settings.bm3d.version.replace(" ", ", ")
    return found


def facts(settings: Settings) -> dict:
    """The head of the page."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "memory": memory_gb(),
        "system": f"{platform.system()} {platform.machine()}",
        "versions": versions(settings),
        "prior": settings.prior,
        "weights": weights(settings.prior),
        "load": os.getloadavg()[0],
    }
