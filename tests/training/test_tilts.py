"""What the tilt road learns from, and in which order."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mendem.cli import main
from mendem.errors import MendemError
from mendem.priors.checkpoint import load_network, read_facts
from mendem.priors.tilt_network import RESIDUAL, TiltNetwork
from mendem.tomography import tilt_road_volume
from mendem.tomography.tilt_road_frames import MEAN, MEASURED, MISSING, SAMPLE
from mendem.training import tilts_pool, tilts_spread
from mendem.training.recipe import check_recipe, load_recipe
from mendem.training.tilts_cells import isolated_cell
from mendem.training.tilts_pool import SLAB_LIMIT, draw_angles, draw_pool, draw_series, read_pool, write_pool
from mendem.training.tilts_spread import finish
from mendem.training.tilts_stream import Film, begin, film_loss

DATA = {"side": 32, "rows": 8, "cells": 0, "particles": 1, "shapes": 2, "slabs": 0}
RECIPE = {
    "tilts": {"widths": [4, 8], "blocks": [1, 1]},
    "data": DATA,
    "train": {"batch": 4, "rate": 1e-3, "ema": 0.9, "sampled": 0.5, "seed": 3},
}
WRITTEN = """
[tilts]
widths = [4, 8]
blocks = [1, 1]
[data]
side = 32
rows = 8
cells = 0
particles = 1
shapes = 1
slabs = 1
[train]
batch = 4
rate = 1e-3
ema = 0.9
sampled = 0.5
seed = 3
"""


@pytest.fixture(scope="module", autouse=True)
def few_steps():
    """Rougher volumes to start from: what is tested here does not depend on them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tilt_road_volume, "TV_STEPS", 6)
        patch.setattr(tilts_pool, "STEPS", 6)
        patch.setattr(tilt_road_volume, "SIRT_STEPS", 2)
        patch.setattr(tilts_spread, "EACH", 1)
        yield


@pytest.fixture(scope="module")
def pool():
    return draw_pool(DATA)


def test_a_cell_lies_where_every_tilt_sees_it_whole_and_nowhere_below_zero():
    values = isolated_cell(np.random.default_rng(1), 40, 2.7)
    place = np.arange(40) - 19.5
    outside = np.hypot(place[:, None], place)[:, None, :] >= 0.49 * 40
    assert values.min() == 0 and values.max() > 1
    assert not values[np.broadcast_to(outside, values.shape)].any()
    assert np.array_equal(values, isolated_cell(np.random.default_rng(1), 40, 2.7))


@pytest.mark.parametrize("alone", [True, False])
def test_limits_lie_between_40_and_75_degrees_and_the_rest_is_missing(alone):
    for seed in range(30):
        measured, missing = draw_angles(np.random.default_rng(seed), alone)
        assert 30 < measured[-1] < 76 and -76 < measured[0] < -30
        assert not set(measured) & set(missing)
        every = np.sort([*measured, *missing])
        assert np.diff(every).max() < 10
        if alone:  # all around, and each direction once
            assert every[0] + 180 - every[-1] > 0.5
        else:
            assert np.abs(every).max() <= SLAB_LIMIT + 2


def test_series_come_in_units_of_their_measured_tilts_with_reprojections_that_say_something(pool):
    assert len(pool) == 3
    for series in pool:
        count = len(series.measured)
        truth, base = series.truth.astype(np.float32), series.base.astype(np.float32)[count:]
        assert len(series.angles) == count + len(truth)
        assert 0.8 < series.measured.astype(np.float32).std() < 1.5
        if series.isolated:
            assert ((truth - base) ** 2).mean() < 0.5 * truth.var()


def test_a_pool_is_the_same_from_a_file(pool, tmp_path):
    write_pool(tmp_path / "pool.npz", pool)
    for a, b in zip(pool, read_pool(tmp_path / "pool.npz"), strict=True):
        assert a.angles == b.angles and a.isolated == b.isolated and a.noise == b.noise
        assert np.array_equal(a.measured, b.measured) and np.array_equal(a.smooth, b.smooth)
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(MendemError, match="no pack of tilt series"):
        read_pool(tmp_path / "other.npz")


def test_the_networks_own_answers_are_the_context_of_what_is_asked_next(pool):
    recipe = {**RECIPE, "train": {**RECIPE["train"], "sampled": 0.0}}
    film = Film(pool[:1], recipe, 0, "cpu")
    batch = film.next()
    found = torch.full_like(batch.asked.target, 0.5)
    before = [(e, i, e.frames.kinds[i]) for e, i, _ in batch.about]
    assert all(kind == MISSING for _, _, kind in before)
    batch.take(found)
    for episode, i, _ in batch.about:
        assert torch.allclose(episode.frames.images[i], episode.frames.base[i] + 0.5 * RESIDUAL)
        whole_group = not episode.waiting
        assert episode.frames.kinds[i] == (MEAN if whole_group else MISSING)


def test_where_samples_are_learned_the_truth_becomes_context(pool):
    recipe = {**RECIPE, "train": {**RECIPE["train"], "sampled": 1.0}}
    film = Film(pool[:1], recipe, 0, "cpu")
    for _ in range(6):
        batch = film.next()
        batch.take(torch.zeros_like(batch.asked.target))
    kinds = {kind for e in film.episodes for kind in e.frames.kinds}
    assert kinds <= {MEASURED, MISSING, SAMPLE} and SAMPLE in kinds
    episode, i, _ = batch.about[0]
    assert torch.equal(episode.frames.images[i], episode.truth[i])


def test_the_target_is_what_the_reprojection_lacks_in_the_orientation_of_the_question(pool):
    film = Film(pool, RECIPE, 1, "cpu")
    batch = film.next()
    for (episode, i, context), target in zip(batch.about, batch.asked.target, strict=True):
        wanted = (episode.truth[i] - episode.frames.base[i]) / RESIDUAL
        assert torch.allclose(target[0], wanted.flip(-1) if context.mirrored else wanted)
        assert torch.equal(context.maps[0], episode.frames.base[i].flip(-1 if context.mirrored else ()))


def test_mirroring_a_series_mirrors_its_angles(pool):
    seen = set()
    for seed in range(12):
        episode = begin(pool[0], np.random.default_rng(seed), 0.0)
        sign = np.sign(episode.frames.angles[0] * pool[0].angles[0])
        first = torch.from_numpy(pool[0].measured[0].astype(np.float32))
        image = episode.frames.images[0]
        image = image if sign > 0 else image.flip(-1)
        assert torch.equal(image, first) or torch.equal(image.flip(-2), first)
        seen.add(float(sign))
    assert seen == {-1.0, 1.0}


def test_learning_lowers_the_loss(pool):
    torch.manual_seed(0)
    network = TiltNetwork((8, 16), (1, 1))
    film = Film(pool[1:3], {**RECIPE, "train": {**RECIPE["train"], "sampled": 0.0, "batch": 8}}, 0, "cpu")
    optimiser = torch.optim.Adam(network.parameters(), 3e-3)
    values = []
    for _ in range(60):
        value = film_loss(network, film.next())
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        values.append(float(value.detach()))
    assert np.mean(values[-15:]) < 0.8 * np.mean(values[:5])


def test_the_spread_is_scaled_until_nine_of_ten_pixels_lie_within_their_interval():
    recipe = {**RECIPE, "data": {**DATA, "particles": 0}}
    network = TiltNetwork((4, 8), (1, 1)).eval()
    spread = finish(network, recipe, [], Path())["spread"]
    assert 0.01 < spread < 10
    with torch.no_grad():  # a network that says twice the spread needs half the factor
        network.body.leave.bias[4:] += 2 * np.log(2)
    assert finish(network, recipe, [], Path())["spread"] == pytest.approx(spread / 2, rel=0.01)


def test_a_training_in_legs_goes_on_from_a_pack_and_ends_with_the_spread(tmp_path, capsys):
    recipe, pack, run = tmp_path / "recipe.toml", tmp_path / "pool.npz", tmp_path / "run"
    recipe.write_text(WRITTEN)
    assert main(["train", str(recipe), "--data", str(tmp_path), "--pack", str(pack)]) == 0
    call = ["train", str(recipe), "--data", str(pack), "--run", str(run), "--minutes", "0.03", "--device", "cpu"]
    assert main([*call, "--leg", "0.01"]) == 0
    first = read_facts(run / "weights.safetensors")
    assert "spread" not in first
    assert main([*call, "--overwrite"]) == 0
    facts = read_facts(run / "weights.safetensors")
    assert facts["steps"] > first["steps"] and facts["spread"] > 0
    assert load_network(TiltNetwork, run / "weights.safetensors").config == facts["network"]


def test_the_shipped_recipe_is_right_and_wrong_ones_are_refused(root):
    recipe = load_recipe(root / "models" / "wedge-tilts" / "recipe.toml")
    assert recipe["data"]["cells"] > 0
    wrong = {**recipe, "data": {**recipe["data"], "side": 60}}
    with pytest.raises(MendemError, match="multiples of 8"):
        check_recipe(wrong, "recipe")
    none = {**recipe, "data": {**recipe["data"], **dict.fromkeys(("cells", "particles", "shapes", "slabs"), 0)}}
    with pytest.raises(MendemError, match="series must be wanted"):
        check_recipe(none, "recipe")


def test_the_same_seed_draws_the_same_series():
    one, two = (draw_series(np.random.default_rng(4), "shapes", 32, 16) for _ in range(2))
    assert one.angles == two.angles and np.array_equal(one.measured, two.measured)
