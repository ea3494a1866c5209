"""SIRT and total variation against references that are written out densely."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mendem.errors import Cancelled
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.phantom import counted, ellipse_phantom
from mendem.tomography.projector import Projector
from mendem.tomography.sirt import Sirt
from mendem.tomography.tv import Tv, divergence, gradient, projection_noise, total_variation

TILTS = tuple(np.linspace(-60, 60, 21))


def last(iterates):
    *_, final = iterates
    return final


def dense_matrix(geometry: SliceGeometry, points: int = 10) -> np.ndarray:
    """Rays in rows, pixels in columns: the share of ``points``² points in each pixel that falls on a detector pixel."""
    depth, width = geometry.shape
    matrix = np.zeros((len(geometry.angles_deg), geometry.width, depth, width))
    sub = (np.arange(points) + 0.5) / points - 0.5
    for t, angle in enumerate(np.radians(geometry.angles_deg)):
        for z in range(depth):
            for x in range(width):
                u = np.add.outer(
                    (z + sub - geometry.axis[0]) * np.sin(angle), (x + sub - geometry.axis[1]) * np.cos(angle)
                )
                hit = np.rint(u + geometry.origins[t]).astype(int).ravel()
                hit = hit[(hit >= 0) & (hit < geometry.width)]
                np.add.at(matrix[t, :, z, x], hit, 1 / points**2)
    return matrix.reshape(-1, depth * width)


@pytest.mark.parametrize("positive", [False, True])
def test_sirt_is_as_good_as_a_dense_reference(positive):
    geometry = SliceGeometry(TILTS, (20, 24), 24)
    phantom = ellipse_phantom(20, 24)
    truth = phantom.image(geometry)
    projections = counted(phantom.project(geometry), 1e5, seed=0)
    matrix = dense_matrix(geometry)
    rays, pixels = matrix.sum(1), matrix.sum(0)
    reference = np.zeros(matrix.shape[1])
    for _ in range(30):
        residual = np.where(rays > 1e-3, (projections.ravel() - matrix @ reference) / np.maximum(rays, 1e-3), 0)
        reference += matrix.T @ residual / pixels
        if positive:
            reference = reference.clip(0)
    ours = last(Sirt(30, positive=positive).iterates(Projector(geometry), torch.from_numpy(projections))).numpy()
    error, reference_error = (np.linalg.norm(x - truth) for x in (ours, reference.reshape(truth.shape)))
    assert error == pytest.approx(reference_error, rel=0.1)
    assert np.linalg.norm(ours - reference.reshape(truth.shape)) < 0.2 * np.linalg.norm(truth)


def test_sirt_comes_nearer_to_the_projections_with_each_iteration():
    geometry = SliceGeometry(TILTS, (48, 64), 64)
    operator, projections = Projector(geometry), torch.from_numpy(ellipse_phantom(48, 64).project(geometry))
    residuals = [float((operator.forward(x) - projections).norm()) for x in Sirt(12).iterates(operator, projections)]
    assert (np.diff(residuals) < 0).all()
    assert residuals[-1] < 0.1 * float(projections.norm())


def test_total_variation_beats_sirt_on_flat_regions_with_noise():
    geometry = SliceGeometry(TILTS, (96, 96), 96)
    phantom = ellipse_phantom(96, 96)
    truth = torch.from_numpy(phantom.image(geometry))
    exact = phantom.project(geometry)
    noise = np.random.default_rng(0).normal(size=exact.shape).astype(np.float32)
    operator, projections = Projector(geometry), torch.from_numpy(exact + noise)
    sirt = min(float((x - truth).norm()) for x in Sirt(60, positive=True).iterates(operator, projections))
    flat = float((last(Tv().iterates(operator, projections)) - truth).norm())
    assert flat < 0.9 * sirt


def test_total_variation_finds_the_minimum_of_its_objective():
    # No small change of the slice, be it smooth or rough, makes the objective smaller.
    geometry = SliceGeometry(TILTS, (32, 32), 32)
    phantom = ellipse_phantom(32, 32)
    operator = Projector(geometry)
    projections = torch.from_numpy(phantom.project(geometry))
    method = Tv(smooth_px=4.0, noise=0.5, iterations=1500, tolerance=0.0)
    weight = method.weight(0.5, len(TILTS))

    def objective(x):
        x = x.double()
        misfit = (operator.forward(x.float()).double() - projections).square().sum() / 2
        return float(misfit + weight * total_variation(x))

    found = last(method.iterates(operator, projections))
    least = objective(found)
    assert float(found.min()) >= 0
    random = torch.Generator().manual_seed(0)
    for smooth in (1, 4, 8):
        for _ in range(8):
            change = torch.randn(1, 1, 32 // smooth, 32 // smooth, generator=random)
            change = torch.nn.functional.interpolate(change, (32, 32), mode="bilinear")[0, 0] * 1e-2
            assert objective((found + change).clamp(min=0)) > least * (1 - 1e-4)
    assert objective(torch.from_numpy(phantom.image(geometry))) > least


def test_a_slice_does_not_depend_on_those_beside_it():
    geometry = SliceGeometry(TILTS, (30, 40), 40)
    projections = torch.from_numpy(ellipse_phantom(30, 40).project(geometry))
    many = torch.stack([projections, 5 * projections, projections.flip(1)])
    operator = Projector(geometry)
    for method in (Sirt(5), Tv(noise=0.3)):
        together = last(method.iterates(operator, many))
        torch.testing.assert_close(together[2], last(method.iterates(operator, many[2])), rtol=1e-4, atol=1e-4)


def test_total_variation_stops_when_nothing_changes_any_more():
    geometry = SliceGeometry(TILTS, (30, 40), 40)
    projections = torch.from_numpy(ellipse_phantom(30, 40).project(geometry))
    steps = sum(1 for _ in Tv(noise=1.0, iterations=1000).iterates(Projector(geometry), projections))
    assert 10 < steps < 200


def test_more_smoothing_leaves_less_of_pure_noise():
    geometry = SliceGeometry(TILTS, (64, 64), 64)
    noise = torch.randn(len(TILTS), 64, generator=torch.Generator().manual_seed(0))
    operator = Projector(geometry)
    left = [
        float(last(Tv(smooth_px=r, noise=1.0, positive=False).iterates(operator, noise)).std()) for r in (0.05, 1, 4)
    ]
    assert left[1] < 0.6 * left[0] and left[2] < 0.6 * left[1]


def test_smoothing_does_not_depend_on_the_unit_of_the_projections():
    geometry = SliceGeometry(TILTS, (32, 32), 32)
    projections = counted(ellipse_phantom(32, 32).project(geometry), 1e5, seed=0)
    operator = Projector(geometry)
    one, other = (last(Tv().iterates(operator, torch.from_numpy(p))) for p in (projections, 1000 * projections))
    torch.testing.assert_close(1000 * one, other, rtol=1e-3, atol=1.0)


def test_noise_of_projections_is_measured():
    exact = ellipse_phantom(200, 200).project(SliceGeometry(TILTS, (200, 200), 200))
    noise = np.random.default_rng(1).normal(size=exact.shape) * 2
    assert projection_noise(exact + noise) == pytest.approx(2.0, rel=0.08)


def test_gradient_and_divergence_are_transposes():
    random = torch.Generator().manual_seed(0)
    x, p = torch.randn(2, 7, 9, generator=random), gradient(torch.randn(2, 7, 9, generator=random))
    assert float((gradient(x) * p).sum()) == pytest.approx(-float((x * divergence(p)).sum()), rel=1e-4)


def test_the_squared_norm_bounds_the_largest_eigenvalue_closely():
    geometry = SliceGeometry(TILTS, (12, 16), 16)
    operator = Projector(geometry)
    columns = operator.forward(torch.eye(12 * 16).view(-1, 12, 16)).reshape(12 * 16, -1)
    largest = float(torch.linalg.matrix_norm(columns.double(), 2)) ** 2
    assert largest * (1 - 1e-5) <= operator.squared_norm <= 1.05 * largest


@pytest.mark.parametrize("method", [Sirt(50), Tv(noise=1.0)])
def test_iterations_can_be_cancelled(method):
    calls = []

    def check():
        calls.append(1)
        if len(calls) == 4:
            raise Cancelled

    geometry = SliceGeometry(TILTS, (20, 20), 20)
    projections = torch.from_numpy(ellipse_phantom(20, 20).project(geometry))
    done = 0
    with pytest.raises(Cancelled):
        for _ in method.iterates(Projector(geometry), projections, check):
            done += 1
    assert done == 3
