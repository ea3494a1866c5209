"""Deblur, super-resolve, inpaint and all at once, from an array to a restoration and from a file to a file."""

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from mendem import (
    Deblur,
    Denoise,
    Image,
    Inpaint,
    Mend,
    MendemError,
    SuperResolve,
    VoxelSize,
    read,
    restore,
    restore_file,
    write,
)
from mendem.physics.block_mean import BlockMean
from mendem.physics.blur import Blur
from mendem.physics.composed import Composed

NM = VoxelSize((8.0, 8.0), "nm")


@pytest.fixture(scope="module")
def truth():
    """Blobs of many sizes, 96 x 112 grey levels."""
    rng = np.random.default_rng(3)
    x = sum(gaussian_filter(rng.normal(size=(96, 112)), s) * s for s in (1.5, 3, 6))
    return (128 + 40 * x / x.std()).astype(np.float32)


def quickly(image, task, **more):
    return restore(image, task, budget="preview", **more)


def test_finer_pixels_have_the_measured_means_where_there_is_no_noise(truth):
    low = truth.reshape(48, 2, 56, 2).mean((1, 3)).astype(np.float32)
    result = quickly(Image(low, voxel_size=NM), SuperResolve(factor=2, noise=0))
    assert result.image.shape == truth.shape and result.image.voxel_size.values == (4.0, 4.0)
    again = result.image.data.reshape(48, 2, 56, 2).mean((1, 3), dtype=np.float64)
    assert np.abs(again - low).max() < 1e-4 and result.residual.shape == low.shape
    assert np.abs(result.image.data - truth).mean() < np.abs(np.kron(low, np.ones((2, 2))) - truth).mean()


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_a_point_stays_where_it_is_on_finer_pixels(factor):
    x = np.full((40, 40), 100, np.float32)
    x[20, 17] = 200
    result = quickly(Image(x), SuperResolve(factor=factor, noise=0)).image.data.astype(float) - 100
    y, c = (np.arange(40 * factor) + 0.5) / factor - 0.5, np.abs(result) * (np.abs(result) > 1)
    assert (c.sum(1) @ y / c.sum(), c.sum(0) @ y / c.sum()) == (pytest.approx(20, abs=0.3), pytest.approx(17, abs=0.3))


def test_blocks_of_finer_pixels_agree_with_one_block(truth, monkeypatch):
    from mendem import blocks

    low = truth[:, :96].reshape(48, 2, 48, 2).mean((1, 3)).astype(np.float32)
    whole = quickly(Image(low), SuperResolve(factor=2, noise=2.0)).image.data
    monkeypatch.setattr(blocks, "BLOCK", 48)
    assert np.abs(quickly(Image(low), SuperResolve(factor=2, noise=2.0)).image.data - whole).max() < 0.5


def test_a_region_of_finer_pixels_is_that_part_of_the_whole(truth):
    low = truth.reshape(48, 2, 56, 2).mean((1, 3)).astype(np.float32)
    whole = quickly(Image(low), SuperResolve(factor=2, noise=2.0)).image.data
    part = quickly(Image(low), SuperResolve(factor=2, noise=2.0), region=(8, 40, 5, 30))
    assert part.image.shape == (64, 50) and np.abs(part.image.data - whole[16:80, 10:60]).max() < 0.5


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "float64", ">i2"])
def test_what_was_measured_comes_back_bit_for_bit(truth, dtype, tmp_path):
    x = truth.astype(dtype) if dtype != "int32" else truth.astype("int32") + 2**30
    mask = np.zeros(x.shape, np.uint8)
    mask[40:56, 30:50] = 1
    result = quickly(Image(x), Inpaint(), inputs={"mask": mask})
    native = np.dtype(dtype).newbyteorder("=")
    assert result.image.dtype == native and np.array_equal(result.image.data[mask == 0], x[mask == 0])
    assert np.all(result.std.data[mask == 0] == 0) and np.all(result.std.data[mask == 1] > 0)
    if dtype in ("uint8", "uint16", "float32"):
        write(tmp_path / "in.tif", Image(x, voxel_size=NM))
        restore_file(tmp_path / "in.tif", tmp_path / "out.tif", Inpaint(), inputs={"mask": mask}, budget="preview")
        out = read(tmp_path / "out.tif")
        assert out.dtype == x.dtype and np.array_equal(out.data[mask == 0], x[mask == 0]) and out.voxel_size == NM


def test_the_hole_is_filled_from_around_it_and_not_from_what_was_in_it(truth):
    mask = np.zeros(truth.shape, np.uint8)
    mask[40:48, 30:38] = 1
    filled = [
        quickly(Image(np.where(mask, junk, truth).astype(np.float32)), Inpaint(noise=2.0), inputs={"mask": mask})
        for junk in (0.0, 255.0)
    ]
    assert np.array_equal(filled[0].image.data, filled[1].image.data)
    error = np.abs(filled[0].image.data - truth)[mask == 1]
    assert error.mean() < np.abs(truth[mask == 1] - np.median(truth)).mean()


def test_the_rest_is_denoised_too_where_it_is_not_kept(truth):
    noisy = truth + np.random.default_rng(0).normal(0, 10, truth.shape).astype(np.float32)
    mask = np.zeros(truth.shape, bool)
    mask[:8, :8] = True
    result = quickly(Image(noisy), Inpaint(keep_measured=False), inputs={"mask": Image(mask)})
    assert np.abs(result.image.data - truth)[~mask].std() < 0.7 * np.abs(noisy - truth)[~mask].std()


def test_damage_is_proposed_and_named(truth):
    x = truth.clip(0, 250).astype(np.uint8)
    x[50] = 0
    x[10:25, 60:80] = 255
    result = quickly(Image(x), Inpaint())
    changed = result.image.data != x
    assert changed[50].mean() > 0.9 and changed[10:25, 60:80].mean() > 0.9 and changed.mean() < 0.08
    assert any("saturated" in note and "dead line" in note for note in result.notes)


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (np.zeros((96, 112)), "marks no pixel"),
        (np.ones((96, 112)), "leaves nothing"),
        (np.ones((96, 111)), "shape"),
        (np.ones((3, 96, 112)), "shape"),
    ],
)
def test_masks_that_cannot_be_followed_are_refused(truth, mask, said):
    with pytest.raises(MendemError, match=said):
        quickly(Image(truth), Inpaint(), inputs={"mask": mask})


def test_a_blur_is_undone_without_ringing_at_the_edges(truth):
    y = gaussian_filter(truth, 4 / 2.3548, mode="nearest") + np.random.default_rng(1).normal(0, 2, truth.shape)
    result = quickly(Image(y.astype(np.float32)), Deblur(psf="gaussian:4px"))
    edge = np.ones(truth.shape, bool)
    edge[8:-8, 8:-8] = False
    error, before = np.abs(result.image.data - truth), np.abs(y - truth)
    assert error[~edge].mean() < 0.75 * before[~edge].mean()
    assert error[edge].mean() < 1.5 * before[edge].mean()
    assert result.residual.data[~edge].std() == pytest.approx(2, rel=0.25)  # y - A x is the noise


def test_a_blur_that_nobody_stated_is_asked_for(truth):
    with pytest.raises(MendemError, match="state what blurred"):
        quickly(Image(truth), Deblur())


def test_all_at_once(truth):
    y = gaussian_filter(truth, 1.0).reshape(48, 2, 56, 2).mean((1, 3)) + np.random.default_rng(1).normal(0, 2, (48, 56))
    mask = np.zeros(y.shape, np.uint8)
    mask[10:16, 20:30] = 1
    task = Mend(factor=2, psf="gaussian:1.2px")
    result = quickly(Image(y.astype(np.float32), voxel_size=NM), task, inputs={"mask": mask})
    assert result.image.shape == truth.shape and np.isfinite(result.image.data).all()
    assert result.provenance["task"]["parameters"]["factor"] == 2 and set(result.provenance["inputs"]) == {
        "image",
        "mask",
    }


def test_composed_operators_are_adjoint_and_their_proximal_step_solves_its_equation():
    operator = Composed(Blur.gaussian((32, 32), 3.0), BlockMean((2, 2)))
    x, y = torch.randn(1, 1, 32, 32, dtype=torch.float64), torch.randn(1, 1, 16, 16, dtype=torch.float64)
    assert float((operator.forward(x) * y).sum()) == pytest.approx(float((x * operator.adjoint(y)).sum()), rel=1e-5)
    precision = torch.rand_like(y)
    got = operator.prox(x, y, precision, 0.5)
    gradient = operator.adjoint(precision * (operator.forward(got) - y)) + (got - x) / 0.5
    assert float(gradient.abs().max()) < 1e-4


@pytest.mark.parametrize("task", [Deblur(psf="auto"), Mend(psf="auto"), SuperResolve(psf="auto")])
def test_a_blur_is_estimated_said_and_recorded(task):
    from mendem.training.shapes import shapes

    y = 128 + 40 * gaussian_filter(shapes(100001)[:160, :160], 5 / 2.3548)
    y = (y + np.random.default_rng(1).normal(0, 3, y.shape)).astype(np.float32)
    result = quickly(Image(y), task)
    found = result.provenance["found"]["blur"]
    assert found["kind"] == "gaussian" and abs(found["fwhm_px"] - 5) < 2 * found["std_px"]
    assert any(n.startswith("Blur estimated: Gaussian of") and found["confidence"] in n for n in result.notes)
    stated = type(task)(psf=f"gaussian:{found['fwhm_px']!r}px")
    assert np.array_equal(quickly(Image(y), stated).image.data, result.image.data)


def test_where_no_blur_is_found_none_is_undone():
    from mendem.training.shapes import shapes

    y = 128 + 40 * shapes(100001)[:160, :160] + np.random.default_rng(1).normal(0, 3, (160, 160))
    result = quickly(Image(y.astype(np.float32)), Deblur(psf="auto"))
    assert any(n.startswith("No blur was found") for n in result.notes)
    denoised = quickly(Image(y.astype(np.float32)), Denoise())
    assert np.array_equal(result.image.data, denoised.image.data)


def test_a_blur_that_is_wider_than_can_be_told_is_said_to_be():
    from mendem.tasks.blurring import blurring_of
    from mendem.training.shapes import shapes

    y = gaussian_filter(shapes(100001), 18 / 2.3548)
    y = 128 + 40 * y / y.std() + np.random.default_rng(1).normal(0, 2, y.shape)
    blurring = blurring_of(Image(y.astype(np.float32)), "auto", None)
    assert blurring.spread is not None and "may be wider than 10 px" in blurring.notes[0]


def test_the_command_line_reports_the_estimate(tmp_path, capsys):
    import json

    from mendem.cli import main
    from mendem.training.shapes import shapes

    y = 128 + 40 * gaussian_filter(shapes(100001)[:160, :160], 5 / 2.3548)
    y = (y + np.random.default_rng(1).normal(0, 3, y.shape)).astype(np.float32)
    write(tmp_path / "in.tif", Image(y, voxel_size=NM))
    files = [str(tmp_path / name) for name in ("in.tif", "out.tif")]
    assert main(["deblur", *files, "--psf", "auto", "--budget", "preview", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    found = said["provenance"]["found"]["blur"]
    assert found["significant"] and abs(found["fwhm_px"] - 5) < 2 * found["std_px"]
    assert any(note.startswith("Blur estimated:") for note in said["notes"])
    assert said["provenance"]["task"]["parameters"]["psf"] == "auto"


def test_a_stated_noise_of_a_blurred_image_is_not_taken_for_correlated():
    """The blur correlates the signal of neighbouring pixels, not their noise, which is white here."""
    from mendem.simulate import tissue_patches
    from mendem.tasks.noise_choice import noise_of

    clean = np.asarray(next(tissue_patches(1, 256, pixel_nm=(5.0, 5.0), seed=3)).data, np.float64)
    std = 0.05 * float(np.subtract(*np.percentile(clean, [99, 1])))
    noisy = gaussian_filter(clean, 1.3) + std * np.random.default_rng(0).standard_normal(clean.shape)
    noise, from_one_image = noise_of(Image(noisy.astype(np.float32)), std, {})
    assert noise.std_at(0.0) == pytest.approx(std) and not from_one_image
    assert max(noise.correlation) < 0.2


def test_a_blur_wider_than_any_of_the_training_is_said_and_leaves_the_answer_in_range(truth):
    image = Image(truth.astype(np.float32), voxel_size=NM)
    for psf in ("gaussian:20px", "motion:30px@20"):
        result = restore(image, Deblur(psf=psf, noise=4.0), budget="preview")
        assert any("wider than the prior was trained for" in note for note in result.provenance["notes"])
        assert np.ptp(result.image.data) < 10 * np.ptp(image.data), "a wrong blur overshoots, it does not explode"


def test_larger_pixels_of_a_blurred_image_are_undone_one_after_the_other(truth):
    clean = truth[: truth.shape[0] // 2 * 2, : truth.shape[1] // 2 * 2]
    low = BlockMean((2, 2)).forward(torch.from_numpy(gaussian_filter(clean, 2.5))[None, None])
    y = low[0, 0].numpy().astype(np.float32)
    bicubic = torch.nn.functional.interpolate(torch.from_numpy(y)[None, None], scale_factor=2, mode="bicubic")
    result = restore(
        Image(y), SuperResolve(factor=2, psf=f"gaussian:{2.5 * 2.3548 / 2}px", noise=1.0), budget="preview"
    )

    def error(x):
        return np.sqrt(np.mean((x - clean) ** 2))

    assert error(result.image.data) < 0.8 * error(bicubic[0, 0].numpy())
    assert result.provenance["evaluations"] == 2, "one for the blur, one for the pixels"


@pytest.mark.parametrize("task", [Denoise(), Deblur(psf="gaussian:3px"), SuperResolve(factor=2)], ids=lambda t: t.name)
def test_what_is_too_bright_for_the_prior_keeps_its_height_and_mass(task):
    flat = 100 + 4 * np.random.default_rng(0).standard_normal((96, 96))
    flat[46:49, 46:49] = 1000
    result = restore(Image(flat.astype(np.float32)), task, budget="preview").image.data
    assert result.max() > 850
    mass, found = (flat - 100).sum(), (result - 100).sum() / task.scale**2
    assert found == pytest.approx(mass, rel=0.1)


def test_the_pixel_size_changes_nothing_where_nothing_is_resampled(truth):
    pixels = truth.astype(np.float32) + 5 * np.random.default_rng(0).standard_normal(truth.shape).astype(np.float32)
    for task in (Denoise(noise=5.0), SuperResolve(factor=2, noise=5.0)):
        known, unknown = (
            restore(Image(pixels, voxel_size=v), task, budget="preview", resample=False).image.data
            for v in (VoxelSize((1.0, 1.0), "um"), None)
        )
        np.testing.assert_array_equal(known, unknown)


def test_large_integers_are_kept_bit_for_bit():
    pixels = np.random.default_rng(0).integers(2**60, 2**61, (64, 64)).astype(np.uint64)
    mask = np.zeros(pixels.shape, np.uint8)
    mask[20:30, 20:30] = 1
    result = restore(Image(pixels), Inpaint(noise=0.0), inputs={"mask": Image(mask)}, budget="preview").image.data
    assert result.dtype == np.uint64
    np.testing.assert_array_equal(result[mask == 0], pixels[mask == 0])


def test_contrast_transfer_leaves_the_contrast_of_the_image(truth):
    image = Image(truth.astype(np.float32), voxel_size=VoxelSize((5.0, 5.0), "nm"))
    result = restore(image, Deblur(psf="ctf:defocus=800nm,kv=200,cs=2.7", noise=4.0), budget="preview")
    assert result.image.data.std() == pytest.approx(image.data.std(), rel=0.2)
    assert result.provenance["novelty"] is None, "behind a blur it cannot be judged"
