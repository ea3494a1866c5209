"""Samples that the project makes itself: a noisy picture of simulated neuropil, and its truth (hidden at first)."""

from __future__ import annotations

from typing import Any


def micrograph() -> list[tuple[Any, dict[str, Any], str]]:
    """A simulated micrograph and its truth."""
    from mendem.simulate import sample_micrograph

    return _layers("Neuropil", *sample_micrograph())


def volume() -> list[tuple[Any, dict[str, Any], str]]:
    """A simulated isotropic volume and its truth."""
    from mendem.simulate import sample_volume

    return _layers("Neuropil volume", *sample_volume())


def _layers(name: str, noisy: Any, truth: Any) -> list[tuple[Any, dict[str, Any], str]]:
    from napari_mendem.layers import layer_from_image

    limits = {"contrast_limits": (0.0, 255.0)}
    return [
        layer_from_image(truth, name=f"{name} · truth", visible=False, **limits),
        layer_from_image(noisy, name=name, **limits),
    ]
