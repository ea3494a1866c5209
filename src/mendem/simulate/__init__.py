"""Samples with known truth: tissue, cells and particles that were never in a microscope, and what records them."""

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
from mendem.simulate.tilt_beam import DarkField, PhaseContrast
from mendem.simulate.tilt_cell import cell_volume
from mendem.simulate.tilt_record import Stage, record, true_alignment
from mendem.simulate.tilt_samples import sample_particles, sample_tilt_series
from mendem.simulate.tilt_scheme import TiltScheme, bidirectional, continuous, dose_symmetric, irregular
from mendem.simulate.tilt_solids import particle_volume, slab_volume
from mendem.simulate.tissue import tissue_image, tissue_patches, tissue_volume

__all__ = [
    "DarkField",
    "PhaseContrast",
    "Stage",
    "TiltScheme",
    "TissueStyle",
    "acquire",
    "bidirectional",
    "cell_volume",
    "continuous",
    "dose_symmetric",
    "expose",
    "irregular",
    "particle_volume",
    "record",
    "sample_blurred",
    "sample_coarse",
    "sample_damaged",
    "sample_frames",
    "sample_micrograph",
    "sample_particles",
    "sample_sections",
    "sample_tilt_series",
    "sample_volume",
    "slab_volume",
    "tissue_image",
    "tissue_patches",
    "tissue_volume",
    "true_alignment",
]
