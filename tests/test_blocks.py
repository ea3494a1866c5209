"""Blocks: fixed by the shape alone, blended without a trace."""

import numpy as np
import pytest

from mendem.blocks import BLEND, BLOCK, Blender, blocks_of, cuts, weights

SHAPES = [(1, 1), (100, 1), (1024, 1025), (1500, 2600), (3000, 17)]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_weights_of_all_blocks_add_up_to_one(shape):
    total = np.zeros(shape, np.float32)
    for block in blocks_of(0, shape):
        total[slice(*block.rows), slice(*block.columns)] += weights(block, shape)
    assert np.allclose(total, 1, atol=1e-5)


@pytest.mark.parametrize("length", [1, 15, 1024, 1025, 2048, 2049, 16384, 99999])
def test_blocks_are_no_larger_than_allowed_and_cover_the_axis(length):
    edges = cuts(length)
    sizes = np.diff(edges)
    assert edges[0] == 0 and edges[-1] == length
    assert 0 < sizes.min() and sizes.max() <= BLOCK


@pytest.mark.parametrize("length", [1025, 2049, 3100, 5000, 99999])
def test_no_block_is_thinner_than_its_blended_margins(length):
    assert np.diff(cuts(length)).min() >= 2 * BLEND


@pytest.mark.parametrize("shape", SHAPES)
def test_blended_rows_arrive_once_in_order_and_unchanged(shape):
    picture = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    blender = Blender(shape, 1)
    rows, blocks = [], list(blocks_of(0, shape))
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        blender.add(block, picture[None, slice(*block.rows), slice(*block.columns)])
        first, done = blender.take(shape[0] if following is None else following.rows[0])
        assert first == sum(len(r) for r in rows)
        rows.append(done[0])
    assert np.allclose(np.concatenate(rows), picture, atol=1e-5)


def test_rows_that_no_block_reached_are_nan():
    shape = (2100, 30)
    blender = Blender(shape, 2)
    first = next(blocks_of(0, shape))
    blender.add(first, np.ones((2, first.rows[1], 30), np.float32))
    _, done = blender.take(shape[0])
    assert done.shape == (2, first.rows[1], 30) and np.allclose(done, 1)
