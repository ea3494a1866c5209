"""Slices one at a time and volumes in blocks are the same, and what a live view needs of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mendem.errors import Cancelled, MendemError
from mendem.io import open_writer, read
from mendem.tomography import slices
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.phantom import ellipse_phantom
from mendem.tomography.projector import Projector
from mendem.tomography.sirt import Sirt
from mendem.tomography.slices import Reconstruction, Rows
from mendem.tomography.tv import Tv
from mendem.tomography.wbp import Wbp

TILTS = tuple(np.linspace(-60, 60, 13))
GEOMETRY = SliceGeometry(TILTS, (20, 40), 40)


@pytest.fixture
def stack():
    """(tilt, y, x): an object that grows along y, with noise."""
    phantom = ellipse_phantom(20, 40).project(GEOMETRY)
    grown = np.linspace(0.5, 1.5, 11)[None, :, None] * phantom[:, None, :]
    return (grown + np.random.default_rng(0).normal(size=grown.shape)).astype(np.float32)


@pytest.mark.parametrize("method", [Wbp(), Sirt(4), Tv(iterations=12)])
def test_blocks_of_any_size_are_the_slices_one_by_one(stack, method, monkeypatch):
    whole = Reconstruction(Rows(stack), GEOMETRY, method, "cpu")
    alone = np.stack([whole.slice(row) for row in range(11)], 1)
    scale = np.abs(alone).max()
    for rows in (1, 3, 100):
        monkeypatch.setattr(slices, "BLOCK_BYTES", rows * 20 * 40 * 4)
        found = [(first, block.copy()) for first, block in whole.blocks()]
        assert [first for first, _ in found] == list(range(0, 11, rows))
        np.testing.assert_allclose(np.concatenate([block for _, block in found], 1), alone, atol=1e-5 * scale)


def test_blocks_begin_where_chunks_begin(stack, monkeypatch):
    monkeypatch.setattr(slices, "BLOCK_BYTES", 7 * 20 * 40 * 4)
    whole = Reconstruction(Rows(stack), GEOMETRY, Wbp(), "cpu")
    assert [(first, block.shape[1]) for first, block in whole.blocks(multiple=4)] == [(0, 4), (4, 4), (8, 3)]
    assert [(first, block.shape[1]) for first, block in whole.blocks(4, first=2, last=6)] == [(2, 2), (4, 2)]


def test_a_volume_goes_from_file_to_file(tmp_path, stack):
    with open_writer(tmp_path / "series.mrc", stack.shape, stack.dtype, ("tilt", "y", "x")) as writer:
        writer.put_box(0, 0, 0, stack)
    rows = Rows(read(tmp_path / "series.mrc").data)
    whole = Reconstruction(rows, GEOMETRY, Sirt(3), "cpu")
    with open_writer(tmp_path / "tomogram.mrc", (20, 11, 40), np.dtype(np.float32), ("z", "y", "x")) as writer:
        for first, block in whole.blocks():
            writer.put_box(0, first, 0, block)
    written = np.asarray(read(tmp_path / "tomogram.mrc").data)
    np.testing.assert_allclose(written[:, 7], whole.slice(7), atol=1e-5)


def test_excluded_tilts_are_not_read(stack):
    kept = tuple(i for i in range(13) if i not in (2, 12))
    spoilt = stack.copy()
    spoilt[[2, 12]] = np.nan
    geometry = SliceGeometry(tuple(TILTS[i] for i in kept), (20, 40), 40)
    found = Reconstruction(Rows(spoilt, kept), geometry, Wbp(), "cpu").slice(3)
    np.testing.assert_array_equal(found, Reconstruction(Rows(stack[list(kept)]), geometry, Wbp(), "cpu").slice(3))


def test_every_iterate_is_a_preview_that_stays_as_it_was(stack):
    whole = Reconstruction(Rows(stack), GEOMETRY, Sirt(5), "cpu")
    previews = list(whole.iterates(4))
    assert len(previews) == 5
    np.testing.assert_allclose(previews[1], whole.with_method(Sirt(2)).slice(4), atol=1e-6)
    np.testing.assert_array_equal(previews[-1], whole.slice(4))


@pytest.mark.parametrize("method", [Sirt(30), Tv(smooth_px=0.5, noise=0.1, positive=False)])
def test_a_slab_that_goes_on_beyond_the_view_does_not_pile_up_in_it(method):
    geometry = SliceGeometry(TILTS, (24, 80), 80)
    wide, inner = geometry.widened()
    slab = 1 + 0.3 * torch.rand(6, wide.shape[1] // 4 + 1, generator=torch.Generator().manual_seed(0))
    slab = slab.repeat_interleave(4, 0).repeat_interleave(4, 1)[:, : wide.shape[1]]
    rows = Rows(Projector(wide).forward(slab).numpy()[:, None])
    truth = slab[:, inner].numpy()
    with_it, without = (Reconstruction(rows, geometry, method, "cpu", s).slice(0) for s in (True, False))
    assert np.abs(with_it.mean(0) - truth.mean(0)).max() < 0.1
    assert np.abs(without.mean(0) - truth.mean(0)).max() > 0.3


def test_the_noise_is_that_of_the_whole_series(stack):
    # A slice whose own noise is ten times as high is smoothed like all others.
    loud = stack.copy()
    loud[:, 5] += np.random.default_rng(1).normal(size=loud[:, 5].shape).astype(np.float32) * 10
    quiet, disturbed = (Reconstruction(Rows(s), GEOMETRY, Tv(iterations=20), "cpu") for s in (stack, loud))
    np.testing.assert_allclose(disturbed.slice(2), quiet.slice(2), atol=0.05)


def test_reconstruction_is_cancelled_between_iterations(stack):
    calls = []

    def check():
        calls.append(1)
        if len(calls) > 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        list(Reconstruction(Rows(stack), GEOMETRY, Sirt(100), "cpu").blocks(check=check))
    assert len(calls) == 4


def test_what_does_not_fit_together_is_told(stack):
    with pytest.raises(MendemError, match="13 tilts of 40 pixels"):
        Reconstruction(Rows(stack), SliceGeometry(TILTS[:12], (20, 40), 40), Wbp(), "cpu").slice(0)
    with pytest.raises(MendemError, match="no slice 11"):
        Reconstruction(Rows(stack), GEOMETRY, Wbp(), "cpu").slice(11)
    stack[4, 6, 7] = np.inf
    with pytest.raises(MendemError, match="tilt 4 has pixels that are not finite"):
        list(Reconstruction(Rows(stack), GEOMETRY, Wbp(), "cpu").blocks())
