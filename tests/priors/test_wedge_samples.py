"""Samples of the missing wedge: what must hold for any weights."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mendem.errors import MendemError
from mendem.priors.checkpoint import write
from mendem.priors.wedge_filler import WedgeFiller
from mendem.priors.wedge_inputs import HALO
from mendem.priors.wedge_network import WedgeNetwork
from mendem.priors.wedge_residual import ResidualNetwork, noise, projector_of, shaped, white_rows
from mendem.priors.wedge_samples import SampledFiller, Sampler, load_sampler
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.phantom import Ellipse, EllipsePhantom
from mendem.tomography.projector import Projector
from mendem.tomography.wedge import wedge_mask

GEOMETRY = SliceGeometry(tuple(range(-54, 67, 8)), (44, 52), 52)
PHANTOM = EllipsePhantom((Ellipse(1.0, 2, -3, 12, 9), Ellipse(0.7, -9, 8, 5, 7, 20)))
WEDGE = np.fft.ifftshift(wedge_mask(GEOMETRY.angles_deg, GEOMETRY.shape))


def randomised(kind: type) -> torch.nn.Module:
    torch.manual_seed(0)
    network = kind((8, 16), (1, 1))
    for p in network.parameters():
        p.data += 0.05 * torch.randn_like(p)
    return network.eval().requires_grad_(False)


def sampler(seed: int = 0) -> Sampler:
    return Sampler(randomised(ResidualNetwork), seed)


def series(rows: int) -> torch.Tensor:
    """Sinograms (rows + 2 HALO, tilts, width), with noise."""
    off = np.random.default_rng(0).normal(0, 0.3, (rows + 2 * HALO, len(GEOMETRY.angles_deg), 52))
    return torch.from_numpy((PHANTOM.project(GEOMETRY)[None] + off).astype(np.float32))


def filler(isolated: bool = True) -> WedgeFiller:
    """With a deviation near that of the noise."""
    network = randomised(WedgeNetwork)
    return WedgeFiller(network, isolated).for_series(series(2).numpy(), GEOMETRY)


def drawn(seed: int = 0, first: int = 0, data: torch.Tensor | None = None, isolated: bool = True):
    """The mean and the sample of the same run, (n, Z, X)."""
    geometry = GEOMETRY if isolated else GEOMETRY.widened()[0]
    fill = SampledFiller(filler(isolated), sampler(seed), first).fill
    with torch.inference_mode():
        *_, mean, sample = (a.mean for a in fill(series(2) if data is None else data, geometry))
    return mean.numpy(), sample.numpy()


def test_the_same_seed_draws_the_same_and_another_seed_another():
    mean, sample = drawn(3)
    assert np.array_equal(drawn(3)[1], sample)
    apart = np.linalg.norm(drawn(4)[1] - sample)
    # Two independent samples lie √2 times as far from each other as from their mean.
    assert 0.7 < apart / (np.sqrt(2) * np.linalg.norm(sample - mean)) < 1.4


def test_a_sample_differs_from_the_mean_in_the_missing_wedge_alone():
    mean, sample = drawn()
    energy = np.abs(np.fft.fft2(sample - mean)) ** 2
    assert energy[:, WEDGE].sum() > 0
    # What is left outside is rounding of float32.
    assert energy[:, ~WEDGE].sum() < 1e-6 * energy.sum()


def test_a_sample_of_a_slab_agrees_with_its_projections_as_the_mean_does():
    mean, sample = drawn(isolated=False)
    wide, inner = GEOMETRY.widened()
    added = sample - mean
    energy = np.abs(np.fft.fft2(added[..., inner])) ** 2
    assert energy[:, ~WEDGE].sum() < 1e-6 * energy.sum()
    # Beyond the view it goes on with the period of the view, as the transform takes it to.
    before, last = added[..., inner.start - 9 : inner.start], added[..., inner.stop - 9 : inner.stop]
    np.testing.assert_allclose(before, last, atol=1e-5 * np.abs(mean).max())
    # Tilts see little of it: a third of what they would of as large a field of all frequencies, or less.
    seen, mean_seen = (Projector(wide).forward(torch.from_numpy(x)).norm() for x in (added, mean))
    assert seen / np.linalg.norm(added) < 0.33 * mean_seen / np.linalg.norm(mean)


def test_a_sample_has_more_power_in_the_wedge_than_the_mean():
    mean, sample = ((np.abs(np.fft.fft2(x)) ** 2)[:, WEDGE].sum() for x in drawn())
    assert sample > 1.05 * mean


def test_what_is_drawn_does_not_depend_on_how_the_volume_is_cut():
    data = series(4)
    whole = drawn(first=7, data=data)[1]
    alone = [drawn(first=7 + i, data=data[i : i + 1 + 2 * HALO])[1] for i in range(4)]
    # bfloat16 keeps 8 bits: batches of other sizes may round the last of them differently.
    np.testing.assert_allclose(whole, np.concatenate(alone), atol=0.02 * np.abs(whole).max())


def test_noise_has_unit_variance_and_is_alike_in_neighbouring_rows():
    rows = white_rows(1, range(40, 48), (64, 64), slab=True)
    assert torch.equal(white_rows(1, range(44, 46), (64, 64), slab=True), rows[4:6])
    assert rows.square().mean() == pytest.approx(1, abs=0.05)
    wedge = torch.from_numpy(np.fft.ifftshift(wedge_mask(GEOMETRY.angles_deg, (64, 64))))[None, None]
    n = shaped(rows, projector_of(wedge))
    # Few coarse waves carry most of it, so that the variance of single slices differs.
    assert n.square().mean() == pytest.approx(1, abs=0.3)
    near, far = ((n[:-lag] * n[lag:]).mean() / n.square().mean() for lag in (1, 7))
    assert near > 0.6 and abs(far) < 0.4


def test_where_the_mean_is_sure_nothing_is_drawn():
    std = torch.full((1, 1, 64, 64), 1e-6)
    std[..., 20:44, 20:44] = 1.0
    wedge = torch.from_numpy(np.fft.ifftshift(wedge_mask(GEOMETRY.angles_deg, (64, 64))))[None, None]
    power = noise(torch.randn(1, 1, 64, 64, generator=torch.Generator().manual_seed(0)), std, projector_of(wedge))
    power = power.square()[0, 0]
    # The projection to the wedge draws what is cut off to a box out again, along z and little.
    assert power[20:44, 20:44].mean() > 20 * power[:, :8].mean()


def test_weights_are_read_with_their_name_and_those_that_are_missing_are_told(tmp_path):
    path = tmp_path / "wedge-samples" / "samples.safetensors"
    with pytest.raises(MendemError, match="not installed"):
        load_sampler(0, path)
    write(sampler().network, path, {})
    found = load_sampler(5, path)
    assert found.record["weights"] == "wedge-samples" and found.record["seed"] == 5 and len(found.sha256) == 64
