"""What a missing tilt is asked with."""

import math

import numpy as np
import pytest
import torch

from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.projector import Projector
from mendem.tomography.tilt_road_frames import MAPS, MEAN, MEASURED, MISSING, NUMBERS, Frames, mirrored_back, stretched
from mendem.tomography.tilt_road_volume import reproject


def frames(angles, kinds, isolated=True):
    generator = torch.Generator().manual_seed(0)
    images, base, smooth = torch.randn(3, len(angles), 4, 6, generator=generator)
    return Frames(tuple(angles), images, base, smooth, list(kinds), isolated, 0.1)


def test_a_context_has_the_promised_maps_and_numbers_and_the_neighbours_in_order():
    some = frames([0, 30, 60, 70], [MEASURED, MEASURED, MEAN, MISSING], isolated=False)
    context = some.context(3)
    assert context.maps.shape == (MAPS, 4, 6)
    assert context.numbers.shape == (NUMBERS,)
    assert torch.equal(context.maps[0], some.base[3])
    stretch = math.cos(math.radians(70)) / math.cos(math.radians(60))
    assert torch.allclose(context.maps[3], stretched(some.images[2:3], stretch)[0])
    near = context.numbers[6:10].tolist()
    assert near == pytest.approx([1, 10 / 45, 1, 0])
    assert context.numbers[14:].abs().sum() == 0  # nothing lies above


def test_a_mirrored_specimen_puts_the_mirrored_question():
    angles, kinds = [-60, 0, 57, 72], [MEASURED] * 3 + [MISSING]
    one = frames(angles, kinds)
    other = Frames(
        tuple(-a for a in angles), one.images.flip(-1), one.base.flip(-1), one.smooth.flip(-1), kinds, True, 0.1
    )
    a, b = one.context(3), other.context(3)
    assert a.mirrored != b.mirrored
    assert torch.allclose(a.maps, b.maps)
    assert torch.allclose(a.numbers, b.numbers)
    assert torch.equal(mirrored_back(a.maps[0], a), one.base[3])
    assert torch.equal(mirrored_back(b.maps[0], b), other.base[3])


def test_the_neighbour_beyond_ninety_degrees_shows_what_the_projector_sees_there():
    """The mirror of the tilt at -88° is that of 92°: the reprojection there, not an image of something else."""
    volume = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(1))
    angles = (-88.0, 88.0, 0.0)
    seen = Projector(SliceGeometry((*angles, 92.0), (16, 16), 16)).forward(volume).transpose(0, 1)
    some = Frames(angles, seen[:3], seen[:3], seen[:3], [MEASURED, MISSING, MEASURED], True, 0.1)
    context = some.context(1)
    assert context.mirrored  # 4° above is nearer than 88° below
    assert torch.allclose(mirrored_back(context.maps[3], context), seen[3], atol=1e-4)


def test_a_thin_slab_stretches_by_the_ratio_of_the_cosines():
    width = 41
    place = torch.arange(width) - (width - 1) / 2
    image = torch.exp(-0.5 * ((place - 8) / 2) ** 2)[None, None]
    factor = math.cos(math.radians(60)) / math.cos(math.radians(0))
    peak = float(place[stretched(image, factor)[0, 0].argmax()])
    assert peak == pytest.approx(8 * factor, abs=0.5)


def test_the_reprojection_explains_the_measured_tilts_and_knows_the_missing_ones_roughly():
    z, x = np.mgrid[:32, :32] - 15.5
    disc = ((z**2 / 100 + x**2 / 36) < 1).astype(np.float32)
    every = tuple(range(-90, 90, 6))
    slices = torch.from_numpy(np.repeat(disc[None], 4, 0))
    seen = Projector(SliceGeometry(every, (32, 32), 32)).forward(slices).transpose(0, 1).numpy()
    kept = [i for i, angle in enumerate(every) if abs(angle) <= 60]
    found = reproject(seen[kept], [every[i] for i in kept], every, isolated=True)
    errors = np.abs(found.base - seen).mean((1, 2)) / seen.mean()
    assert errors[kept].max() < 0.05
    assert errors.max() < 0.15
    assert np.abs(found.smooth - seen).mean() / seen.mean() < 0.3
