"""What holds for every restoration, whatever the weights: invariances, seams, reproducibility, cancel."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

import mendem
from mendem import Denoise, Image, VoxelSize, blocks, engine
from mendem.simulate import sample_micrograph

#: Tolerance on the same arithmetic in another order (float32); a misplaced grid costs a hundred times more.
ROUNDING = 1e-4


@pytest.fixture(scope="module")
def noisy() -> Image:
    """A micrograph whose sides are no multiples of anything, without saturated pixels (they would not look
    saturated any more once moved to another dtype)."""
    image, _ = sample_micrograph((331, 293))
    pixels = image.data.astype(np.float32)
    return Image(np.where(image.data == 255, 254 - pixels % 3, pixels), voxel_size=VoxelSize((8.0, 8.0)))


@pytest.fixture
def exact_arithmetic(monkeypatch):
    """float32, so that what is left of a difference is not the rounding of bfloat16."""
    monkeypatch.setattr(engine, "choose_dtype", lambda device: torch.float32)


def restored(noisy: Image, pixels=None, **options) -> mendem.Restoration:
    image = noisy if pixels is None else Image(pixels, voxel_size=noisy.voxel_size)
    return mendem.restore(image, Denoise(), **options)


def difference(noisy: Image, a: np.ndarray, b: np.ndarray) -> float:
    """Largest difference, as a share of the input's range."""
    return float(np.abs(a - b).max() / np.ptp(noisy.data))


@pytest.fixture(scope="module")
def reference(noisy) -> mendem.Restoration:
    return restored(noisy)


@pytest.mark.parametrize(
    ("scale", "shift", "dtype"),
    [(1, 30000, "uint16"), (-1, 60000, "uint16"), (0.001, 0, "float32"), (1e-7, 0, "float32"), (-100, 7, "int32")],
)
def test_shift_scale_and_inversion_change_nothing_else(noisy, reference, scale, shift, dtype):
    changed = restored(noisy, (noisy.data.astype(np.float64) * scale + shift).astype(dtype))
    assert difference(noisy, (changed.image.data - shift) / scale, reference.image.data) < 0.01
    assert np.abs(changed.std.data / abs(scale) - reference.std.data).max() < 0.01 * np.ptp(noisy.data)


@pytest.mark.parametrize("tile", [128, 256])
def test_tiles_leave_no_seams(noisy, exact_arithmetic, tile):
    # Smaller than an image: everything else would not be tiled at all.
    assert difference(noisy, restored(noisy, tile=tile).image.data, restored(noisy).image.data) < ROUNDING


@pytest.mark.parametrize(("nm", "budget"), [(8.0, "balanced"), (2.0, "balanced"), (2.0, "best")])
def test_blocks_leave_no_seams(noisy, exact_arithmetic, monkeypatch, nm, budget):
    monkeypatch.setattr(engine, "choose_binning", lambda *_: (1 if nm == 8.0 else 3, ()))
    image = Image(noisy.data, voxel_size=VoxelSize((nm, nm)))
    whole = mendem.restore(image, Denoise(), budget=budget)
    monkeypatch.setattr(blocks, "BLOCK", 128)
    parts = mendem.restore(image, Denoise(), budget=budget)
    assert (whole.provenance["blocks"]["all"], parts.provenance["blocks"]["all"]) == (1, 9)
    assert difference(noisy, whole.image.data, parts.image.data) < ROUNDING
    assert difference(noisy, whole.std.data, parts.std.data) < ROUNDING


def test_the_arithmetic_that_is_chosen_here_leaves_no_seams_either(noisy, reference, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 128)
    assert difference(noisy, restored(noisy).image.data, reference.image.data) < 1e-3


def test_samples_have_the_same_noise_in_other_blocks(noisy, exact_arithmetic, monkeypatch):
    whole = restored(noisy, samples=1, budget="preview", seed=3)
    monkeypatch.setattr(blocks, "BLOCK", 128)
    parts = restored(noisy, samples=1, budget="preview", seed=3)
    # Each step of a sample looks a receptive field further: more than the halo in all, but ever more weakly.
    assert difference(noisy, whole.samples[0].data, parts.samples[0].data) < 1e-3


def test_a_region_comes_out_as_in_the_whole_image(noisy, exact_arithmetic):
    rows, columns = slice(101, 224), slice(57, 190)
    part = restored(noisy, region=(101, 224, 57, 190))
    assert part.image.shape == (123, 133)
    assert difference(noisy, part.image.data, restored(noisy).image.data[rows, columns]) < ROUNDING
    assert np.array_equal(part.residual.data, noisy.data[rows, columns] - part.image.data)


def test_the_same_seed_gives_the_same_bits_and_another_does_not(noisy):
    first, again, other = (restored(noisy, samples=1, budget="preview", seed=seed) for seed in (5, 5, 6))
    assert np.array_equal(first.samples[0].data, again.samples[0].data)
    assert np.array_equal(first.image.data, other.image.data)  # the mean has no random numbers
    assert difference(noisy, first.samples[0].data, other.samples[0].data) > 0.01


def test_one_sample_instead_of_the_mean(noisy, reference):
    result = restored(noisy, estimate="sample", budget="preview")
    assert np.array_equal(result.image.data, result.samples[0].data)
    assert result.image.data.std() != pytest.approx(reference.image.data.std(), rel=1e-6)
    assert result.provenance["options"]["samples"] == 1


def test_hot_pixels_disturb_nothing_else(noisy, reference):
    pixels = noisy.data.copy()
    hot = [(100, 100), (200, 57), (0, 0)]
    for place, value in zip(hot, (6e4, -4e4, 1e6), strict=True):
        pixels[place] = value
    result = restored(noisy, pixels).image.data
    change = np.abs(result - reference.image.data) / np.ptp(noisy.data)
    for y, x in hot:
        assert change[y, x] < 0.5  # filled in from around it: a grey of the picture, not always the right one
        change[max(0, y - 10) : y + 11, max(0, x - 10) : x + 11] = 0
    assert change.max() < 0.01


def test_pixels_that_are_no_numbers_are_filled_in_and_counted(noisy, reference):
    pixels = noisy.data.copy()
    pixels[40:50, 60:90], pixels[150, 150], pixels[151, 160] = np.nan, np.inf, -np.inf
    result = restored(noisy, pixels)
    assert np.isfinite(result.image.data).all() and np.isfinite(result.std.data).all()
    assert any("302 pixels" in note for note in result.notes)
    far = np.s_[220:, :]
    assert difference(noisy, result.image.data[far], reference.image.data[far]) < 0.01
    # Where nothing was measured the answer is less sure than around it.
    assert result.std.data[42:48, 65:85].mean() > 1.2 * result.std.data[220:].mean()


def test_each_slice_of_a_stack_is_restored_like_a_single_one(noisy):
    stack = Image(np.stack([noisy.data[:160, :160], noisy.data[160:320, 100:260]]), ("z", "y", "x"))
    task = Denoise(noise=15.0)
    both = mendem.restore(stack, task, budget="preview")
    assert both.image.axes == ("z", "y", "x") and both.image.shape == stack.shape
    for i in range(2):
        # The normalisation is that of the whole stack, so a single slice is not exactly the same question.
        alone = mendem.restore(Image(stack.data[i]), task, budget="preview")
        inner = np.abs(alone.image.data - both.image.data[i]).mean() / np.ptp(noisy.data)
        assert inner < 0.01


def test_progress_rises_to_one(noisy, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 256)
    seen = []
    restored(noisy, samples=1, budget="preview", progress=seen.append)
    fractions = [p.fraction for p in seen]
    assert fractions == sorted(set(fractions)) and fractions[0] > 0 and fractions[-1] == 1
    assert {p.blocks for p in seen} == {4} and seen[-1].seconds_left == 0


def test_cancel_keeps_what_is_finished(noisy, reference, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 256)
    cancel = threading.Event()

    def stop_in_the_second_block(progress) -> None:
        if progress.block == 1:
            cancel.set()

    result = restored(noisy, progress=stop_in_the_second_block, cancel=cancel)
    assert result.partial and result.provenance["partial"]
    assert result.provenance["blocks"] == {"finished": 1, "all": 4}
    first = result.image.data[:150, :130]
    assert difference(noisy, first, reference.image.data[:150, :130]) < 1e-3
    assert np.isfinite(result.image.data[:150]).all()  # the newest estimate of the block in work is kept too
    assert np.isnan(result.image.data[200:]).all() and np.isnan(result.std.data[200:]).all()


def test_cancel_is_noticed_within_an_evaluation(noisy, monkeypatch):
    asked = []
    cancel = threading.Event()

    class Counting(threading.Event):
        def is_set(self):
            asked.append(1)
            return cancel.is_set()

    restored(noisy, cancel=Counting(), budget="preview")
    assert len(asked) > 8  # a single evaluation asks before each part of the network
    cancel.set()
    assert np.isnan(restored(noisy, cancel=cancel).image.data).all()


def test_files_and_memory_give_the_same(noisy, reference, tmp_path):
    mendem.write(tmp_path / "in.tif", noisy)
    record, summary = mendem.restore_file(
        tmp_path / "in.tif", tmp_path / "out.mrc", Denoise(), spread=tmp_path / "spread.tif"
    )
    out, spread = mendem.read(tmp_path / "out.mrc"), mendem.read(tmp_path / "spread.tif")
    assert np.array_equal(out.data, reference.image.data) and np.array_equal(spread.data, reference.std.data)
    assert out.voxel_size.nm == pytest.approx((8.0, 8.0))
    assert out.metadata["mendem"] == record and not summary.partial
    assert record["inputs"]["image"]["sha256"] == reference.provenance["inputs"]["image"]["sha256"]


def test_the_same_dtype_rounds_and_clips(tmp_path):
    noisy, _ = sample_micrograph((90, 80))
    mendem.write(tmp_path / "in.tif", noisy)
    mendem.restore_file(tmp_path / "in.tif", tmp_path / "out.tif", Denoise(), dtype="same", budget="preview")
    out = mendem.read(tmp_path / "out.tif")
    assert out.dtype == np.uint8
    exact = mendem.restore(mendem.read(tmp_path / "in.tif"), Denoise(), budget="preview").image.data
    assert np.array_equal(out.data, np.clip(np.rint(exact), 0, 255))


@pytest.mark.parametrize("dtype", ["int64", "uint64", "int32", "bool", "float16"])
def test_every_dtype_takes_values_beyond_its_range(dtype):
    from mendem.measured import to_dtype

    dtype = np.dtype(dtype)
    values = to_dtype(np.array([-1e30, 0.2, 1e30, np.nan], np.float32), dtype)
    low, high = {"b": (0, 1), "f": (-65504, 65504)}.get(dtype.kind) or (np.iinfo(dtype).min, np.iinfo(dtype).max)
    assert float(values[0]) == float(low) and float(values[2]) == pytest.approx(float(high), rel=1e-9)
    assert values[1] == (dtype.type(0.2) if dtype.kind == "f" else 0)


def test_a_cancelled_file_says_so_and_is_nan_where_it_was_not_reached(noisy, tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "BLOCK", 256)
    cancel = threading.Event()
    stack = Image(np.stack([noisy.data] * 2), ("z", "y", "x"), VoxelSize((8.0, 8.0, 8.0)))
    record, summary = mendem.restore_file(
        stack, tmp_path / "out.tif", Denoise(), progress=lambda p: cancel.set(), cancel=cancel
    )
    assert summary.partial and record["partial"]
    out = mendem.read(tmp_path / "out.tif")
    assert out.metadata["mendem"]["partial"]
    assert np.isfinite(out.data[0, :150, :130]).all()
    assert np.isnan(out.data[0, 200:]).all() and np.isnan(out.data[1]).all()


def test_cancelled_before_anything_was_done_leaves_no_file_and_the_old_one(noisy, tmp_path):
    cancel = threading.Event()
    cancel.set()
    (tmp_path / "out.tif").write_bytes(b"precious")
    with pytest.raises(mendem.errors.Cancelled):
        mendem.restore_file(noisy, tmp_path / "out.tif", Denoise(), cancel=cancel, overwrite=True)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"precious"]


def test_a_chain_of_runs_keeps_its_history_however_long(tmp_path):
    image, _ = sample_micrograph((40, 40))
    mendem.write(tmp_path / "0.tif", image)
    for i in range(8):
        mendem.restore_file(tmp_path / f"{i}.tif", tmp_path / f"{i + 1}.tif", Denoise(), budget="preview")
    record, steps = mendem.read(tmp_path / "8.tif").metadata["mendem"], 0
    while record:
        record, steps = record["previous"], steps + 1
    assert steps == 8


@pytest.mark.parametrize("noise", [0.0, 3.0])
def test_few_pixels_far_brighter_than_the_rest_stay_bright(noise):
    y, x = np.mgrid[:128, :128]
    truth = 20 + 1000 * np.exp(-((y - 50) ** 2 + (x - 70) ** 2) / 8)
    noisy = (truth + np.random.default_rng(0).normal(0, noise, truth.shape)).astype(np.float32)
    result = mendem.restore(noisy, Denoise(noise=noise)).image.data
    bright = truth > 100
    assert result[bright].mean() == pytest.approx(truth[bright].mean(), rel=0.15)
    if not noise:
        assert result == pytest.approx(noisy, rel=1e-5)
