"""The reference of the novelty guard: fitted at export, and anew for weights that exist."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mendem.appraisal.novelty import Reference
from mendem.priors import checkpoint
from mendem.priors.network import UNet
from mendem.priors.prior import Coverage
from mendem.training.familiar import SIDE, draw, fit, refit
from mendem.training.pool import Source
from mendem.training.shapes import shapes


@pytest.fixture(scope="module")
def network() -> UNet:
    torch.manual_seed(0)
    return UNet((8, 16), (1, 1), embedding=16).eval()


@pytest.fixture(scope="module")
def sources() -> list[Source]:
    pictures = [shapes(seed, 160) for seed in range(4)]
    steps = [np.sign(p) for p in pictures]
    return [Source("blobs", 0.5, pictures), Source("steps", 0.5, steps), Source("none", 0.5, [])]


def test_the_same_arguments_give_the_same_reference(network, sources):
    first, second = (fit(network, sources, each=10).facts() for _ in range(2))
    assert first == second
    assert len(first["centres"]) == 2, "a source without pictures is no kind"


def test_synthetic_shapes_make_nothing_familiar_where_there_are_micrographs(network, sources):
    shapes = Source("shapes", 0.5, sources[0].arrays)
    assert fit(network, [*sources, shapes], each=10).facts() == fit(network, sources, each=10).facts()
    assert len(fit(network, [shapes], each=10).centres) == 1, "where there is nothing else they count"


def test_pictures_that_were_left_out_set_the_unit(network, sources):
    reference = fit(network, sources, each=16)
    assert reference.units[0] > 1, "what was left out is further away than what was fitted"


def test_parts_are_drawn_within_a_picture_of_any_size():
    rng = np.random.default_rng(0)
    for shape in ((64, 300), (125, 125), (500, 500)):
        picture = rng.normal(size=shape).astype(np.float32)
        for _ in range(8):
            part = draw(picture, rng)
            assert max(part.shape) <= SIDE and min(part.shape) >= 32 and np.isfinite(part).all()


def test_existing_weights_get_a_reference_and_keep_everything_else(network, sources, tmp_path):
    old, new = tmp_path / "old.safetensors", tmp_path / "new.safetensors"
    checkpoint.save(network, Coverage((2.0, 40.0), ("SEM",), ("noise",)), old, {"note": "kept"})
    refit(old, sources, new, each=8)
    before, after = checkpoint.load(old), checkpoint.load(new)
    assert all(torch.equal(a, b) for a, b in zip(before[0].parameters(), after[0].parameters(), strict=True))
    assert Reference.from_facts(after[1].pop("familiar")) is not None
    assert after[1] == before[1] and after[1]["note"] == "kept"
