"""The negative control of a restoration: the same run, on nothing."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

import mendem
from mendem import Denoise, Image, VoxelSize, engine, execution
from mendem.appraisal.control import percent
from mendem.errors import Cancelled
from mendem.negative_control import EMPTY, IMAGE, PHASES, Control, control_of, middle_of, negative_control
from mendem.restoration import collect
from mendem.simulate import sample_micrograph


@pytest.fixture(scope="module")
def micrograph() -> Image:
    return sample_micrograph((150, 170))[0]


@pytest.fixture(scope="module")
def run(micrograph) -> engine.Run:
    """Prepared once: the noise is estimated."""
    return engine.prepare(micrograph, Denoise(), mendem.Options(budget="preview"))


@pytest.fixture(scope="module")
def control(run) -> Control:
    return control_of(run)


def test_the_image_is_restored_as_ever(run, control):
    result = collect(run)
    np.testing.assert_array_equal(control.image.restored, result.image.data)
    np.testing.assert_array_equal(control.image.std, result.std.data)
    assert control.image.chi2 == result.chi2


def test_the_controls_are_recorded_as_the_image_is(micrograph, control):
    noise = control.run.plan.noise
    for trial in control.trials:
        assert trial.input.shape == trial.restored.shape == micrograph.shape
        assert trial.input.dtype == micrograph.dtype
    assert np.median(control.empty.input) == pytest.approx(np.median(micrograph.data), abs=1)
    assert control.empty.input.std() == pytest.approx(noise.std_at(float(np.median(micrograph.data))), rel=0.05)
    assert control.phases.input.mean() == pytest.approx(micrograph.data.mean(), abs=1)
    assert abs(np.corrcoef(control.phases.input.ravel(), micrograph.data.ravel())[0, 1]) < 0.3


def test_what_is_found_is_what_the_pictures_show(control):
    assert control.invented_contrast == pytest.approx(control.empty.restored.std() / control.image.restored.std())
    assert control.noise_left == pytest.approx(control.empty.restored.std() / control.empty.input.std())
    # A prior that is of any use: noise goes, and edges come from the image and not from the prior.
    assert control.invented_contrast < 0.3 and control.noise_left < 0.3
    assert control.invented_sharpness < 0.7
    assert control.image.numbers["sharpness"] > 2 * control.phases.numbers["input_sharpness"]
    empty, phases = control.sentences()
    assert percent(control.invented_contrast) in empty and percent(control.invented_sharpness) in phases


def test_a_prior_that_invents_is_found_out(run, control, monkeypatch):
    """A network that paints stripes where it sees noise."""
    from mendem.priors.network_prior import NetworkPrior

    denoise = NetworkPrior.denoise

    def paint(self, x_t, sigma, condition, check=lambda: None):
        mean, variance = denoise(self, x_t, sigma, condition, check)
        stripes = mean.new_zeros(mean.shape)
        stripes[..., ::24, :] = 3
        return mean + stripes, variance

    monkeypatch.setattr(NetworkPrior, "denoise", paint)
    found = control_of(run)
    assert found.invented_contrast > 2 * control.invented_contrast
    assert found.invented_sharpness > max(0.7, 1.5 * control.invented_sharpness)


def test_noise_and_normalisation_are_those_of_the_image(run, micrograph, monkeypatch):
    runs = []
    execute = execution.execute

    def spy(one, *arguments):
        runs.append(one)
        return execute(one, *arguments)

    monkeypatch.setattr("mendem.negative_control.execute", spy)
    control_of(run)
    assert len(runs) == 3
    for one in runs:
        assert one.plan is run.plan and one.options is run.options and one.task is run.task
        assert one.prior is run.prior and one.region == run.region
        assert one.image.shape == micrograph.shape and one.image.voxel_size == micrograph.voxel_size
    assert len({id(one.image.data) for one in runs}) == 3


def test_the_seed_of_the_options_decides_the_controls(run, control):
    again = control_of(run)
    other = control_of(replace(run, options=replace(run.options, seed=1)))
    for name in ("empty", "phases"):
        np.testing.assert_array_equal(getattr(again, name).restored, getattr(control, name).restored)
        assert not np.array_equal(getattr(other, name).input, getattr(control, name).input)


def test_of_a_stack_one_slice_and_of_a_region_its_middle(run, micrograph):
    stack = Image(np.stack([micrograph.data] * 3), voxel_size=VoxelSize((20.0, 5.0, 5.0)))
    made = control_of(replace(run, image=stack, region=(20, 120, 30, 130), planes=(0, 1, 2)))
    assert made.run.planes == (1,) and made.run.region == (20, 120, 30, 130)
    np.testing.assert_array_equal(made.image.input, micrograph.data[20:120, 30:130])
    assert made.stack().voxel_size.values == (None, 5.0, 5.0)
    assert middle_of((0, 2000, 100, 300)) == (744, 1256, 100, 300)


def test_pixels_that_are_no_measurement_do_not_become_texture(run, micrograph, control):
    pixels = micrograph.data.astype(np.float32)
    pixels[::13, ::17] = 5000
    pixels[40:50, 40:50] = np.nan
    made = control_of(replace(run, image=Image(pixels, voxel_size=micrograph.voxel_size)))
    assert np.isfinite(made.phases.input).all()
    assert made.phases.input.std() == pytest.approx(control.phases.input.std(), rel=0.1)


def test_without_noise_nothing_is_said_about_it(micrograph):
    made = negative_control(micrograph, Denoise(noise=0))
    assert made.noise_left is None
    assert "no noise" in made.sentences()[0]
    np.testing.assert_allclose(made.image.restored, micrograph.data, rtol=1e-6)


def test_nothing_is_compared_with_an_image_that_has_neither_contrast_nor_edges(control):
    changed = replace(control, image=replace(control.image, restored=np.zeros((150, 170), np.float32)))
    assert changed.invented_contrast is None and changed.invented_sharpness is None
    assert "no contrast" in changed.sentences()[0] and "no edges" in changed.sentences()[1]


def test_the_file_says_what_is_in_it(control, tmp_path):
    path = tmp_path / "control.tif"
    mendem.write(path, control.stack())
    back = mendem.read(path)
    record = back.metadata["mendem"]
    names = [name for trial in (IMAGE, EMPTY, PHASES) for name in (trial, f"{trial}, restored")]
    assert record["channels"] == names and record["quantity"] == "negative control"
    assert back.axes == ("channel", "y", "x") and back.shape[0] == 6
    np.testing.assert_array_equal(back.data[names.index("empty, restored")], control.empty.restored)
    assert record["control"]["invented_contrast"] == control.invented_contrast


def test_progress_rises_over_all_three(run):
    seen = []
    control_of(run, seen.append)
    fractions = [p.fraction for p in seen]
    assert fractions == sorted(fractions) and fractions[-1] == pytest.approx(1) and len(fractions) >= 3


def test_a_cancelled_control_says_nothing(micrograph):
    cancel = threading.Event()
    with pytest.raises(Cancelled):
        negative_control(micrograph, Denoise(noise=20.0), progress=lambda _: cancel.set(), cancel=cancel)
