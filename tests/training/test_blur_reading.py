"""Training of the networks that read the blur: what they are shown, and that they learn it with an honest error."""

import numpy as np
import pytest
import torch

from mendem.priors.blur_features import COUNT, WINDOW
from mendem.priors.blur_network import BlurNetwork
from mendem.training import blur_reading
from mendem.training.blur_reading import MARGIN, draw, judged, learn, windows
from mendem.training.noise_draws import NoiseOptions
from mendem.training.pool import Source


def white(seed):
    return Source(f"white {seed}", 1.0, [np.random.default_rng(seed).normal(size=(300, 300)).astype(np.float32)])


def test_windows_are_blurred_by_the_width_that_is_told(monkeypatch):
    monkeypatch.setattr(blur_reading, "NOISE", NoiseOptions((1e-6, 1e-6), 0.0, (0.3, 0.3), 0.0, 0.0))
    monkeypatch.setattr(blur_reading, "OWN", 0.0)
    side = WINDOW + 2 * MARGIN
    clean = torch.randn((24, 1, side, side), generator=torch.Generator().manual_seed(0))
    seen, fwhm = windows(clean, torch.Generator().manual_seed(1))
    assert seen.shape == (24, WINDOW, WINDOW) and bool((fwhm >= 0).all()) and 0.5 <= float(fwhm.max()) <= 10.5
    # white noise through a Gaussian of s pixels has the variance 1 / (4 pi s²), for s of a pixel and more
    wide = fwhm > 3
    told = 1 / (4 * torch.pi * (fwhm[wide] / 2.3548) ** 2)
    assert torch.allclose(seen[wide].var((1, 2)), told, rtol=0.35)
    assert float((seen[wide].var((1, 2)) / told).mean()) == pytest.approx(1, abs=0.1)


def test_drawn_windows_name_their_source():
    seen, fwhm, source = draw([white(0), white(1)], 32, 0, (0.9, 1.1))
    assert seen.shape == (32, COUNT) and fwhm.shape == (32,) and set(source.tolist()) <= {0, 1}
    assert bool(torch.isfinite(seen).all())


def test_a_network_learns_the_width_and_what_it_does_not_know():
    generator = torch.Generator().manual_seed(0)
    fwhm = torch.rand(2400, generator=generator) * 10
    seen = torch.randn((2400, COUNT), generator=generator)
    doubt = 0.3 * torch.randn((2400, 1), generator=generator)  # what no feature can resolve
    seen[:, :32] = (1 + fwhm).log()[:, None] + doubt + 0.1 * seen[:, :32]
    network = learn(BlurNetwork(members=2, hidden=32), seen[:2000], fwhm[:2000], 1)
    found = judged(network, seen[2000:], fwhm[2000:])
    assert 0.15 < found["rms"] < 0.6
    assert found["over said"] == pytest.approx(1, abs=0.3)  # 400 steps; 0.05 is chance
