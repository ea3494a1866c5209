"""Pictures to learn from: where they are from, how they travel, and how patches are cut out of them."""

import numpy as np
import pytest
import torch

from mendem.errors import MendemError
from mendem.training.batches import Batches, Pictures
from mendem.training.pack import held_out_pictures, read_pack, training_sources, write_pack
from mendem.training.pool import Source, block_mean, neighbour_means, planes, public_sources, standardise
from mendem.training.shapes import shapes
from mendem.training.validate import held_out


def noise(*shape, seed=0):
    return standardise(np.random.default_rng(seed).normal(size=shape))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_shapes_are_the_same_for_the_same_seed_and_standardised():
    a, b, c = shapes(1, 64), shapes(1, 64), shapes(2, 64)
    assert np.array_equal(a, b) and not np.array_equal(a, c)
    assert abs(a.mean()) < 1e-4 and abs(a.std() - 1) < 1e-3


def test_block_means_keep_the_mean():
    x = np.arange(64.0).reshape(4, 4, 4)
    assert block_mean(x).mean() == pytest.approx(x.mean()) and block_mean(x).shape == (2, 2, 2)


def test_means_of_neighbours_halve_the_variance_of_white_noise():
    means = neighbour_means(noise(17, 33, 33))
    assert len(means) == 4 + 8 + 8 and means[0].shape == (33, 33) and means[-1].shape == (17, 33)
    assert np.mean([m.var() for m in means]) == pytest.approx(0.5, abs=0.05)


def test_training_and_validation_pictures_are_disjoint(shared_data):
    training = {s.name: s.pictures for s in public_sources(shared_data / "train", "train")}
    validation = {s.name: s.pictures for s in public_sources(shared_data / "train", "validation")}
    assert set(validation) <= set(training)
    for name, pictures in validation.items():
        seen = {p.tobytes() for p in training[name]}
        assert pictures and not any(p.tobytes() in seen for p in pictures)


def test_unknown_targets_are_refused(tmp_path):
    with pytest.raises(MendemError, match="binned, raw, neighbours"):
        public_sources(tmp_path, targets="sharpened")


def test_every_crop_is_a_piece_of_a_picture():
    volume = np.arange(6 * 7 * 8, dtype=np.float32).reshape(6, 7, 8)  # exact in float16
    crops = Pictures([Source("volume", 1.0, [volume])], "cpu").crops(generator(), 60, 4)[:, 0].numpy()
    pieces = {
        s[y : y + 4, x : x + 4].tobytes()
        for s in map(np.ascontiguousarray, planes(volume))
        for y in range(s.shape[0] - 3)
        for x in range(s.shape[1] - 3)
    }
    assert all(np.ascontiguousarray(c).tobytes() in pieces for c in crops)
    steps = {(int(c[1, 0] - c[0, 0]), int(c[0, 1] - c[0, 0])) for c in crops}
    assert steps == {(8, 1), (56, 1), (56, 8)}, "sections of all three axes"


def test_thin_pictures_are_mirrored_beyond_their_edges():
    thin = np.arange(20, dtype=np.float32).reshape(2, 10)
    crops = Pictures([Source("thin", 1.0, [thin])], "cpu").crops(generator(), 8, 6)[:, 0].numpy()
    assert all(np.array_equal(c, np.pad(c[:2], ((0, 4), (0, 0)), mode="symmetric")) for c in crops)


def test_sources_are_drawn_by_their_shares_however_many_pictures_they_have():
    sources = [Source("zeros", 3.0, [np.zeros((8, 8), np.float32)]), Source("ones", 1.0, [np.ones((9, 9, 9), "f4")])]
    crops = Pictures([*sources, Source("none", 5.0, [])], "cpu").crops(generator(), 2000, 2)
    assert float(crops.mean()) == pytest.approx(0.25, abs=0.04)


def test_no_pictures_at_all_is_said():
    with pytest.raises(MendemError, match="no pictures"):
        Pictures([Source("none", 1.0, [])], "cpu")


def test_batches_are_finite_of_the_right_size_and_of_about_unit_variance():
    source = Source("smooth", 1.0, [standardise(block_mean(noise(400, 300, seed=s), 4)) for s in range(3)])
    batches = Batches([source], 24, 48, 0)
    drawn = torch.cat([batches.next() for _ in range(4)])
    assert drawn.shape == (96, 1, 48, 48) and bool(torch.isfinite(drawn).all())
    assert 0.5 < float(drawn.std()) < 1.6 and batches.next(5).shape[0] == 5
    texture = batches._texture(400).std((1, 2, 3))
    assert float((texture > 0).float().mean()) == pytest.approx(0.5, abs=0.1)
    assert float(texture.max()) < 0.5 and float(texture[texture > 0].mean()) == pytest.approx(0.165, abs=0.03)


def test_a_pack_gives_back_what_was_put_in(tmp_path):
    train = [Source("volume", 0.3, [noise(9, 20, 21)]), Source("none", 0.1, []), Source("flat", 0.2, [np.ones((8, 8))])]
    pack = tmp_path / "new" / "train.npz"
    write_pack(pack, train, [Source("binned", 0.0, [noise(32, 32)]), Source("raw", 0.0, [noise(16, 16), noise(8, 8)])])
    found, _ = read_pack(pack)
    assert [(s.name, s.share, len(s.arrays)) for s in found] == [("volume", 0.3, 1), ("none", 0.1, 0), ("flat", 0.2, 1)]
    there, here = found[0].arrays[0], train[0].arrays[0]
    middle = np.abs(here) < 2.5  # the outermost pixels are cut off
    assert there.dtype == np.float32 and np.abs(there - here)[middle].max() < 0.02
    assert np.sqrt(np.mean((there - here) ** 2)) < 0.02
    assert np.allclose(found[2].arrays[0], 1)
    assert [s.name for s in training_sources(pack, {})] == ["volume", "none", "flat"]
    assert len(held_out_pictures(pack)) == 1 and len(held_out_pictures(pack, "raw")) == 2
    assert [p.name for p in pack.parent.iterdir()] == ["train.npz"]


@pytest.mark.parametrize("content", [b"", b"not a pack", b"PK\x03\x04 cut"])
def test_what_is_no_pack_is_refused(tmp_path, content):
    path = tmp_path / "train.npz"
    path.write_bytes(content)
    with pytest.raises(MendemError, match="not a pack"):
        read_pack(path)
    np.savez(path, picture=np.zeros((4, 4)))
    with pytest.raises(MendemError, match="not a pack"):
        read_pack(path)


def test_held_out_pictures_are_spread_and_few():
    source = Source("many", 1.0, [np.full((64, 96), i, np.float32) for i in range(10)] + [np.zeros((10, 90), "f4")])
    chosen = held_out([source], side=32, each=5)
    assert len(chosen) == 5 and {p.shape for p in chosen} == {(32, 32)}
    assert [int(p[0, 0]) for p in chosen] == [0, 2, 5, 7, 9]
