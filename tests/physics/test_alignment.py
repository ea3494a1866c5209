"""Frames of one place: where each lies, which do not belong, and the noise of their mean."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from mendem.errors import MendemError
from mendem.image import Image
from mendem.physics.alignment import align_frames
from mendem.physics.frame_average import average_frames
from mendem.physics.shifts import fourier_shift, sampled_at

SIDE = 192
#: The aim; by the Cramér-Rao bound 30 % of noise on these pictures allows about 0.02 px.
CLOSE = 0.1


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    """Blobs of many sizes, wider than a frame: range about 200 grey levels."""
    rng = np.random.default_rng(4)
    x = sum(gaussian_filter(rng.standard_normal((SIDE + 96, SIDE + 96)), s) * s for s in (1.5, 3, 7))
    return (128 + 40 * x / x.std()).astype(np.float32)


def lattice() -> np.ndarray:
    """A lattice of 7 and 9 px with a few defects, as large as `scene`."""
    y, x = np.mgrid[: SIDE + 96, : SIDE + 96]
    picture = 128 + 50 * np.cos(2 * np.pi * x / 7.3) * np.cos(2 * np.pi * (y + 0.3 * x) / 9.1)
    for a, b in np.random.default_rng(1).integers(60, SIDE + 30, (8, 2)):
        picture += 50 * np.exp(-((y - a) ** 2 + (x - b) ** 2) / 30)
    return picture.astype(np.float32)


def recorded(scene, count, noise, seed=0, step=1.5):
    """Frames of a drifting scene, and their drift; the noise is white."""
    rng = np.random.default_rng(seed)
    drift = np.cumsum(rng.normal(0.3, step, (count, 2)), 0)
    drift -= (drift.max(0) + drift.min(0)) / 2
    frames = [fourier_shift(scene, (-y, -x))[48 : 48 + SIDE, 48 : 48 + SIDE] for y, x in drift]
    frames = np.stack(frames) + noise * rng.standard_normal((count, SIDE, SIDE))
    return Image(frames.astype(np.float32), ("frame", "y", "x")), -drift


def error(alignment, drift) -> float:
    """Root-mean-square distance of the used frames from where they are, but for a common shift."""
    wrong = (np.array(alignment.drift) - drift)[list(alignment.used)]
    return float(np.sqrt(((wrong - wrong.mean(0)) ** 2).sum(1).mean()))


@pytest.mark.parametrize("count", [2, 3, 12])
@pytest.mark.parametrize("noise", [20.0, 60.0])
def test_drift_is_found_to_a_tenth_of_a_pixel(scene, count, noise):
    image, drift = recorded(scene, count, noise)
    found = align_frames(image)
    assert all(found.used) and error(found, drift) < CLOSE and found.drift[found.reference] == (0.0, 0.0)


def test_a_lattice_with_a_few_defects_is_not_one_period_off():
    image, drift = recorded(lattice(), 16, 30.0, step=1.0)
    assert error(align_frames(image), drift) < CLOSE


def test_large_frames_are_looked_at_in_full(scene):
    large = np.kron(scene[:250, :250], np.ones((3, 3), np.float32))
    large = gaussian_filter(large, 1.5)
    drift = np.array([[0, 0], [-5.3, 9.8], [-11.6, 14.1]])
    frames = [fourier_shift(large, tuple(d))[40:640, 40:640] for d in drift]
    frames = np.stack(frames) + 30 * np.random.default_rng(0).standard_normal((3, 600, 600))
    assert error(align_frames(Image(frames.astype(np.float32))), drift) < CLOSE


def test_frames_that_do_not_belong_are_left_out_and_named(scene):
    image, drift = recorded(scene, 9, 20.0)
    data = image.data.copy()
    data[2] = 77
    data[4] = scene[::-1, ::-1][30 : 30 + SIDE, 60 : 60 + SIDE]
    data[6] = gaussian_filter(data[6], 6)
    found = align_frames(image.with_data(data))
    assert [i for i, used in enumerate(found.used) if not used] == [2, 4, 6]
    said = "; ".join(found.left_out)
    assert "frame 2 is blank" in said and "frame 4 does not match" in said and "frame 6 is blurred" in said
    assert error(found, drift) < CLOSE


def test_brightness_and_contrast_that_drift_are_found(scene):
    image, drift = recorded(scene, 8, 20.0)
    contrast, brightness = np.linspace(0.8, 1.2, 8), np.linspace(0, 90, 8)
    changed = image.data * contrast[:, None, None] + brightness[:, None, None]
    found = align_frames(image.with_data(changed.astype(np.float32)))
    np.testing.assert_allclose(found.contrast, contrast, atol=0.03)
    assert error(found, drift) < CLOSE
    clean, _ = recorded(scene, 8, 0.0)
    faded = clean.with_data((clean.data * contrast[:, None, None] + brightness[:, None, None]).astype(np.float32))
    mean, still = (average_frames(i, align_frames(i)).mean.data for i in (faded, clean))
    assert np.corrcoef(mean.ravel(), still.ravel())[0, 1] > 0.9999


def test_slices_of_a_volume_are_told_from_repeats(scene):
    image, _ = recorded(scene, 8, 20.0)
    assert align_frames(image).agreement == pytest.approx(1, abs=0.02)
    volume = gaussian_filter(np.random.default_rng(0).standard_normal((10, SIDE, SIDE)), (3, 4, 4))
    assert align_frames(Image(volume.astype(np.float32))).changed


def test_nothing_is_interpolated_where_nothing_drifted(scene):
    image, _ = recorded(scene, 5, 20.0, step=0.0)
    still = image.with_data(np.stack([scene[48 : 48 + SIDE, 48 : 48 + SIDE]] * 5))
    found = align_frames(still)
    assert set(found.drift) == {(0.0, 0.0)}
    np.testing.assert_allclose(average_frames(still, found).mean.data, still.data[0], atol=1e-3)


def test_what_cannot_be_aligned_is_refused():
    noise = np.random.default_rng(0).standard_normal((4, 128, 128))
    with pytest.raises(MendemError, match="could be matched"):
        align_frames(Image(noise))
    with pytest.raises(MendemError, match="two or more"):
        align_frames(Image(noise[:1]))
    assert len(align_frames(Image(noise), align=False).frames) == 4


@pytest.mark.parametrize(("count", "noise"), [(2, 20.0), (8, 20.0), (8, 60.0)])
def test_the_noise_of_the_mean_is_measured_at_its_edges_too(scene, count, noise):
    image, _ = recorded(scene, count, noise)
    clean, _ = recorded(scene, count, 0.0)
    alignment = align_frames(image)
    average, truth = average_frames(image, alignment), average_frames(clean, alignment)
    wrong = average.mean.data - truth.mean.data
    full, few = average.count == average.most, average.count < average.most
    model = average.noise()
    expected = np.sqrt(model.variance(truth.mean.data))
    assert average.most == count and few.any() and np.isfinite(average.mean.data).all()
    assert wrong[full].std() == pytest.approx(expected[full].mean(), rel=0.1)  # the aim
    scaled = wrong[few] * np.sqrt(average.reliability()[few])
    assert scaled.std() == pytest.approx(expected[few].mean(), rel=0.15)  # of a few hundred pixels in the smallest case
    assert np.abs(model.correlation).max() < 0.05  # interpolation left the noise white


def test_a_shift_keeps_white_noise_white_and_does_not_ring_at_the_edges():
    ramp = np.tile(np.linspace(0, 100, 80, dtype=np.float32), (64, 1))
    np.testing.assert_allclose(fourier_shift(ramp, (0.0, 0.5))[:, 3:-3], ramp[:, 3:-3] - 0.5 * 100 / 79, atol=0.6)
    noise = np.random.default_rng(0).standard_normal((200, 200)).astype(np.float32)
    moved = fourier_shift(noise, (0.3, 0.4))
    assert moved.std() == pytest.approx(1, abs=0.02)  # the power at the Nyquist frequencies is lost
    assert abs((moved[:, 1:] * moved[:, :-1]).mean()) < 0.02


def test_a_frame_says_where_it_reaches():
    frame = np.arange(30, dtype=np.float32).reshape(5, 6)
    values, known = sampled_at(frame, (1, -2))
    np.testing.assert_array_equal(values[:4, 2:], frame[1:, :4])
    assert known[:4, 2:].all() and known.sum() == 16
    assert not sampled_at(frame, (0.5, 0))[1][-1].any()
    assert not sampled_at(frame, (40, 0))[1].any()


def test_pixels_that_are_not_finite_are_taken_from_the_other_frames(scene):
    image, _ = recorded(scene, 4, 5.0)
    data = image.data.copy()
    data[1, 50:60, 50:60] = np.nan
    data[:, 100, 100] = np.inf
    alignment = align_frames(image.with_data(data))
    average = average_frames(image.with_data(data), alignment)
    y, x = (int(round(55 - d)) for d in alignment.drift[1])
    assert average.count[y, x] == 3
    assert np.isfinite(average.mean.data).mean() > 0.995
