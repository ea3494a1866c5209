"""Samples that the project makes itself: simulated tissue, cells, particles, and their truths (hidden at first)."""

from __future__ import annotations

from typing import Any

LayerData = tuple[Any, dict[str, Any], str]


def micrograph() -> list[LayerData]:
    """A simulated micrograph and its truth."""
    from mendem.simulate import sample_micrograph

    return _layers("Neuropil", *sample_micrograph())


def volume() -> list[LayerData]:
    """A simulated isotropic volume and its truth."""
    from mendem.simulate import sample_volume

    return _layers("Neuropil volume", *sample_volume())


def blurred() -> list[LayerData]:
    """A micrograph out of focus and its truth."""
    from mendem.simulate import sample_blurred

    return _layers("Neuropil out of focus", *sample_blurred())


def coarse() -> list[LayerData]:
    """A micrograph with large pixels and its truth on pixels half as large."""
    from mendem.simulate import sample_coarse

    return _layers("Neuropil coarse", *sample_coarse())


def damaged() -> list[LayerData]:
    """A micrograph with a tear, charged rows and a dead row, and its truth."""
    from mendem.simulate import sample_damaged

    return _layers("Neuropil damaged", *sample_damaged()[:2])


def frames() -> list[LayerData]:
    """Fast frames of a drifting specimen, and the truth at the one in the middle of the drift."""
    from mendem.simulate import sample_frames

    return _layers("Neuropil frames", *sample_frames())


def sections() -> list[LayerData]:
    """Thick sections that jitter, one of them lost, and the isotropic truth."""
    from mendem.simulate import sample_sections

    return _layers("Neuropil sections", *sample_sections())


def tilt_series() -> list[LayerData]:
    """A cryo tilt series of a cell, and the volume that it shows."""
    from mendem.simulate import sample_tilt_series

    return _tilts("Cell", *sample_tilt_series())


def particles() -> list[LayerData]:
    """An HAADF tilt series of nanoparticles, and the volume that it shows."""
    from mendem.simulate import sample_particles

    return _tilts("Particles", *sample_particles())


def _tilts(name: str, series: Any, truth: Any) -> list[LayerData]:
    from napari_mendem.layers import layer_from_image
    from napari_mendem.tilt_layers import layer_of

    # The middle slice has the place of the middle tilt, so that the slider has both in sight.
    z = series.count // 2 - truth.shape[0] // 2 * truth.voxel_size.values[0]
    return [
        layer_from_image(truth, name=f"{name} · truth", visible=False, translate=(z, 0.0, 0.0)),
        layer_of(series, f"{name} tilt series"),
    ]


def _layers(name: str, noisy: Any, truth: Any) -> list[LayerData]:
    from napari_mendem.layers import layer_from_image

    limits = {"contrast_limits": (0.0, 255.0)}
    # The first pixels begin at the same edge, and lengths are between pixel centres.
    lengths = zip(truth.voxel_size.values, noisy.voxel_size.values[-truth.data.ndim :], strict=True)
    edge = [0.0 if fine is None else (fine - large) / 2 for fine, large in lengths]
    return [
        layer_from_image(truth, name=f"{name} · truth", visible=False, translate=edge, **limits),
        layer_from_image(noisy, name=name, **limits),
    ]
