"""Samples with known truth: tissue that was never in a microscope, and the microscope that records it."""

from mendem.simulate.acquisition import acquire, expose
from mendem.simulate.samples import (
    sample_blurred,
    sample_coarse,
    sample_damaged,
    sample_frames,
    sample_micrograph,
    sample_sections,
    sample_volume,
)
from mendem.simulate.style import TissueStyle
from mendem.simulate.tilt_samples import sample_particles, sample_tilt_series
from mendem.simulate.tissue import tissue_image, tissue_patches, tissue_volume

__all__ = [
    "TissueStyle",
    "acquire",
    "expose",
    "sample_blurred",
    "sample_coarse",
    "sample_damaged",
    "sample_frames",
    "sample_micrograph",
    "sample_particles",
    "sample_sections",
    "sample_tilt_series",
    "sample_volume",
    "tissue_image",
    "tissue_patches",
    "tissue_volume",
]
