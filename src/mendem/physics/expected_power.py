"""The power spectrum that micrographs are expected to have, where nothing better is known of them."""

from __future__ import annotations

#: Flat to this frequency (cycles per pixel), then falling with this power.
FLAT_TO, FALL = 1 / 64, 2.5
