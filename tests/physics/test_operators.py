"""Forward operators: adjoints, proximal steps, and what they do to a picture."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from mendem.physics.block_mean import BlockMean
from mendem.physics.blur import STD_PER_FWHM, Blur
from mendem.physics.mask import Mask
from mendem.physics.operator import prox_by_cg
from mendem.physics.skipped_rows import SkippedRows

SHAPE = (48, 56)


def operators():
    kept = (torch.rand(SHAPE, generator=torch.Generator().manual_seed(3)) > 0.3).float()
    return {
        "identity": Mask(),
        "mask": Mask(kept),
        "blur": Blur.gaussian(SHAPE, 3.0),
        "slanted blur": slanted_blur(),
        "block": BlockMean((4, 2)),
        "rows": SkippedRows(4, SHAPE[0], offset=2),
    }


def slanted_blur():
    """A Gaussian with a shift, so that the transfer function is complex and differs between the diagonals."""
    fy, fx = torch.fft.fftfreq(SHAPE[0])[:, None], torch.fft.rfftfreq(SHAPE[1])[None, :]
    width = 4.0 * fy**2 + 2 * 1.5 * fy * fx + 2.0 * fx**2
    shift = torch.exp(-2j * torch.pi * (0.7 * fy + 0.3 * fx))
    return Blur(torch.exp(-2 * torch.pi**2 * width) * shift, (4.0, 1.5, 2.0))


@pytest.fixture(params=["identity", "mask", "blur", "slanted blur", "block", "rows"])
def operator(request):
    return operators()[request.param]


def noise(shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_the_adjoint_is_the_transpose(operator):
    x = noise((1, 1, *SHAPE), 1)
    ax = operator.forward(x)
    y = noise(ax.shape, 2)
    difference = (ax * y).sum() - (x * operator.adjoint(y)).sum()
    assert abs(float(difference)) < 1e-5 * float(ax.norm() * y.norm())


@pytest.mark.parametrize("even", [True, False])
def test_the_proximal_step_minimises_its_sum_of_squares(operator, even):
    x0 = noise((1, 1, *SHAPE), 1)
    y = noise(operator.forward(x0).shape, 2)
    precision = (
        torch.full_like(y, 4.0) if even else 1 + 5 * torch.rand(y.shape, generator=torch.Generator().manual_seed(5))
    )
    got = operator.prox(x0, y, precision, 0.3)
    want = prox_by_cg(operator, x0, y, precision, 0.3, steps=2000, tolerance=1e-8)
    assert float((got - want).norm() / want.norm()) < 1e-4


def test_the_blur_agrees_with_scipy():
    x = noise(SHAPE, 1).double()
    got = Blur.gaussian(SHAPE, 4.0).forward(x)
    want = gaussian_filter(x.numpy(), 4.0 * STD_PER_FWHM, mode="wrap", truncate=8)
    # SciPy samples the Gaussian, this one is exact in Fourier space: they differ by the aliasing of a narrow kernel.
    assert np.abs(got.numpy() - want).max() < 2e-4


def test_a_mask_lifts_unmeasured_pixels_as_unreliable():
    mask = operators()["mask"]
    y = noise((1, 1, *SHAPE), 1)
    _, reliability, _ = mask.lift(y, torch.ones_like(y), torch.ones_like(y))
    assert torch.equal(reliability[0, 0], mask.kept)
