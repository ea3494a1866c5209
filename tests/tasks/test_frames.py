"""The Frames task: from a stack to one image, in memory and on disk."""

from __future__ import annotations

import numpy as np
import pytest

from mendem import Denoise, Frames, Image, MendemError, VoxelSize, read, restore, restore_file, write
from mendem.physics.shifts import fourier_shift
from mendem.simulate import sample_frames

NM = VoxelSize((None, 5.0, 5.0), "nm")


@pytest.fixture(scope="module")
def sample():
    """Eight drifting frames, and what the first shows without noise."""
    return sample_frames((192, 208), count=8)


@pytest.fixture(scope="module")
def result(sample):
    return restore(sample[0], Frames(), budget="preview")


class Counted:
    """Frames that count how much of them is held at once."""

    def __init__(self, data):
        self.data, self.shape, self.dtype, self.ndim, self.largest = data, data.shape, data.dtype, data.ndim, 0

    def __getitem__(self, key):
        found = self.data[key]
        self.largest = max(self.largest, found.size)
        return found


def error(result, truth, reference_drift=(0.0, 0.0)):
    wanted = fourier_shift(np.asarray(truth.data), tuple(-d for d in reference_drift))[24:-24, 24:-24]
    return float(np.sqrt(np.mean((np.asarray(result)[24:-24, 24:-24] - wanted) ** 2)))


def drift_of_reference(result, sample):
    """Where the frame that the result lies on is, seen from the truth."""
    return sample[0].metadata["drift_px"][result.provenance["found"]["frames"]["reference"]]


def test_a_stack_becomes_one_image_with_its_pixel_size_and_history(sample, result):
    frames, _ = sample
    assert result.image.shape == frames.shape[1:] and result.image.axes == ("y", "x")
    assert result.image.voxel_size.values == (5.0, 5.0) and result.residual.shape == result.std.shape == (192, 208)
    assert result.provenance["inputs"]["image"]["shape"] == list(frames.shape)
    assert result.provenance["planes"] == [0, 0] and len(result.provenance["found"]["frames"]["drift_px"]) == 8
    assert any("8 of 8 frames" in note for note in result.notes)
    assert 0.9 < result.chi2 < 1.15


def test_it_beats_one_frame_and_the_plain_mean_restored_alone(sample, result):
    frames, truth = sample
    place = drift_of_reference(result, sample)
    mine = error(result.image.data, truth, place)
    reference = result.provenance["found"]["frames"]["reference"]
    one = restore(Image(frames.data[reference], voxel_size=VoxelSize((5.0, 5.0))), Denoise(), budget="preview")
    plain = Image(frames.data.mean(0).astype(np.float32), voxel_size=VoxelSize((5.0, 5.0)))
    plain_error = min(
        error(restore(plain, Denoise(), budget="preview").image.data, truth, p)
        for p in ((0, 0), place, np.mean(frames.metadata["drift_px"], 0))
    )
    assert mine < 0.8 * error(one.image.data, truth, place) and mine < 0.8 * plain_error


def test_from_disk_to_disk_is_the_same_and_frames_are_read_one_by_one(sample, result, tmp_path):
    frames, _ = sample
    write(tmp_path / "frames.mrc", frames.with_data(frames.data.astype(np.int16)))
    counted = Counted(frames.data)
    restore_file(frames.with_data(counted), tmp_path / "out.tif", Frames(), budget="preview")
    out = read(tmp_path / "out.tif")
    assert out.axes == ("y", "x") and out.voxel_size.nm == (5.0, 5.0)
    np.testing.assert_allclose(out.data[:], result.image.data, atol=1e-3)
    assert counted.largest == frames.data[0].size
    assert out.metadata["mendem"]["task"]["name"] == "frames"
    record, _ = restore_file(tmp_path / "frames.mrc", tmp_path / "out.mrc", Frames(), budget="preview")
    assert read(tmp_path / "out.mrc").shape == (192, 208) and record["inputs"]["image"]["shape"] == [8, 192, 208]


def test_a_region_is_that_part_of_the_whole(sample, result):
    part = restore(sample[0], Frames(), budget="preview", region=(32, 112, 48, 160))
    assert part.image.shape == (80, 112)
    assert np.abs(part.image.data - result.image.data[32:112, 48:160]).mean() < 0.5


def test_edges_that_fewer_frames_show_have_more_spread(sample, result):
    drift = np.array(result.provenance["found"]["frames"]["drift_px"])
    assert np.ptp(drift[:, 1]) > 2
    width = 2 if (drift[:, 1] < -1).sum() >= (drift[:, 1] > 1).sum() else -2
    edge = result.std.data[:, :2] if width > 0 else result.std.data[:, -2:]
    assert edge.mean() > 1.1 * result.std.data[:, 40:-40].mean()


def test_without_alignment_the_frames_are_averaged_as_they_lie(sample):
    blurred = restore(sample[0], Frames(align=False), budget="preview")
    assert not any("aligned" in note for note in blurred.notes)
    mean = sample[0].data.mean(0)
    assert np.corrcoef(mean.ravel(), (blurred.image.data + blurred.residual.data).ravel())[0, 1] > 0.999


def test_a_volume_is_warned_of():
    from mendem.simulate import sample_volume

    volume, _ = sample_volume((24, 96, 96))
    notes = restore(volume, Frames(), budget="preview").notes
    assert any("slices of a volume" in note for note in notes)
    assert any("slices 8 nm apart" in note for note in notes)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        (Image(np.eye(96)), "single image"),
        (Image(np.tile(np.eye(96), (1, 1, 1))), "single image"),
        (Image(np.zeros((2, 3, 96, 96))), "one stack"),
        (Image(np.zeros((3, 96, 96)), ("tilt", "y", "x")), "one stack"),
        (Image(np.zeros((3, 96, 96))), "could be matched"),
    ],
)
def test_what_is_no_stack_of_frames_is_refused(image, said):
    with pytest.raises(MendemError, match=said):
        restore(image, Frames(), budget="preview")
