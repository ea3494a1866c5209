"""Tilt series that the product ships, made on the spot, with the volume that they show."""

from __future__ import annotations

from mendem.image import Image
from mendem.simulate.tilt_beam import DarkField, PhaseContrast
from mendem.simulate.tilt_cell import cell_volume
from mendem.simulate.tilt_record import Stage, record
from mendem.simulate.tilt_scheme import continuous, dose_symmetric
from mendem.simulate.tilt_solids import particle_volume
from mendem.tomography.tilt_series import TiltSeries


def sample_tilt_series(
    shape: tuple[int, int, int] = (96, 192, 192), voxel_nm: float = 1.4, seed: int = 3
) -> tuple[TiltSeries, Image]:
    """A dose-symmetric cryo series of a cell, ±60° in steps of 3° with 3 e/Å2 each, not aligned, and the true volume.

    The tilt axis is stated to be y and is 1° off; tilts are shifted by 2 px (rms).
    """
    volume = cell_volume(shape, voxel_nm, seed, gold_beads=6)
    stage = Stage(axis_error_deg=1.0, jitter_px=2.0)
    return record(volume, dose_symmetric(60, 3), PhaseContrast(), dose=3.0, stage=stage, seed=seed), volume


def sample_particles(
    shape: tuple[int, int, int] = (160, 160, 160), voxel_nm: float = 0.6, seed: int = 4
) -> tuple[TiltSeries, Image]:
    """An HAADF series of nanoparticles, ±70° in steps of 2°, whose tilts are shifted by 1 px (rms), and the truth."""
    volume = particle_volume(shape, voxel_nm, seed)
    return record(volume, continuous(-70, 70, 2), DarkField(), dose=250.0, stage=Stage(), seed=seed), volume
