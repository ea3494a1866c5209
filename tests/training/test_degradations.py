"""Random observations: what is noisy, hidden, averaged, skipped or blurred is so in the stated way, and told truly."""

import math

import numpy as np
import pytest
import torch

from mendem.priors.condition import Descriptor
from mendem.training.degrade import KINDS, DegradeOptions, degrade
from mendem.training.holes import holes, strokes
from mendem.training.noise_draws import NoiseOptions, draw_noise, noise_fields
from mendem.training.phantoms import crowd
from mendem.training.point_spread import STD, point_spread

NAMES = ("noise", "fill", "block", "skip", "blur", "nothing")
TOLD = {name: i for i, name in enumerate(Descriptor.__dataclass_fields__)}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def only(kind, **more):
    return DegradeOptions(**{name: float(name == kind) for name in NAMES}, **more)


def smooth(count, size=64):
    """Sums of a few slow waves, of unit variance."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:size, 0:size] / size
    waves = [sum(np.sin(2 * np.pi * (k @ (y.ravel(), x.ravel())) + p) for k, p in
                 zip(rng.uniform(-2, 2, (4, 2)), rng.uniform(0, 6, 4), strict=True)) for _ in range(count)]  # fmt: skip
    waves = np.reshape(waves, (count, 1, size, size))
    return torch.from_numpy(waves / waves.std((2, 3), keepdims=True)).float()


def test_the_noise_fields_have_unit_variance_and_the_stated_correlation():
    field, lag = noise_fields(generator(), 24, (128, 96), NoiseOptions())
    assert torch.allclose(field.var((1, 2, 3)), torch.ones(24), atol=0.15)  # correlated: few independent pixels
    measured = [(field * field.roll(1, axis)).mean((1, 2, 3)) / field.var((1, 2, 3)) for axis in (-2, -1)]
    assert torch.allclose(torch.stack(measured, 1), lag, atol=0.08)


def test_the_believed_noise_is_the_real_one_where_no_jitter_is_asked_for():
    draws = NoiseOptions(level=(0.5, 0.5), signal_dependent=0, level_jitter=0)
    target, condition = degrade(torch.zeros(16, 1, 96, 96), generator(), only("noise", hole=0, draws=draws))
    ratio = (condition.y - target).std((1, 2, 3)) / condition.noise_std.mean((1, 2, 3))
    assert torch.allclose(ratio, torch.ones(16), atol=0.25) and abs(float(ratio.mean()) - 1) < 0.06


@pytest.mark.parametrize("kind", NAMES)
def test_every_kind_gives_finite_maps_on_the_image_grid(kind):
    clean = torch.randn(6, 1, 64, 64, generator=generator(1))
    target, condition = degrade(clean, generator(), only(kind, hole=1.0))
    assert len(KINDS) == len(NAMES) and target.shape == clean.shape
    for tensor in (condition.y, condition.reliability, condition.noise_std):
        assert tensor.shape == clean.shape and bool(torch.isfinite(tensor).all())
    assert condition.descriptor.shape == (6, len(TOLD)) and bool(torch.isfinite(condition.descriptor).all())
    assert 0 <= float(condition.reliability.min()) and float(condition.reliability.max()) <= 1
    assert float(condition.noise_std.min()) > 0
    hidden = condition.reliability == 0
    assert float(condition.y[hidden].abs().max()) == 0 if bool(hidden.any()) else kind not in ("noise", "fill")


@pytest.mark.parametrize("kind", ["block", "skip", "blur"])
def test_little_noise_through_an_operator_leaves_a_smooth_picture_almost_alone(kind):
    options = only(kind, hole=0.0, less_noise=(0.01, 0.01))
    target, condition = degrade(smooth(8), generator(), options)
    error = (condition.y - target)[..., 16:-16, 16:-16].std()
    assert 0.005 < float(error) < 0.25


def test_the_descriptor_tells_the_operator():
    def told(kind, seed):
        _, condition = degrade(smooth(2, 32), generator(seed), only(kind))
        return condition.descriptor[0]

    blocks = [told("block", seed) for seed in range(12)]
    factors = {(float(b[TOLD["log2_block_y"]]), float(b[TOLD["log2_block_x"]])) for b in blocks}
    assert factors <= {pair for k in (1, 2, 3) for pair in ((k, k), (k, 0), (0, k))} and len(factors) > 2
    assert {float(b[TOLD["skipped"]]) for b in blocks} == {0.0}
    skips = [told("skip", seed) for seed in range(12)]
    assert {float(b[TOLD["skipped"]]) for b in skips} == {1.0}
    steps = [(float(b[TOLD["log2_block_y"]]), float(b[TOLD["log2_block_x"]])) for b in skips]
    assert {max(pair) for pair in steps} == {1.0, 2.0, 3.0} and {min(pair) for pair in steps} == {0.0}
    assert float(told("blur", 0)[TOLD["psf_xx"]]) > 0
    assert float(told("nothing", 0).abs().max()) == 0


def test_nothing_observed_is_nothing_told():
    _, condition = degrade(smooth(3), generator(), only("nothing"))
    assert float(condition.y.abs().max()) == 0 == float(condition.reliability.max())


@pytest.mark.parametrize("seed", range(4))
def test_what_was_not_skipped_is_trusted_most(seed):
    _, condition = degrade(smooth(4), generator(seed), only("skip"))
    rows, columns = (round(2 ** float(condition.descriptor[0, TOLD[f"log2_block_{axis}"]])) for axis in "yx")
    by_line = condition.reliability.mean((0, 1, 3 if rows > 1 else 2))
    measured = (by_line > 0.999).nonzero().flatten()
    assert len(measured) == 64 // max(rows, columns) and set(measured.diff().tolist()) == {max(rows, columns)}


def test_degradations_repeat_themselves_for_the_same_seed():
    clean = smooth(12)
    a, b = (degrade(clean, generator(5), DegradeOptions())[1] for _ in range(2))
    assert torch.equal(a.y, b.y) and torch.equal(a.descriptor, b.descriptor)


def test_holes_hide_some_of_every_picture_and_never_all():
    known = holes(generator(), 64, 96)
    shares = known.mean((1, 2, 3))
    assert set(known.unique().tolist()) == {0.0, 1.0}
    assert 0.5 < float(shares.mean()) < 0.97 and float(shares.max()) < 1 and float(shares.min()) > 0
    smaller = holes(generator(), 64, 96, largest=0.1)
    assert float(smaller.mean()) > float(known.mean()) + 0.05


def test_strokes_are_thin_and_mostly_in_one_piece():
    from scipy.ndimage import label

    drawn = strokes(generator(), 32, 96)[:, 0].numpy()
    pieces = [label(d, np.ones((3, 3)))[1] for d in drawn]
    assert 0.001 < drawn.mean() < 0.1 and np.median(pieces) == 1


@pytest.mark.parametrize("seed", range(12))
def test_point_spread_functions_keep_the_mean_and_tell_their_moments(seed):
    size = 96
    transfer, (yy, yx, xx) = point_spread(generator(seed), size)
    kernel = torch.fft.fftshift(torch.fft.irfft2(transfer, s=(size, size))).double()
    steps = torch.arange(size, dtype=torch.float64) - size // 2
    y, x = steps[:, None], steps[None, :]
    assert float(kernel.sum()) == pytest.approx(1, abs=1e-4)
    assert abs(float((kernel * y).sum())) < 0.01 and abs(float((kernel * x).sum())) < 0.01
    # Second moments from the curvature of the transfer function at frequency 0: ringing does not disturb them.
    full = torch.fft.fft2(torch.fft.ifftshift(kernel)).real
    f = 1 / size
    for moment, value in ((yy, full[1, 0]), (xx, full[0, 1])):
        assert -math.log(float(value)) / (2 * math.pi**2 * f**2) == pytest.approx(moment, rel=0.05, abs=0.02)
    slant = math.log(float(full[1, -1]) / float(full[1, 1])) / (8 * math.pi**2 * f**2)
    assert slant == pytest.approx(yx, rel=0.1, abs=0.02 * STD[1])
    assert yy * xx >= yx**2 - 1e-6


def test_crowds_of_projections_are_standardised_and_repeat_themselves():
    views = [np.ones((9, 9), np.float32), np.eye(14, dtype=np.float32)]
    a, b, c = crowd(views, 1, 96), crowd(views, 1, 96), crowd(views, 2, 96)
    assert a.shape == (96, 96) and a.dtype == np.float32
    assert np.array_equal(a, b) and not np.array_equal(a, c)
    assert abs(a.mean()) < 1e-3 and abs(a.std() - 1) < 1e-3


def test_projections_are_turned_views_of_each_density(shared_data, tmp_path, monkeypatch):
    from mendem.training import phantoms

    monkeypatch.setattr(phantoms, "VIEWS", 2)
    path = shared_data / "train" / "density_templates_polnet" / "1s3x_10A.mrc"
    (tmp_path / path.name).write_bytes(path.read_bytes())
    views = phantoms.projections(tmp_path)
    assert len(views) == 2 and not np.array_equal(*views)
    assert all(v.max() == pytest.approx(1) and v.min() >= -1e-6 for v in views)


def test_what_is_told_of_the_noise_does_not_give_fine_detail_away():
    clean = torch.randn((40, 1, 64, 64), generator=torch.Generator().manual_seed(0))
    drawn = draw_noise(clean, torch.Generator().manual_seed(1), NoiseOptions(level=(0.5, 0.5), signal_dependent=1.0))
    for told, signal in zip(drawn.believed.flatten(1) ** 2, clean.flatten(1), strict=True):
        assert abs(float(torch.corrcoef(torch.stack([told, signal]))[0, 1])) < 0.4
