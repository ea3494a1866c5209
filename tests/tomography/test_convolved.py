"""Projection and back-projection of an isolated specimen as one convolution."""

from __future__ import annotations

import torch

from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.phantom import ellipse_phantom
from mendem.tomography.projector import Projector


def test_a_convolution_does_to_an_isolated_specimen_what_its_projections_back_projected_do():
    geometry = SliceGeometry(tuple(range(-63, 58, 3)), (72, 90), 90, shifts=(0.3,) * 41)
    specimen = torch.from_numpy(ellipse_phantom(72, 72).image(geometry).astype("float32"))[None]
    projector = Projector(geometry)
    exact = projector.adjoint(projector.forward(specimen))
    # How pixels of the slice and of the detector meet differs from place to place: 0.1 to 0.4 % of the whole.
    assert float((projector.convolution(specimen) - exact).norm() / exact.norm()) < 5e-3


def test_its_norm_bounds_what_it_makes_of_any_slice():
    projector = Projector(SliceGeometry(tuple(range(-60, 61, 10)), (20, 24), 24))
    convolution = projector.convolution
    slices = torch.rand((8, 20, 24), generator=torch.Generator().manual_seed(0))
    for _ in range(20):  # towards the largest eigenvalue
        slices = convolution(slices)
        slices = slices / slices.norm(dim=(1, 2), keepdim=True)
    largest = float(convolution(slices).norm(dim=(1, 2)).max())
    assert largest * (1 - 1e-4) <= convolution.squared_norm <= 1.05 * largest


def test_of_a_slice_of_one_row_it_is_as_good():
    geometry = SliceGeometry(tuple(range(-60, 61, 4)), (1, 40), 40)
    specimen = torch.from_numpy(ellipse_phantom(1, 30).image(geometry).astype("float32"))[None]
    projector = Projector(geometry)
    exact = projector.adjoint(projector.forward(specimen))
    assert float((projector.convolution(specimen) - exact).norm() / exact.norm()) < 5e-2
