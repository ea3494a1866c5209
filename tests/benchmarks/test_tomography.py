"""The references and measures of the section on tilt series, where their values are known."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("skimage")
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from benchmarks import tomography_reference as reference  # noqa: E402
from benchmarks.tomography_theory import half_width, outermost_half, point, radermacher  # noqa: E402
from mendem.tomography.phantom import ellipse_phantom  # noqa: E402
from mendem.tomography.psf import elongation  # noqa: E402

ANGLES = np.linspace(-60, 60, 31)


def test_the_reference_projects_what_the_phantom_says():
    geometry = reference.geometry(ANGLES, 64)
    phantom = ellipse_phantom(64, 64)
    exact = phantom.project(geometry)
    for disc in (True, False):
        found = reference.project(phantom.image(geometry).astype(float), ANGLES, disc)
        # Bilinear interpolation of a turned image of 64 pixels: a few per cent, most of it at borders.
        assert np.linalg.norm(found - exact) < 0.03 * np.linalg.norm(exact)


def test_sirt_of_the_reference_comes_nearer_to_the_truth():
    geometry = reference.geometry(ANGLES, 64)
    phantom = ellipse_phantom(64, 64)
    truth, data = phantom.image(geometry), phantom.project(geometry)
    errors = [np.linalg.norm(reference.sirt(data, ANGLES, n, False) - truth) for n in (1, 5, 20)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.5 * np.linalg.norm(truth)


def test_the_elongation_in_theory_is_that_of_many_tilts():
    for low, high in ((-60, 60), (-45, 45), (-51, 69)):
        fine = np.linspace(low, high, 2001)
        assert radermacher(low, high) == pytest.approx(elongation(fine), rel=1e-4)
    assert radermacher(-60, 60) == pytest.approx(1.5525, abs=1e-3)


def test_a_reconstructed_point_is_as_long_as_in_theory():
    assert point(ANGLES, outermost_half(ANGLES))["elongation"] == pytest.approx(radermacher(-60, 60), rel=0.02)
    # Tilts all around the circle: a round point.
    assert point(np.arange(-90, 90, 4.0))["elongation"] == pytest.approx(1.0, rel=0.02)


def test_the_width_of_a_gaussian_is_its_own():
    sigma = 3.0
    assert half_width(lambda d: np.exp(-0.5 * (d / sigma) ** 2)) == pytest.approx(2.3548 * sigma, rel=1e-3)
