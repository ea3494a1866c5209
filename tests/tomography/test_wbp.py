"""Weighted back-projection against scikit-image, and what its filters and weights are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mendem.errors import MendemError
from mendem.tomography.directions import angular_weights, missing_arcs, missing_share
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.phantom import Ellipse, EllipsePhantom, counted, ellipse_phantom
from mendem.tomography.projector import Projector
from mendem.tomography.sirt import Sirt
from mendem.tomography.wbp import Wbp, ramp

HALF_CIRCLE = np.arange(61) * 180 / 61 - 90


def reconstructed(method, geometry, projections):
    *_, last = method.iterates(Projector(geometry), torch.from_numpy(projections))
    return last.numpy()


@pytest.mark.parametrize("filter_name", ["ramp", "shepp-logan", "cosine", "hamming", "hann"])
def test_the_error_is_within_a_tenth_of_that_of_scikit_image(filter_name):
    from skimage.transform import iradon

    size = 255  # odd, so that both turn about the same point
    geometry = SliceGeometry(tuple(HALF_CIRCLE), (size, size), size)
    phantom = ellipse_phantom(size, size)
    truth = phantom.image(geometry)
    projections = counted(phantom.project(geometry), 1e4, seed=0)
    ours = reconstructed(Wbp(filter_name), geometry, projections)
    theirs = iradon(projections.T, -HALF_CIRCLE, size, filter_name=filter_name, circle=True)
    seen = np.hypot(*(np.mgrid[:size, :size] - size // 2)) < size // 2
    assert np.linalg.norm((ours - truth)[seen]) < 1.1 * np.linalg.norm((theirs - truth)[seen])


def test_values_come_back_in_their_unit():
    geometry = SliceGeometry(tuple(HALF_CIRCLE), (128, 128), 128)
    disc = EllipsePhantom((Ellipse(2.0, 0, 0, 40, 50),))
    ours = reconstructed(Wbp("hann"), geometry, disc.project(geometry))
    assert ours[44:84, 44:84].mean() == pytest.approx(2.0, abs=0.01)


def test_irregular_tilts_are_weighed_by_their_spacing():
    rng = np.random.default_rng(0)
    dense_on_one_side = np.concatenate([np.arange(-90, 0, 1.0), np.arange(0, 90, 5.0)]) + rng.uniform(-0.2, 0.2, 108)
    geometry = SliceGeometry(tuple(dense_on_one_side), (127, 127), 127)
    phantom = ellipse_phantom(127, 127)
    truth, projections = phantom.image(geometry), phantom.project(geometry)
    weights = angular_weights(dense_on_one_side, beyond=0.5)
    alike = projections * (weights.mean() / weights)[:, None].astype(np.float32)
    seen = np.hypot(*(np.mgrid[:127, :127] - 63)) < 63
    error, error_alike = (
        np.linalg.norm((reconstructed(Wbp(), geometry, p) - truth)[seen]) for p in (projections, alike)
    )
    assert error < 0.6 * error_alike


def test_the_ramp_is_that_of_kak_and_slaney():
    length = 1024
    k = np.fft.rfftfreq(length)
    assert np.abs(ramp(length) - k).max() < 1 / length  # |k|, but for what the finite kernel lacks
    assert ramp(length)[0] > 0  # the mean is not set to zero
    kernel = np.fft.irfft(ramp(length))
    assert kernel[:4] == pytest.approx([0.25, -1 / np.pi**2, 0, -1 / (9 * np.pi**2)], abs=1e-12)


def test_the_sirt_like_filter_does_what_that_many_iterations_do():
    geometry = SliceGeometry(tuple(np.linspace(-60, 60, 61)), (128, 128), 128)
    projections = counted(ellipse_phantom(128, 128).project(geometry), 1e4, seed=1)
    alike = {n: reconstructed(Wbp("sirt-like", iterations=n), geometry, projections) for n in (5, 30)}
    for n in (5, 30):
        sirt = reconstructed(Sirt(iterations=n), geometry, projections)
        difference = {m: np.linalg.norm(alike[m] - sirt) / np.linalg.norm(sirt) for m in alike}
        # The filter is exact for an endless slice; this one ends at the borders of the object.
        assert difference[n] < 0.3
        assert difference[n] == min(difference.values())


def test_the_arc_beyond_the_tilts_is_missing():
    assert missing_arcs(np.arange(-60, 61, 3)) == ((60.0, 120.0),)
    assert missing_share(np.arange(-60, 61, 3)) == pytest.approx(1 / 3)
    assert missing_arcs(np.arange(-90, 90, 3)) == ()
    assert missing_share(np.arange(-50, 61, 2)) == pytest.approx(70 / 180)


def test_excluded_tilts_leave_an_arc_when_they_are_many():
    angles = np.arange(-60, 61, 3.0)
    assert missing_arcs(angles[angles != 6]) == ((60.0, 120.0),)
    assert missing_arcs(angles[(angles < 3) | (angles > 15)]) == ((0.0, 18.0), (60.0, 120.0))
    assert missing_arcs([*angles, 85.0]) == ((60.0, 85.0), (85.0, 120.0))


def test_neither_repeated_tilts_nor_another_spacing_are_taken_for_missing():
    angles = np.arange(-60, 61, 3.0)
    assert missing_arcs(np.concatenate([angles, angles + 0.03])) == ((60.03, 120.0),)
    assert missing_arcs(np.concatenate([np.arange(-60, 0), np.arange(0, 61, 5)])) == ((60.0, 120.0),)


def test_weights_are_the_measured_part_of_the_half_circle():
    for angles in (
        np.arange(-60, 61, 3),
        [-60, -10, -10, 0, 0, 20, 60],
        [*range(-40, 1, 2)],
        [0, 90],
        np.arange(-90, 91, 2),
    ):
        measured = np.pi * (1 - missing_share(angles))
        assert angular_weights(angles).sum() == pytest.approx(measured)
    assert angular_weights([17.0]) == pytest.approx([np.pi])
    assert angular_weights([-90, -45, 0, 45, 90])[[0, 4]] == pytest.approx([np.pi / 8] * 2)  # one direction, twice


def test_a_filter_that_does_not_exist_is_refused():
    with pytest.raises(MendemError, match="filter is 'rampp'"):
        Wbp("rampp")
