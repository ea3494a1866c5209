"""Two halves of the data, restored apart by filters whose effect is known."""

from dataclasses import dataclass
from threading import Event

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

import mendem
from mendem import Denoise, Frames, Image, MendemError, Options, VoxelSize
from mendem.appraisal.half_data import PAIRS, half_data_validation
from mendem.engine import Progress
from mendem.errors import Cancelled

SIDE = 128
SIZE = VoxelSize((None, 4.0, 4.0))


@dataclass
class Answer:
    image: Image
    partial: bool = False


class Restorer:
    """Stands for `mendem.restore`, and remembers how it was called."""

    def __init__(self, what=lambda x: x, partial=False):
        self.what, self.partial, self.calls = what, partial, []

    def __call__(self, image, task, *, options, inputs, progress, cancel):
        self.calls.append((image, task, options, inputs))
        progress(Progress(0, 1, 1.0, 0.0))
        return Answer(Image(self.what(np.asarray(image.data, float)), image.axes), self.partial)


def frames(count=6, noise=0.5, axes=("frame", "y", "x"), size=SIZE):
    rng = np.random.default_rng(0)
    clean = gaussian_filter(rng.standard_normal((SIDE, SIDE)), 2.0)
    clean /= clean.std()
    data = clean + noise * rng.standard_normal((count, SIDE, SIDE))
    return Image(data.astype(np.float32), axes, size)


def test_even_and_odd_frames_are_averaged_and_restored_apart():
    image, restore, told = frames(5), Restorer(), []
    found = half_data_validation(image, Denoise(), "options", progress=told.append, restore=restore)
    for half, first in zip(found.halves, (0, 1), strict=True):
        wanted = image.data[first::2].mean(0)  # but for brightness and contrast, known to about 1 %
        assert np.std(half - wanted) < 0.03 and abs(np.mean(half - wanted)) < 0.05
    assert [call[0].voxel_size.nm for call in restore.calls] == [(4.0, 4.0)] * 2
    assert all(call[2] == "options" for call in restore.calls)
    assert [(p.block, p.blocks, p.fraction) for p in told] == [(0, 2, 0.5), (1, 2, 1.0)]
    np.testing.assert_allclose(found.ring.correlation, found.restored.correlation, atol=1e-6)
    assert found.ring.pixel_nm == found.restored.pixel_nm == 4.0 and 8 < found.ring.resolution() < 60


def test_frames_that_drifted_are_aligned_and_those_of_another_place_left_out():
    rng = np.random.default_rng(1)
    clean = gaussian_filter(rng.standard_normal((SIDE + 40, SIDE + 40)), 2.0)
    clean /= clean.std()
    places = [(20, 20), (18, 21), (15, 23), (14, 26), (12, 27), (11, 31)]
    data = np.stack([clean[y : y + SIDE, x : x + SIDE] for y, x in places])
    data[3] = rng.standard_normal((SIDE, SIDE))
    data = data + 0.5 * rng.standard_normal(data.shape)
    drifted = Image(data.astype(np.float32), ("frame", "y", "x"), SIZE)
    found = half_data_validation(drifted, Denoise(), restore=Restorer())
    still = half_data_validation(frames(5), Denoise(), restore=Restorer())
    assert found.ring.resolution() == pytest.approx(still.ring.resolution(), rel=0.15)
    assert "Left out: frame 3" in found.note


def test_the_averages_that_the_frames_task_would_make_are_denoised():
    restore = Restorer()
    half_data_validation(frames(), Frames(), restore=restore)
    assert [call[1].name for call in restore.calls] == ["denoise"] * 2
    with pytest.raises(MendemError, match="takes repeated frames"):
        half_data_validation(frames(axes=("z", "y", "x")), Frames(), restore=restore)


def test_more_frames_resolve_more():
    few, many = (half_data_validation(frames(n), Denoise(), restore=Restorer()).ring.resolution() for n in (2, 40))
    assert many < few


def test_a_filter_improves_no_consistency_but_a_common_error_does():
    """A linear filter changes no ring correlation; what a prior adds to both halves looks like agreement."""
    image = frames()
    fixed = 0.5 * np.random.default_rng(9).standard_normal((SIDE, SIDE))
    plain = half_data_validation(image, Denoise(), restore=Restorer(lambda x: gaussian_filter(x, 1.0)))
    np.testing.assert_allclose(plain.restored.correlation[2:24], plain.ring.correlation[2:24], atol=0.12)
    prior = half_data_validation(image, Denoise(), restore=Restorer(lambda x: x + fixed))
    assert prior.restored.correlation[40:].mean() > 0.3 > abs(prior.ring.correlation[40:]).mean()
    assert prior.ring.resolution() == plain.ring.resolution()
    assert f"Resolution of the data: {prior.ring.words()} " in prior.note and "is no resolution" in prior.note


def test_neighbouring_slices_are_a_bound():
    image = frames(11, axes=("z", "y", "x"), size=VoxelSize((30.0, 4.0, 4.0)))
    restore = Restorer(lambda x: np.repeat(np.repeat(x, 2, -1), 2, -2))
    found = half_data_validation(image, Denoise(noise=7.0), restore=restore)
    assert found.halves[0].shape == (PAIRS, SIDE, SIDE) and restore.calls[0][0].axes == ("z", "y", "x")
    np.testing.assert_array_equal(found.halves[0][1], image.data[3])
    np.testing.assert_array_equal(found.halves[1][1], image.data[4])
    assert found.restored.pixel_nm == 2.0 and "or finer, since neighbouring slices differ" in found.note
    assert restore.calls[0][1].noise == 7.0
    averaged = half_data_validation(image, Denoise(), split="frames", restore=Restorer())
    assert averaged.halves[0].shape == (SIDE, SIDE)


def test_a_noise_that_was_stated_is_not_that_of_an_average():
    restore = Restorer()
    found = half_data_validation(frames(), Denoise(noise=7.0), inputs={"noise": frames()}, restore=restore)
    assert restore.calls[0][1].noise == "auto" and restore.calls[0][3] is None and "anew" in found.note
    assert "anew" not in half_data_validation(frames(), Denoise(), restore=Restorer()).note


@pytest.mark.parametrize(
    ("image", "split", "words"),
    [
        (Image(np.zeros((SIDE, SIDE)), source="one.tif"), "planes", "one.tif: a single image has no second half"),
        (Image(np.zeros((4, SIDE, SIDE)), ("tilt", "y", "x")), "planes", "halves are made of frames"),
        (Image(np.zeros((2, 2, SIDE, SIDE))), "planes", "halves are made of frames"),
        (Image(np.tile(np.eye(SIDE), (4, 1, 1)), ("frame", "y", "x")), "planes", "identical copies"),
        (Image(np.ones((4, SIDE, SIDE))), "thirds", "planes, frames, slices"),
    ],
)
def test_where_there_is_no_second_half_it_says_so(image, split, words):
    with pytest.raises(MendemError, match=words):
        half_data_validation(image, Denoise(), split=split, restore=Restorer())


def test_half_of_a_comparison_is_none():
    with pytest.raises(Cancelled):
        half_data_validation(frames(), Denoise(), restore=Restorer(partial=True))


def test_it_restores_with_mendem_itself():
    data = frames(2).data[:, :64, :64]
    image = Image(100 + 30 * data, ("frame", "y", "x"), SIZE)
    found = half_data_validation(image, Denoise(), Options(budget="preview"), restore=mendem.restore)
    assert found.restored.correlation[-8:].mean() > found.ring.correlation[-8:].mean()
    stop = Event()
    stop.set()
    with pytest.raises(Cancelled):
        half_data_validation(image, Denoise(), cancel=stop, restore=mendem.restore)
