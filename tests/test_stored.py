"""Decisions as plain JSON and arrays: exactly what they were, and nothing but classes of mendem."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mendem.image import Image
from mendem.physics.noise import NoiseModel
from mendem.stored import Unstorable, restored, stored
from mendem.tasks.masking import masked


def round_trip(value, known=None):
    arrays: dict = {}
    plain = json.loads(json.dumps(stored(value, known or {}, arrays)))
    return restored(plain, known or {}, arrays)


@pytest.mark.parametrize(
    "value",
    [
        None, True, 3, 0.1 + 0.2, 5e-324, float("inf"), "text", (1, (2.5, None)), [1, [2]], {"a": 1, 2: (3,)},
        NoiseModel(0.1, 1 / 3, correlation=(0.1, 0.2), spectrum=((1.0, 2.0),)),
    ],
)  # fmt: skip
def test_what_is_stored_comes_back_exactly(value):
    back = round_trip(value)
    assert back == value and type(back) is type(value)


@pytest.mark.parametrize("value", [np.float32(0.1), np.int64(2**62), np.arange(6, dtype=">u2").reshape(2, 3)])
def test_arrays_and_their_scalars_keep_their_types(value):
    back = round_trip(value)
    assert np.array_equal(back, value) and back.dtype == value.dtype and type(back) is type(value)


def test_what_a_call_is_given_again_is_not_stored():
    pixels = np.random.default_rng(0).normal(size=(20, 30))
    mask = Image((pixels > 2).astype(np.uint8))
    image = Image(pixels)
    gapped, _ = masked(image, "none", mask)
    known = {"image": image, "image.data": image.data, "mask": mask}
    back = round_trip(gapped, known)
    assert back.data.data is image.data and back.data.gaps.mask is mask
    assert np.array_equal(back.read(0), gapped.read(0), equal_nan=True)
    arrays: dict = {}
    stored(gapped, known, arrays)
    assert not arrays


def test_a_proposed_mask_is_stored_too():
    pixels = np.random.default_rng(0).normal(100, 5, (90, 101))
    pixels[40:44, 20:60] = 255
    gapped, _ = masked(Image(pixels), "auto", None)
    assert np.isnan(gapped.read(0)[41, 30:50]).all()
    assert np.array_equal(round_trip(gapped).read(0), gapped.read(0), equal_nan=True)


@pytest.mark.parametrize("value", [lambda: 0, {1, 2}, np.array([object()]), NoiseModel, pytest], ids=str)
def test_what_cannot_be_stored_is_said(value):
    with pytest.raises(Unstorable):
        stored(value, {}, {})


@pytest.mark.parametrize(
    "where", ["subprocess:Popen", "mendem.stored:import_module", "mendem.stored:np", "mendem.nowhere:A"]
)
def test_a_file_of_a_stranger_makes_nothing_but_objects_of_mendem(where):
    with pytest.raises((ValueError, ImportError)):
        restored({"object": where, "state": {}}, {}, {})
