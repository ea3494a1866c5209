"""The novelty guard: what it calls familiar, what it says, and where it keeps silent."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import mendem
from mendem.appraisal.novelty import WINDOW, Novelty, Reference, assess, read_windows
from mendem.cli import main
from mendem.engine import prepare
from mendem.image import Image
from mendem.normalise import estimate_normalisation
from mendem.options import Options
from mendem.physics.noise import NoiseModel
from mendem.priors import checkpoint
from mendem.priors.network import UNet
from mendem.priors.network_prior import load_prior
from mendem.priors.prior import Coverage
from mendem.training.familiar import fit
from mendem.training.pool import Source
from mendem.training.shapes import shapes

NOISE = 0.3


@pytest.fixture(scope="module")
def network() -> UNet:
    """Untrained: it returns its best answer for a single pixel."""
    torch.manual_seed(0)
    return UNet((8, 16), (1, 1), embedding=16).eval()


@pytest.fixture(scope="module")
def reference(network) -> Reference:
    return fit(network, [Source("shapes", 1.0, [shapes(seed, 192) for seed in range(8)])], each=48)


@pytest.fixture(scope="module")
def prior(network, reference, tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("prior") / "knows.safetensors"
    checkpoint.save(network, Coverage((2.0, 40.0), ("shapes",), ("noise",)), path, {"familiar": reference.facts()})
    return str(path)


def noisy(clean: np.ndarray, level: float = NOISE) -> Image:
    rng = np.random.default_rng(3)
    return Image((clean + level * rng.standard_normal(clean.shape)).astype(np.float32))


def lattice(side: int = 192) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    return np.sqrt(2) * (np.sin(2 * np.pi * y / 9) + np.sin(2 * np.pi * x / 9)) / np.sqrt(2)


def novelty_of(image: Image, prior: str, level: float = NOISE, factor: int = 1) -> Novelty | None:
    loaded = load_prior(prior, "cpu", torch.float32)
    return assess(image, NoiseModel(offset=level**2), estimate_normalisation(image), loaded, "cpu", factor)


def test_pictures_of_the_same_kind_are_familiar_and_a_lattice_is_not(prior):
    own = [novelty_of(noisy(shapes(seed, 192)), prior) for seed in range(100, 104)]
    strange = novelty_of(noisy(lattice()), prior)
    assert np.median([n.novelty for n in own]) < 1 < 2 < strange.novelty
    assert not strange.familiar and strange.differs in strange.warning
    assert strange.word == "very unlike"


def test_the_unit_is_what_one_training_picture_in_twenty_exceeds(network, prior):
    found = [novelty_of(noisy(shapes(200 + i, 192)), prior).novelty for i in range(6)]
    assert 0.2 < np.median(found) < 1


def test_contrast_brightness_and_inversion_change_nothing(prior):
    image = noisy(shapes(100, 192))
    first = novelty_of(image, prior)
    for scale, shift in ((50.0, 1000.0), (-7.0, 3.0)):
        other = Image(np.asarray(image.data) * scale + shift)
        again = novelty_of(other, prior, NOISE * abs(scale))
        assert (again.novelty, again.risk) == pytest.approx((first.novelty, first.risk), rel=0.02)


def test_a_reference_survives_the_header(reference):
    again = Reference.from_facts(json.loads(json.dumps(reference.facts())))
    for name in Reference.__dataclass_fields__:
        assert getattr(again, name) == pytest.approx(getattr(reference, name), rel=1e-4)
    assert len(json.dumps(reference.facts())) < 10_000


def test_weights_without_a_reference_or_with_another_one_say_nothing(network, reference, tmp_path):
    other = {**reference.facts(), "statistics": ["something else"]}
    for facts in ({}, {"familiar": other}):
        path = tmp_path / f"{len(facts)}.safetensors"
        checkpoint.save(network, Coverage((2.0, 40.0), (), ()), path, facts)
        assert novelty_of(noisy(lattice()), str(path)) is None


@pytest.mark.parametrize(
    ("shape", "factor", "count"),
    [((500, 400), 1, 4), ((150, 400), 1, 2), ((20, 300), 1, 2), ((600, 300), 2, 2), ((15, 300), 1, None)],
)
def test_windows_are_few_whole_and_mirrored_where_the_image_is_small(shape, factor, count):
    windows = read_windows(Image(np.random.default_rng(0).normal(size=(3, *shape)).astype(np.float32)), factor)
    if count is None:
        assert windows is None
        return
    assert windows.shape == (count, WINDOW, WINDOW) and np.isfinite(windows).all()


def test_windows_of_shrunken_pixels_are_their_means():
    fine = np.random.default_rng(0).normal(size=(256, 256)).astype(np.float32)
    coarse = fine.reshape(128, 2, 128, 2).mean((1, 3))
    assert read_windows(Image(fine), 2)[0] == pytest.approx(coarse, abs=1e-5)


def test_gaps_are_passed_over_and_an_image_of_gaps_is_not_judged(prior):
    holes = np.array(noisy(shapes(100, 192)).data)
    holes[::50, ::50] = np.nan
    assert novelty_of(Image(holes), prior) is not None
    holes[:, ::2] = np.nan
    assert novelty_of(Image(holes), prior) is None


def test_an_image_without_contrast_gets_a_verdict_or_none_but_no_error(prior):
    found = novelty_of(Image(np.full((160, 160), 7.0, np.float32)), prior, 0.0)
    assert found is None or np.isfinite(found.novelty)


def test_a_run_warns_in_its_notes_and_records_the_numbers(prior):
    run = prepare(noisy(lattice()), mendem.Denoise(noise=NOISE), Options(prior=prior, device="cpu"))
    assert run.novelty is not None and run.novelty.warning in run.notes
    record = mendem.restore(noisy(lattice()), mendem.Denoise(noise=NOISE), prior=prior, device="cpu").provenance
    assert record["novelty"]["novelty"] == pytest.approx(run.novelty.novelty)
    json.dumps(record["novelty"])


def test_the_command_line_says_it(prior, tmp_path, capsys):
    import tifffile

    tifffile.imwrite(tmp_path / "in.tif", np.asarray(noisy(lattice()).data))
    arguments = [str(tmp_path / "in.tif"), str(tmp_path / "out.tif"), "--prior", prior, "--noise", str(NOISE)]
    assert main(["denoise", *arguments]) == 0
    said = capsys.readouterr().out
    assert "very unlike the training (novelty" in said and "note: This image is very unlike" in said
    assert main(["denoise", *arguments, "--overwrite", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["novelty"]["novelty"] > 2
    assert main(["info", str(tmp_path / "out.tif")]) == 0
    assert "novelty" in capsys.readouterr().out
