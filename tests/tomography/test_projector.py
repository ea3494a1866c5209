"""The projector of tilt series against exact line integrals, its own transpose, and geometry."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mendem.errors import MendemError
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.phantom import Ellipse, EllipsePhantom, counted, ellipse_phantom
from mendem.tomography.projector import Projector

GEOMETRIES = {
    "thin slab": SliceGeometry(tuple(np.linspace(-60, 60, 21)), (24, 150), 150),
    "all round": SliceGeometry(tuple(np.linspace(-180, 180, 31)), (61, 64), 64),
    "wider than the detector": SliceGeometry((-70, -45, -1, 0, 33, 45, 89, 90), (40, 200), 90),
    "narrower than the detector": SliceGeometry((-62.5, -3, 0, 14, 88), (50, 30), 150),
    "shifted": SliceGeometry((-50, 0, 20, 75), (33, 80), 77, (4.3, -2.6, 30.1, 0.5), 31.7, (10.2, 44.9)),
    "never seen": SliceGeometry((0, 90), (8, 9), 10, (400.0, -3.0)),
    "one pixel": SliceGeometry((-30, 0, 60), (1, 1), 3),
}


@pytest.mark.parametrize("name", GEOMETRIES)
def test_forward_and_adjoint_are_transposes(name):
    geometry = GEOMETRIES[name]
    operator = Projector(geometry)
    random = torch.Generator().manual_seed(0)
    x = torch.randn(2, *geometry.shape, generator=random)
    y = torch.randn(2, len(geometry.angles_deg), geometry.width, generator=random)
    forward, adjoint = operator.forward(x), operator.adjoint(y)
    difference = float((forward.double() * y).sum() - (x.double() * adjoint).sum())
    assert abs(difference) <= 1e-6 * max(float(forward.norm() * y.norm()), 1e-6)


def test_many_slices_give_what_each_alone_gives():
    geometry = GEOMETRIES["wider than the detector"]
    operator = Projector(geometry)
    x = torch.randn(5, *geometry.shape, generator=torch.Generator().manual_seed(1))
    y = operator.forward(x)
    torch.testing.assert_close(y[3], operator.forward(x[3]))
    torch.testing.assert_close(operator.adjoint(y)[2], operator.adjoint(y[2]))


@pytest.mark.parametrize("angles", [(-60, 60), (-90, 90)])
def test_projections_of_ellipses_are_their_line_integrals(angles):
    # The pixels of the phantom are means, which alone changes its projections by about this.
    geometry = SliceGeometry(tuple(np.linspace(*angles, 31)), (256, 256), 256)
    phantom = ellipse_phantom(256, 256)
    exact = phantom.project(geometry)
    ours = Projector(geometry).forward(torch.from_numpy(phantom.image(geometry))).numpy()
    error = np.sqrt(np.mean((ours - exact) ** 2, 1) / np.mean(exact**2, 1))
    assert error.max() < 0.004


def test_projections_are_nearer_to_the_truth_than_those_of_scikit_image():
    from skimage.transform import radon

    angles = np.linspace(-60, 60, 13)
    geometry = SliceGeometry(tuple(angles), (255, 255), 255)
    phantom = ellipse_phantom(255, 255)
    image = phantom.image(geometry)
    exact = phantom.project(geometry)
    ours = Projector(geometry).forward(torch.from_numpy(image)).numpy()
    theirs = radon(image, -angles, circle=True).T  # it turns the other way, about the same middle for odd sizes
    assert np.linalg.norm(theirs - ours) < 0.01 * np.linalg.norm(exact)
    assert np.linalg.norm(ours - exact) < np.linalg.norm(theirs - exact)


@pytest.mark.parametrize("angle", [0, 25, -44.9, 45, 45.1, -60, 70])
def test_a_slab_has_the_path_length_of_its_thickness_over_the_cosine(angle):
    geometry = SliceGeometry((angle,), (20, 301), 101)
    ours = Projector(geometry).forward(torch.ones(20, 301))[0]
    middle = ours[40:61]
    # Steep tilts add up columns, which are moved by eighths of a pixel: a 16th too much or too little at each face.
    assert middle.mean().item() == pytest.approx(20 / math.cos(math.radians(angle)), abs=0.125)
    if abs(angle) <= 45:
        torch.testing.assert_close(middle, torch.full((21,), 20 / math.cos(math.radians(angle))), rtol=1e-5, atol=0)


def test_nothing_is_lost_where_the_detector_sees_all():
    geometry = SliceGeometry(tuple(np.linspace(-90, 80, 18)), (40, 60), 100, detector_axis=51.3)
    x = torch.rand(40, 60, generator=torch.Generator().manual_seed(2))
    ours = Projector(geometry).forward(x).sum(1)
    torch.testing.assert_close(ours, x.sum().expand(18), rtol=1e-5, atol=0)


def test_a_pixel_is_seen_where_the_geometry_says():
    geometry = GEOMETRIES["shifted"]
    x = torch.zeros(geometry.shape)
    x[20, 40] = 1
    ours = Projector(geometry).forward(x)
    u = torch.arange(geometry.width)
    for tilt, profile in enumerate(ours):
        # Rows are shifted by eighths of a pixel: at most a 16th from where they should be.
        assert float((profile * u).sum() / profile.sum()) == pytest.approx(geometry.place(tilt, 20, 40), abs=0.0626)


def test_the_ends_of_a_ray_are_on_it_and_on_the_border_of_the_slice():
    geometry = GEOMETRIES["shifted"]
    for tilt in range(4):
        u = geometry.place(tilt, 12.0, 30.0)
        ends = geometry.ray(tilt, u)
        assert [geometry.place(tilt, *end) for end in ends] == pytest.approx([u, u])
        for z, x in ends:
            assert min(abs(z + 0.5), abs(z - 32.5), abs(x + 0.5), abs(x - 79.5)) < 1e-9
    assert geometry.ray(0, 1e4) is None


def test_a_widened_slice_has_pixels_for_every_ray_of_a_slab():
    geometry = SliceGeometry(tuple(np.linspace(-60, 60, 13)), (30, 100), 100)
    wide, inner = geometry.widened()
    assert inner.stop - inner.start == 100 and wide.place(3, 7.0, 11.0 + inner.start) == geometry.place(3, 7.0, 11.0)
    ours = Projector(wide).forward(torch.ones(wide.shape))
    lengths = 30 / torch.tensor(np.cos(np.radians(geometry.angles_deg)), dtype=torch.float32)
    torch.testing.assert_close(ours.mean(1), lengths, rtol=2e-3, atol=0)
    assert (ours.amin(1) > 0.98 * lengths).all()


def test_shot_noise_has_the_spread_of_the_dose():
    phantom = EllipsePhantom((Ellipse(1.0, 0, 0, 20, 20),))
    exact = phantom.project(SliceGeometry(tuple(np.linspace(-60, 60, 41)), (64, 64), 64))
    noise = counted(exact, 400.0, seed=0) - exact
    # One electron in 400 is 0.25 %, and the projection spans a tenth of the beam; the counts fall by up to a tenth.
    expected = exact.max() / 0.1 / math.sqrt(400)
    assert 0.93 * expected < noise.std() < 1.02 * expected
    assert abs(noise.mean()) < 4 * expected / math.sqrt(noise.size)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"angles_deg": ()}, "no angle is left"),
        ({"angles_deg": (0.0, math.nan)}, "not a finite number"),
        ({"shifts": (1.0,)}, "1 shifts for 2"),
        ({"width": 0}, "cannot be reconstructed"),
    ],
)
def test_a_geometry_that_cannot_be_is_refused(change, words):
    with pytest.raises(MendemError, match=words):
        SliceGeometry(**{"angles_deg": (0.0, 10.0), "shape": (4, 5), "width": 6, **change})


@pytest.mark.gpu
def test_a_gpu_projects_as_the_cpu_does():
    geometry = GEOMETRIES["wider than the detector"]
    x = torch.randn(3, *geometry.shape, generator=torch.Generator().manual_seed(3))
    here, there = Projector(geometry), Projector(geometry, "cuda")
    y = here.forward(x)
    torch.testing.assert_close(there.forward(x.cuda()).cpu(), y, rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(there.adjoint(y.cuda()).cpu(), here.adjoint(y), rtol=1e-3, atol=1e-2)
