"""Random numbers that depend on where a pixel is, not on the order in which pixels are computed.

A hash of (seed, sample, step, z, y, x), so that tiles, batches, workers and devices draw the same noise.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

_MASK = 0xFFFFFFFF


def _mix(h: Tensor) -> Tensor:
    """The finaliser of MurmurHash3 (Appleby, public domain) on 32 bits held in int64."""
    h = h ^ (h >> 16)
    h = (h * 0x85EBCA6B) & _MASK
    h = h ^ (h >> 13)
    h = (h * 0xC2B2AE35) & _MASK
    return h ^ (h >> 16)


def _absorb(h: Tensor, value: Tensor | int) -> Tensor:
    """Take one more coordinate into the state."""
    return _mix((h ^ ((value * 0x9E3779B1 + 0x7F4A7C15) & _MASK)) & _MASK)


def normal(
    seed: int, sample: int, step: int, z: int, rows: range, columns: range, device: str | torch.device = "cpu"
) -> Tensor:
    """Standard normal numbers, float32, shape (len(rows), len(columns)).

    Each depends on its own coordinates alone (Box and Muller 1958, on two hashed uniforms).
    """
    state = torch.zeros((), dtype=torch.int64, device=device)
    for number in (seed & _MASK, (seed >> 32) & _MASK, sample, step, z):
        state = _absorb(state, number)
    y = torch.arange(rows.start, rows.stop, dtype=torch.int64, device=device)[:, None]
    x = torch.arange(columns.start, columns.stop, dtype=torch.int64, device=device)[None, :]
    state = _absorb(_absorb(state, y), x)
    first = (_absorb(state, 1).double() + 0.5) / 2**32
    second = _absorb(state, 2).double() / 2**32
    return (torch.sqrt(-2 * torch.log(first)) * torch.cos(2 * math.pi * second)).float()
