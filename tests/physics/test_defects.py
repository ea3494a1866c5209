"""Pixels that are no measurement."""

import torch

from mendem.physics.defects import reliable


def picture(seed=0, size=200):
    return torch.randn((1, 1, size, size), generator=torch.Generator().manual_seed(seed))


def test_single_hot_and_dead_pixels_are_found_and_nothing_else():
    u = picture()
    u[0, 0, 10, 20], u[0, 0, 0, 0], u[0, 0, 199, 50] = 30.0, -30.0, 25.0
    found = (reliable(u, 1.0) == 0).nonzero()[:, 2:].tolist()
    assert sorted(found) == [[0, 0], [10, 20], [199, 50]]


def test_pixels_that_are_not_finite_are_no_measurement_and_hide_no_neighbour():
    u = picture()
    u[0, 0, 50, 50], u[0, 0, 60, 60] = float("nan"), float("inf")
    assert int((reliable(u, 1.0) == 0).sum()) == 2


def test_a_sharp_edge_is_not_a_defect():
    u = 0.1 * picture()
    u[..., 100:] += 20.0
    assert bool(reliable(u, 0.1).all())
