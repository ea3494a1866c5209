"""What the network for the missing wedge learns from, what its errors cost, and a training of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mendem.errors import MendemError
from mendem.priors.wedge_inputs import CHANNELS, DESCRIPTOR, SLAB
from mendem.training.wedge_draws import SIDE, Draws, draw, scheme
from mendem.training.wedge_objective import wedge_errors
from mendem.training.wedge_spool import Spool, mirrored
from mendem.training.wedge_volumes import REACH, isolated, slab


@pytest.fixture(scope="module")
def draws() -> Draws:
    return draw(np.random.default_rng(1), [])


def energy_in(wedge: np.ndarray, slices: np.ndarray) -> float:
    return float((np.abs(np.fft.fft2(slices)) ** 2 * wedge).sum())


def test_a_draw_has_the_truth_in_the_units_of_what_the_network_reads(draws):
    n = len(draws.truth)
    assert draws.channels.shape == (n, CHANNELS, SIDE, SIDE) and draws.truth.shape == (n, SIDE, SIDE)
    assert draws.descriptor.shape == (n, DESCRIPTOR) and not draws.descriptor[0, SLAB]
    truth, tv = draws.truth.astype(np.float64), draws.channels[:, -1].astype(np.float64)
    # The slope of a fit through 0 is 1 where scales agree; the missing wedge makes it fall short.
    assert 0.7 < (truth * tv).sum() / (truth**2).sum() < 1.3


def test_back_projection_measures_hardly_anything_in_the_wedge_of_a_draw(draws):
    truth, wbp = draws.truth.astype(np.float64), draws.channels[:, 1].astype(np.float64)
    assert energy_in(draws.wedge, wbp) < 0.5 * energy_in(draws.wedge, truth)
    share = draws.descriptor[0, 1] * 60 / 180
    disc = np.hypot(*np.meshgrid(*(np.fft.fftfreq(SIDE),) * 2, indexing="ij")) <= 0.5
    # The grid of 96 frequencies a side counts the sector to a few per cent of it.
    assert draws.wedge[disc].mean() == pytest.approx(share, rel=0.1)


def test_the_same_seed_draws_the_same(draws):
    again = draw(np.random.default_rng(1), [])
    assert all(np.array_equal(a, b) for a, b in zip(vars(draws).values(), vars(again).values(), strict=True))


@pytest.mark.parametrize("z, y, x", [(True, False, False), (False, True, False), (False, False, True)])
def test_mirrored_twice_a_draw_is_itself_and_its_wedge_goes_with_it(draws, z, y, x):
    channels, descriptor, truth, wedge = mirrored(draws, 0, z, y, x)
    back = mirrored(Draws(channels[None], descriptor[None], truth, wedge[0]), 0, z, y, x)
    assert np.array_equal(back[0], draws.channels[0]) and np.array_equal(back[3][0], draws.wedge)
    assert energy_in(wedge[0], truth[0]) == pytest.approx(
        energy_in(draws.wedge, draws.truth[0].astype(float)), rel=1e-4
    )
    assert descriptor[0] == (-1 if z != x else 1) * draws.descriptor[0, 0]


def test_an_isolated_object_lies_where_every_tilt_sees_it_whole_and_is_nowhere_negative():
    place = np.arange(64) - 31.5
    away = np.sqrt(place[:, None, None] ** 2 + place[None, :, None] ** 2 + place**2)
    for seed in range(12):
        values = isolated(np.random.default_rng(seed), 64, [])
        assert values.min() >= 0 and values.shape == (64,) * 3
        outside = values[away > REACH * 64 + 4]
        assert outside.max(initial=0) < 0.05 * max(values.max(), 1e-6), seed


def test_slabs_have_the_shape_that_is_asked_for_and_finite_values():
    tissue = np.random.default_rng(0).standard_normal((50, 60, 70)).astype(np.float32)
    for seed in range(6):
        values = slab(np.random.default_rng(seed), (40, 34, 48), [tissue])
        assert values.shape == (40, 34, 48) and np.isfinite(values).all() and values.std() > 0


def test_schemes_stay_within_the_limits_and_state_an_angle_for_every_tilt():
    for seed in range(30):
        plan = scheme(np.random.default_rng(seed), extended=bool(seed % 2))
        assert len(plan.stated) == len(plan.true) == len(plan.shifts) >= 12
        assert max(plan.stated) < 80 and min(plan.stated) > -80 and max(plan.stated) > 35


def test_the_error_in_the_wedge_is_1_for_an_empty_answer_0_for_the_truth_and_blind_outside():
    truth = torch.randn(2, 32, 32, generator=torch.Generator().manual_seed(0))
    wedge = torch.zeros(2, 32, 32, dtype=torch.bool)
    wedge[:, 3:9, :4] = True
    assert all(torch.allclose(e, torch.zeros(2)) for e in wedge_errors(0 * truth, truth, wedge))
    plain, whitened = wedge_errors(truth, truth, wedge)
    assert torch.allclose(plain, torch.ones(2), atol=1e-5) and (whitened <= 1).all()
    elsewhere = torch.fft.ifft2(torch.fft.fft2(truth) * ~(wedge | wedge.flip(1, 2).roll((1, 1), (1, 2)))).real
    assert wedge_errors(elsewhere, truth, wedge)[0].max() < 1e-6


def test_a_spool_without_draws_and_without_workers_says_so(tmp_path):
    with pytest.raises(MendemError, match="workers"):
        Spool(tmp_path / "draws", [], 8, 0, 4, 0, "cpu")


def test_a_training_reads_its_spool_and_its_weights_fill_wedges(draws, tmp_path):
    from mendem.priors.wedge_filler import load_filler
    from mendem.training.export import export
    from mendem.training.recipe import check_recipe
    from mendem.training.train import train

    recipe = {
        "wedge": {"widths": [8, 16], "blocks": [1, 1]},
        "data": {"files": 8, "workers": 0},
        "train": {"batch": 4, "rate": 1e-3, "ema": 0.9, "seed": 0},
    }
    check_recipe(recipe, "recipe")
    (tmp_path / "draws").mkdir()
    for i in range(8):
        draws.save(tmp_path / "draws" / f"{i}.npz")
    ticks = iter(range(1000))
    assert train(recipe, [], tmp_path, 3 / 60, clock=lambda: float(next(ticks))).step == 3
    export(recipe, tmp_path, tmp_path / "wedge.safetensors")
    filler = load_filler(True, tmp_path / "wedge.safetensors")
    assert filler.spread is None and sum(p.numel() for p in filler.network.parameters()) > 1000
