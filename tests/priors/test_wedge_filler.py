"""The network's filler of the missing wedge: what it answers must hold for any weights."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mendem.errors import Cancelled
from mendem.priors.calibration import Curve
from mendem.priors.wedge_filler import WedgeFiller, load_filler, save_filler
from mendem.priors.wedge_inputs import HALO, setting_of, tv_of, view_of
from mendem.priors.wedge_network import WedgeNetwork
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.phantom import Ellipse, EllipsePhantom
from mendem.tomography.projector import Projector

GEOMETRY = SliceGeometry(tuple(range(-54, 67, 8)), (44, 52), 52)
PHANTOM = EllipsePhantom((Ellipse(1.0, 2, -3, 12, 9), Ellipse(0.7, -9, 8, 5, 7, 20)))


def network(trained: bool = True) -> WedgeNetwork:
    """Random weights; untrained ones answer with total variation."""
    torch.manual_seed(0)
    made = WedgeNetwork((8, 16), (1, 1))
    if trained:
        for p in made.parameters():
            p.data += 0.05 * torch.randn_like(p)
    return made.eval().requires_grad_(False)


def series(rows: int) -> np.ndarray:
    """Sinograms (rows + 2 HALO, tilts, width) of rows that differ, with noise."""
    scale = 1 + 0.3 * np.arange(rows + 2 * HALO)[:, None, None]
    noise = np.random.default_rng(0).normal(0, 0.3, (rows + 2 * HALO, len(GEOMETRY.angles_deg), 52))
    return (scale * (PHANTOM.project(GEOMETRY)[None] + noise)).astype(np.float32)


def last(filler: WedgeFiller, sinograms: np.ndarray, geometry: SliceGeometry = GEOMETRY) -> tuple[np.ndarray, ...]:
    with torch.inference_mode():
        *_, answer = filler.fill(torch.from_numpy(sinograms), geometry)
    return answer.mean.numpy(), answer.std.numpy()


def test_a_network_that_has_learned_nothing_answers_with_total_variation() -> None:
    data = series(2)
    wide, inner = GEOMETRY.widened()
    mean, std = last(WedgeFiller(network(False), False).for_series(data, wide), data, wide)
    *_, tv = tv_of(setting_of(data, True)).iterates(Projector(wide), torch.from_numpy(data[HALO:-HALO]))
    with torch.inference_mode():
        answers = list(WedgeFiller(network(False), False).for_series(data, wide).fill(torch.from_numpy(data), wide))
    # The same arithmetic; the division by the gain and back rounds. Steps towards the projections follow.
    np.testing.assert_allclose(answers[-2].mean.numpy(), tv.numpy(), atol=1e-4)
    assert (std[..., inner] > 0).all()


def test_the_answer_for_a_slice_does_not_depend_on_how_the_volume_is_cut() -> None:
    data = series(4)
    filler = WedgeFiller(network(), True).for_series(data, GEOMETRY)
    together = last(filler, data)
    alone = [last(filler, data[i : i + 1 + 2 * HALO]) for i in range(4)]
    for whole, parts in zip(together, zip(*alone, strict=True), strict=True):
        # bfloat16 keeps 8 bits: batches of other sizes may round the last of them differently.
        np.testing.assert_allclose(whole, np.concatenate(parts), atol=0.02 * np.abs(whole).max())


def test_a_hundredfold_brighter_series_is_filled_a_hundredfold_brighter() -> None:
    data = series(2)
    filler = WedgeFiller(network(), True)
    dim, bright = (last(filler.for_series(k * data, GEOMETRY), np.float32(k) * data) for k in (1, 100))
    for a, b in zip(dim, bright, strict=True):
        np.testing.assert_allclose(100 * a, b, atol=0.02 * b.max())


def test_a_slice_turned_upside_down_with_its_tilts_is_filled_the_same() -> None:
    data = series(1)
    turned = SliceGeometry(tuple(-a for a in GEOMETRY.angles_deg), GEOMETRY.shape, GEOMETRY.width)
    filler = WedgeFiller(network(), True).for_series(data, GEOMETRY)
    mean, _ = last(filler, data)
    mirrored, _ = last(filler, data, turned)
    # Differences forward in total variation, and rays placed in eighths of a pixel, have a direction of their own.
    assert np.linalg.norm(mirrored[:, ::-1] - mean) < 0.05 * np.linalg.norm(mean)


def test_of_a_slab_nothing_is_said_about_the_spread_beyond_the_view() -> None:
    data = series(1)
    wide, inner = GEOMETRY.widened()
    mean, std = last(WedgeFiller(network(), False).for_series(data, wide), data, wide)
    assert mean.shape == std.shape == (1, *wide.shape) and view_of(wide) == inner
    assert np.isfinite(mean).all() and np.isfinite(std[..., inner]).all()
    assert np.isnan(std[..., : inner.start]).all() and np.isnan(std[..., inner.stop :]).all()


def test_the_answer_for_a_slab_and_what_lies_around_it_agree_with_the_projections_better_than_the_networks() -> None:
    data = series(2)
    wide, view = GEOMETRY.widened()
    projector, seen = Projector(wide), torch.from_numpy(data[HALO:-HALO])
    with torch.inference_mode():
        *_, before, after = WedgeFiller(network(), False).fill(torch.from_numpy(data), wide)
    off = [float((projector.forward(x.mean) - seen).norm()) for x in (before, after)]
    assert off[1] < 0.5 * off[0]
    alone = torch.zeros_like(after.mean)
    alone[..., view] = (after.mean - before.mean)[..., view]
    # Most of what is changed lies beyond the view.
    assert 0 < float(alone.norm()) < float((after.mean - before.mean).norm())


def times(factor: float) -> Curve:
    return Curve((0.0,), (math.log(factor),))


def test_intervals_are_widened_as_the_kind_of_specimen_wants() -> None:
    data = series(1)
    plain, wide = (last(WedgeFiller(network(), True, spread).for_series(data, GEOMETRY), data)[1]
                   for spread in (None, (times(1.5), times(9.0))))  # fmt: skip
    np.testing.assert_allclose(wide, 1.5 * plain, rtol=1e-5)


def test_an_empty_slice_is_filled_with_nothing() -> None:
    data = np.zeros((1 + 2 * HALO, len(GEOMETRY.angles_deg), 52), np.float32)
    mean, std = last(WedgeFiller(network(), True).for_series(series(2), GEOMETRY), data)
    assert np.abs(mean).max() < 1e-6 and np.isfinite(std).all()


def test_a_filler_can_be_kept_and_used_again(tmp_path) -> None:
    data = series(1)
    filler = WedgeFiller(network(), True, (times(1.25), times(1.5)), (0.75, 1.0))
    save_filler(filler, tmp_path / "own" / "wedge.safetensors", {"learned_from": "series"})
    again = load_filler(True, tmp_path / "own" / "wedge.safetensors")
    assert again.share == (0.75, 1.0) and again.name == "own"
    before, kept = (last(f.for_series(data, GEOMETRY), data) for f in (filler, again))
    for a, b in zip(before, kept, strict=True):
        # Weights are kept as float16: 11 bits, where the network computes with 8.
        np.testing.assert_allclose(b, a, atol=0.02 * a.max())


def test_it_stops_when_asked() -> None:
    def check() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        list(WedgeFiller(network(), True).fill(torch.from_numpy(series(1)), GEOMETRY, check))
