"""What is said beyond PSNR: finest detail, and how real a filled hole looks."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from benchmarks.task_detail import (
    FILLINGS,
    LARGE_HOLE,
    aims,
    detail,
    fillings,
    finest,
    frc_table,
    hole_table,
    spectrum_off,
)
from benchmarks.task_kinds import Measured

RNG = np.random.default_rng(0)
WHITE = 128 + 20 * RNG.standard_normal((192, 192))


def low_passed(x, cut):
    f = np.hypot(np.fft.fftfreq(x.shape[0])[:, None], np.fft.rfftfreq(x.shape[1]))
    return np.fft.irfft2(np.fft.rfft2(x) * (f < cut), s=x.shape)


@pytest.mark.parametrize("cut", [0.1, 0.25])
def test_the_finest_detail_is_where_the_truth_ends(cut):
    noise = RNG.standard_normal(WHITE.shape)
    assert finest(low_passed(WHITE, cut) + noise - low_passed(noise, cut), WHITE) == pytest.approx(cut, abs=0.02)
    assert finest(WHITE, WHITE) == 0.5


def test_ours_is_compared_with_the_better_of_the_bicubic_ones():
    coarse, fine = low_passed(WHITE, 0.1), low_passed(WHITE, 0.2)
    noise = RNG.standard_normal(WHITE.shape)
    m = Measured(WHITE, WHITE, WHITE, {
        "bicubic": coarse + noise - low_passed(noise, 0.1),
        "BM3D, bicubic": fine + noise - low_passed(noise, 0.2),
        "cubic spline": WHITE,
    })  # fmt: skip
    found = detail(m, coarse + noise - low_passed(noise, 0.1))
    assert found["FRC bicubic"] == pytest.approx(0.2, abs=0.02) and found["FRC"] == pytest.approx(0.1, abs=0.02)
    row = {"kind": "2x", **found}
    assert aims([row])[0][2] is False and "1 of 1" in frc_table([row])[1]
    assert frc_table([{"kind": "24 px holes"}]) == []


def test_another_draw_of_the_same_texture_is_real_and_wrong_and_a_smooth_guess_is_neither():
    truth = 128 + 40 * gaussian_filter(RNG.standard_normal((2, 256, 256)), (0, 2, 2))
    hole = np.zeros((256, 256), bool)
    hole[64 : 64 + LARGE_HOLE, 64 : 64 + LARGE_HOLE] = True
    smooth = np.where(hole, gaussian_filter(truth[0], 8), truth[0])
    drawn = np.where(hole, truth[1], truth[0])
    m = Measured(truth[0], truth[0], np.where(hole, 128.0, truth[0]), {"biharmonic": smooth}, scored=hole)
    found = fillings(m, smooth, (drawn, drawn))
    assert tuple(found) == FILLINGS
    sample, mean = found["mendem, one sample"], found["mendem, mean"]
    assert sample["spectrum"] < 2 < 10 < mean["spectrum"] and sample["dB"] < mean["dB"]
    assert found["mendem, mean of samples"] == pytest.approx(sample)
    assert spectrum_off(truth[0], truth[0]) == 0
    lines = hole_table([{"kind": "128 px hole", "group": "g", "fillings": found}])[1]
    assert found["mean grey level"]["spectrum"] is None and " / –" in lines
    assert f"{mean['dB']:.2f} / {mean['spectrum']:.1f}" in lines
