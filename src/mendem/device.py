"""Where and in which precision the network runs, and how much memory that takes."""

from __future__ import annotations

import os
import time
from functools import cache
from typing import TYPE_CHECKING

from mendem.errors import MendemError

if TYPE_CHECKING:
    import torch


def choose_device(name: str) -> str:
    """The device that ``name`` ("auto", "cpu", "cuda", "mps") means here; a missing one is an error."""
    import torch

    have = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return next(d for d in ("cuda", "mps", "cpu") if have[d])
    if not have.get(name):
        raise MendemError(f"device {name} is not available on this machine; use auto or cpu")
    return name


@cache
def choose_dtype(device: str) -> torch.dtype:
    """bfloat16 where a small convolution runs faster in it than in float32, else float32.

    The environment variable ``MENDEM_PRECISION`` says which instead: then a busy machine decides nothing, and
    results of the same machine are the same bit for bit. `MendemError` where it is neither.
    """
    import torch

    stated = os.environ.get("MENDEM_PRECISION", "")
    if stated not in ("", "float32", "bfloat16"):
        raise MendemError(f"MENDEM_PRECISION is {stated!r}, but must be float32 or bfloat16")
    if stated:
        return getattr(torch, stated)
    if device == "mps":
        return torch.float32
    x = torch.zeros((1, 64, 128, 128), device=device).to(memory_format=torch.channels_last)
    conv = torch.nn.Conv2d(64, 64, 3, padding=1).to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    seconds = dict.fromkeys((torch.float32, torch.bfloat16), float("inf"))
    with torch.inference_mode():
        for _ in range(6):  # the fastest of six, taken in turns: a busy machine must not decide
            for dtype in seconds:
                layer, data = conv.to(dtype), x.to(dtype)
                start = time.perf_counter()
                layer(data).sum().item()
                seconds[dtype] = min(seconds[dtype], time.perf_counter() - start)
    return torch.bfloat16 if seconds[torch.bfloat16] < seconds[torch.float32] else torch.float32


def available_bytes(device: str) -> int:
    """Free memory of the device."""
    if device == "cuda":
        import torch

        return torch.cuda.mem_get_info()[0]
    try:
        with open("/proc/meminfo") as file:
            lines = dict(line.split(":") for line in file)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        return 8 * 2**30
