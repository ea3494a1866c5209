"""Measurements before and after, against scikit-image and pictures of known width."""

import numpy as np
import pytest

from mendem import Image
from mendem.appraisal.grid import block_means, common_grid
from mendem.appraisal.line_profile import profile
from mendem.appraisal.measurements import compare_measurements, measure, measure_both, otsu_threshold
from mendem.errors import MendemError
from mendem.io import read

FWHM = 2 * np.sqrt(2 * np.log(2))


def rings(std, shape=(256, 256), noise=0.0, pitch=40.0):
    """Concentric dark lines of a Gaussian section of known deviation (px) around a centre outside the image."""
    y, x = np.indices(shape)
    d = np.hypot(y + 50.3, x + 80.7) % pitch - pitch / 2
    picture = 150 - 80 * np.exp(-(d**2) / (2 * std**2))
    return picture + noise * np.random.default_rng(0).standard_normal(shape)


@pytest.fixture(scope="session")
def pair(shared_data):
    """Two exposures of one place, the short one first."""
    folder = shared_data / "demo" / "sem_pair_emdiffuse"
    if not folder.is_dir():
        pytest.skip("needs the pair of exposures")
    return [read(folder / f"{name}_53_Brain__4w_08_1.tif").data[:384, :384] for name in ("Input", "GT")]


def test_otsu_is_that_of_scikit_image(pair):
    filters = pytest.importorskip("skimage.filters")
    for x in (pair[0], pair[1].astype(np.float32) / 7 - 3, np.random.default_rng(0).standard_normal((64, 64))):
        # Integers fall into other bins there.
        assert otsu_threshold(x) == pytest.approx(filters.threshold_otsu(x.astype(float)), rel=1e-6)
    assert otsu_threshold(np.full((8, 8), 3.0)) == 3.0


def test_mean_contrast_and_area():
    x = np.full((40, 50), 10.0)
    x[:10] = 2.0
    found = measure(x, 4.0)
    assert (found.mean, found.std) == (pytest.approx(8.0), pytest.approx(x.std()))
    assert found.dark and found.area == pytest.approx(25.0) and found.area_nm2 == pytest.approx(500 * 16)
    assert measure(x, dark=False).area == pytest.approx(75.0) and measure(x).area_nm2 is None
    assert measure(x, threshold=1.0).area == 0
    x[:5] = np.nan
    assert measure(x, 4.0).area_nm2 == pytest.approx(250 * 16)
    assert measure(x).width is None and "long lines" in measure(x).width_reason
    with pytest.raises(MendemError, match="no pixel"):
        measure(np.full((8, 8), np.nan))


@pytest.mark.parametrize("std", [1.3, 2.0, 3.5])
def test_the_width_of_lines_is_their_width(std):
    found = measure(rings(std), 3.0)
    # A pixel is a mean over its area in a micrograph, here it is a point: nothing is to be added.
    assert found.width == pytest.approx(3.0 * FWHM * std, rel=0.05)
    assert found.width_count >= 200 and found.width_spread < 0.1 * found.width


def test_bright_lines_are_found_too_and_noise_widens_little():
    clean, noisy = rings(2.0), rings(2.0, noise=16.0)
    bright = measure(-clean, dark=False)
    assert bright.width == pytest.approx(measure(clean).width, rel=1e-6)
    assert measure(noisy).width == pytest.approx(measure(clean).width, rel=0.1)


def test_noise_has_no_membranes():
    from scipy.ndimage import gaussian_filter

    x = np.random.default_rng(0).standard_normal((256, 256))
    for picture in (x, gaussian_filter(x, 1.0)):
        found = measure(picture)
        assert found.width is None and found.width_reason


def test_both_are_measured_alike_and_at_the_same_places():
    before, after = rings(2.0, noise=10.0), rings(3.0)
    first, second = measure_both(before, after)
    assert (second.threshold, second.dark) == (first.threshold, first.dark)
    assert second.width == pytest.approx(FWHM * 3.0, rel=0.05)
    rows = {(r.name.split(" ")[0], r.unit): r for r in compare_measurements(before, after, 2.0)}
    assert list(rows) == [("mean", ""), ("standard", ""), ("area", "%"), ("area", "nm²"), ("membrane", "nm")]
    width = rows["membrane", "nm"]
    assert width.change == pytest.approx(100 * (width.after / width.before - 1)) and width.change > 30


def test_what_has_no_value_in_one_is_left_out_of_both():
    before, after = rings(2.0), rings(2.0)
    after[150:] = np.nan
    before[150:] += 1000
    assert all(r.change == pytest.approx(0) for r in compare_measurements(before, after))
    with pytest.raises(MendemError, match="differ in shape"):
        compare_measurements(before, after[:50])


def test_two_exposures_measure_alike(pair):
    rows = compare_measurements(*pair, 5.0)
    assert all(abs(r.change) < 10 for r in rows), rows
    assert rows[-1].before is not None


def test_a_finer_image_is_compared_by_its_means():
    fine = np.random.default_rng(0).standard_normal((64, 48))
    coarse = fine.reshape(16, 4, 12, 4).mean((1, 3))
    a, b, factor = common_grid(coarse, fine)
    np.testing.assert_allclose(a, b)
    assert factor == 4
    a, b, factor = common_grid(fine, coarse)
    np.testing.assert_allclose(a, b)
    assert factor == -4
    assert block_means(np.full((4, 4), 255, np.uint8), 2).max() == 255
    for other in (fine[:60], fine[:32, :16]):
        with pytest.raises(MendemError, match="multiple"):
            common_grid(fine, other)


def test_a_profile_is_that_of_scikit_image():
    measure_module = pytest.importorskip("skimage.measure")
    x = np.random.default_rng(0).standard_normal((60, 70))
    for start, end in (((10, 12), (10, 50)), ((50, 8), (20, 8)), ((5, 5), (35, 45))):  # whole lengths
        expected = measure_module.profile_line(x, start, end, 3, order=1, reduce_func=np.mean)
        found = profile(x, start, end, 3)
        np.testing.assert_allclose(found, expected[: len(found)], atol=1e-9)
        assert len(found) == np.hypot(*np.subtract(end, start)) + 1


def test_a_profile_is_exact_on_a_plane_and_honest_outside():
    x = np.add.outer(2.0 * np.arange(30), 3.0 * np.arange(40))
    along = np.array([3, 4]) / 5
    found = profile(x, (5.5, 7.25), (5.5 + 9, 7.25 + 12), 5)
    np.testing.assert_allclose(found, 2 * 5.5 + 3 * 7.25 + np.arange(16) * (along @ [2, 3]))
    x[20, 21] = np.nan
    np.testing.assert_array_equal(profile(x, (20, 20), (20, 22)), [100, np.nan, 106])
    assert profile(x, (20, 20), (20, 22), 3)[1] == pytest.approx(103)
    assert np.isnan(profile(x, (0, 38), (0, 42))[2:]).all() and len(profile(x, (3, 3), (3, 3))) == 1
    for bad in ({"width": 0}, {"width": 1.5}, {"end": (np.nan, 0)}):
        with pytest.raises(MendemError):
            profile(x, (0, 0), **{"end": (5, 5), **bad})
    with pytest.raises(MendemError):
        profile(Image(np.zeros((2, 8, 8))).data, (0, 0), (5, 5))
