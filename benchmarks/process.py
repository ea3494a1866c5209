"""Measurements in processes of their own: peak memory never falls, and thread counts are fixed at the start."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
#: Seconds after which a measurement has failed.
TIMEOUT = 3600


def environment(threads: int | None = None) -> dict[str, str]:
    """This process' environment, with the repository importable and the number of threads fixed."""
    paths = [str(ROOT / "src"), str(ROOT), os.environ.get("PYTHONPATH", "")]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in paths if p)}
    if threads:
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            env[name] = str(threads)
    return env


def measured(call: str, *arguments: Any, threads: int | None = None) -> Any:
    """What ``module:function`` returns for the arguments (all of it JSON), called in a new process."""
    with tempfile.NamedTemporaryFile(suffix=".json") as answer:
        command = [sys.executable, "-m", "benchmarks.process", call, json.dumps(arguments), answer.name]
        done = subprocess.run(
            command, env=environment(threads), cwd=ROOT, stderr=subprocess.PIPE, text=True, timeout=TIMEOUT
        )
        written = Path(answer.name).read_text()
        if not written:  # a library that fails while the interpreter ends takes nothing back
            raise RuntimeError(f"{call}{arguments} failed:\n{done.stderr.strip()}")
        return json.loads(written)


def _status(pid: int | str, field: str) -> int:
    with open(f"/proc/{pid}/status") as file:
        return next((int(line.split()[1]) * 1024 for line in file if line.startswith(field)), 0)


def peak_bytes() -> int:
    """Peak resident memory of this process since `reset_peak`, or since its start."""
    try:
        return _status("self", "VmHWM")
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def reset_peak() -> int:
    """Forget the peak so far (Linux only); returns the resident memory now."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
        return _status("self", "VmRSS")
    except OSError:
        return peak_bytes()


def rising_peak(pid: int, before: int) -> int:
    """Peak resident bytes of a process, or what was known ``before`` where it has ended. Linux only."""
    try:
        return max(before, _status(pid, "VmHWM"))
    except OSError:
        return before


def watch(command: list[str], threads: int | None = None, interval: float = 0.1) -> tuple[float, int, str]:
    """Seconds, peak resident bytes and standard output of a command; its own peak, whatever started it.

    ``ru_maxrss`` of a child includes what its parent held when it was started; ``VmHWM`` does not. Linux only.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        child = subprocess.Popen(command, env=environment(threads), cwd=ROOT, stdout=out, stderr=errors, text=True)
        peak = 0
        while child.poll() is None:
            peak = rising_peak(child.pid, peak)
            time.sleep(interval)
        seconds = time.perf_counter() - start
        out.seek(0)
        errors.seek(0)
        if child.returncode:
            raise RuntimeError(f"{' '.join(command)} failed:\n{errors.read()[-2000:].strip()}")
        return seconds, peak, out.read()


def torch_alone(threads: int | None = None) -> int:
    """Peak resident bytes of an interpreter that has imported torch."""
    return int(measured("benchmarks.process:imported_torch", threads=threads))


def imported_torch() -> int:
    """The peak of this process after ``import torch``."""
    import torch  # noqa: F401

    return peak_bytes()


if __name__ == "__main__":
    module, function = sys.argv[1].split(":")
    result = getattr(importlib.import_module(module), function)(*json.loads(sys.argv[2]))
    Path(sys.argv[3]).write_text(json.dumps(result))
