"""Missing tilts are generated one after the other; with a network that has learned nothing yet."""

import numpy as np
import pytest
import torch

from mendem.errors import Cancelled, MendemError
from mendem.priors.checkpoint import write
from mendem.priors.tilt_network import TiltNetwork
from mendem.priors.tilt_prior import load_tilt_prior
from mendem.tomography import tilt_road, tilt_road_volume
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.projector import Projector
from mendem.tomography.tilt_road import generate_tilts
from mendem.tomography.tilt_road_trust import trust
from mendem.tomography.tilt_road_volume import reproject

MEASURED = tuple(range(-60, 61, 12))
MISSING = (-84.0, -72.0, 72.0, 84.0)


@pytest.fixture(scope="module", autouse=True)
def few_steps():
    """A rougher volume to start from: what is tested here does not depend on it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tilt_road_volume, "TV_STEPS", 20)
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A network whose answers depend on its context, as those of a trained one do."""
    torch.manual_seed(0)
    network = TiltNetwork((4, 8), (1, 1))
    torch.nn.init.normal_(network.body.leave.weight, std=0.05)
    path = tmp_path_factory.mktemp("weights") / "tilts.safetensors"
    write(network, path, {"spread": 1.5})
    return str(path)


@pytest.fixture(scope="module")
def density():
    generator = torch.Generator().manual_seed(0)
    z, x = np.mgrid[:24, :24] - 11.5
    inside = torch.from_numpy(((z**2 + x**2) < 80).astype(np.float32))
    slices = torch.rand(4, 24, 24, generator=generator) * inside
    return Projector(SliceGeometry(MEASURED, (24, 24), 24)).forward(slices).transpose(0, 1).numpy()


def generated(density, weights, **settings):
    kept = {"isolated": True, "weights": weights, "device": "cpu"} | settings
    return list(generate_tilts(density, MEASURED, MISSING, **kept))


def test_one_tilt_comes_at_a_time_nearest_first(density, weights):
    found = generated(density, weights)
    assert [g.angles for g in found] == [(-72.0,), (72.0,), (-84.0,), (84.0,)]
    assert all(g.images.shape == g.std.shape == (1, 4, 24) and g.images.dtype == np.float32 for g in found)
    assert all((g.std > 0).all() for g in found)


def test_any_number_can_be_generated_at_once(density, weights):
    for at_once, sizes in ((3, [3, 1]), (4, [4]), (20, [4])):
        assert [len(g.angles) for g in generated(density, weights, at_once=at_once)] == sizes


def test_what_was_generated_is_context_of_what_comes_next(density, weights):
    one = {g.angles[0]: g.images[0] for g in generated(density, weights)}
    at_once = generated(density, weights, at_once=4)[0]
    at_once = dict(zip(at_once.angles, at_once.images, strict=True))
    assert np.allclose(one[-72.0], at_once[-72.0], rtol=0, atol=1e-4)
    assert not np.allclose(one[84.0], at_once[84.0])


def test_a_run_that_was_interrupted_goes_on(density, weights):
    whole = generated(density, weights, sample=True, seed=7)
    rest = generated(density, weights, sample=True, seed=7, generated=whole[:2])
    assert [g.angles for g in rest] == [g.angles for g in whole[2:]]
    for a, b in zip(rest, whole[2:], strict=True):
        assert np.allclose(a.images, b.images, rtol=0, atol=1e-4 * np.ptp(density))


def test_samples_depend_on_the_seed_alone(density, weights):
    one, same, other = (generated(density, weights, sample=True, seed=s)[0].images for s in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.allclose(one, other)


def test_answers_scale_with_the_data(density, weights):
    small, large = generated(density, weights), generated(1000 * density, weights)
    for a, b in zip(small, large, strict=True):
        assert np.allclose(1000 * a.images, b.images, rtol=0, atol=np.ptp(density))  # 1e-3 of the range
        assert np.allclose(1000 * a.std, b.std, rtol=0.05)


def test_a_network_that_corrects_nothing_gives_the_reprojection(density, tmp_path):
    write(TiltNetwork((4, 8), (1, 1)), tmp_path / "zero.safetensors", {})
    found = generated(density, str(tmp_path / "zero.safetensors"), at_once=4)[0]
    seen = reproject(density / density.std(), MEASURED, found.angles, isolated=True).base * density.std()
    assert np.allclose(found.images, seen, rtol=0, atol=1e-3 * np.ptp(density))


def test_a_slab_keeps_its_level_over_the_cosine(weights):
    lengths = 1 / np.cos(np.radians(MEASURED))
    noise = np.random.default_rng(0).normal(0, 0.1, (len(MEASURED), 8, 24))
    density = (5 * lengths[:, None, None] + noise).astype(np.float32)
    found = list(generate_tilts(density, MEASURED, [72.0], isolated=False, weights=weights, depth=6, device="cpu"))
    assert found[0].images.mean() == pytest.approx(5 / np.cos(np.radians(72)), rel=0.02)


def test_it_can_be_stopped(density, weights):
    def stop():
        raise Cancelled

    with pytest.raises(Cancelled):
        generated(density, weights, check=stop)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"at_once": 0}, "at least one"),
        ({"isolated": False, "targets": [90.0]}, "slab"),
        ({"targets": [60.0]}, "is there already"),
        ({"angles": MEASURED[1:]}, "one angle for each"),
        ({"targets": [float("nan")]}, "not finite"),
        ({"density": np.ones((len(MEASURED), 8, 24), np.float32)}, "constant"),
        ({"weights": "no-such-weights"}, "no such prior"),
    ],
)
def test_what_cannot_be_is_said_in_one_sentence(density, weights, change, words):
    given = {"density": density, "angles": MEASURED, "targets": MISSING, "isolated": True, "weights": weights} | change
    where = given.pop("density"), given.pop("angles"), given.pop("targets")
    with pytest.raises(MendemError, match=words):
        list(generate_tilts(*where, device="cpu", **given))


def test_a_correction_that_measured_tilts_contradict_does_not_count(density, weights, monkeypatch):
    """A network that says the opposite of what the reprojection lacks."""
    prior = load_tilt_prior(weights, "cpu")
    data = (density / density.std()).astype(np.float32)
    known = dict(zip(MEASURED, torch.from_numpy(data), strict=True))

    def wrong(frames, targets, *_):
        images = torch.stack([2 * frames.base[i] - known[frames.angles[i]] for i in targets])
        return images, torch.ones_like(images)

    monkeypatch.setattr(prior, "predict", wrong)
    assert trust(data, MEASURED, prior, isolated=True) == 0


def test_a_correction_that_measured_tilts_confirm_counts_whole(density, weights, monkeypatch):
    """A network that knows the truth."""
    prior = load_tilt_prior(weights, "cpu")
    data = (density / density.std()).astype(np.float32)
    known = dict(zip(MEASURED, torch.from_numpy(data), strict=True))

    def knows(frames, targets, *_):
        images = torch.stack([known[frames.angles[i]] for i in targets])
        return images, torch.ones_like(images)

    monkeypatch.setattr(prior, "predict", knows)
    assert trust(data, MEASURED, prior, isolated=True) == pytest.approx(1, abs=1e-4)
    noisy = data + 0.2 * np.random.default_rng(0).standard_normal(data.shape).astype(np.float32)
    assert trust(noisy, MEASURED, prior, isolated=True) == pytest.approx(1, abs=0.3)


def test_with_too_few_tilts_left_nothing_is_judged(density, weights):
    prior = load_tilt_prior(weights, "cpu")
    assert trust(density[3:8], MEASURED[3:8], prior, isolated=True) == 1.0


def test_half_a_correction_is_made_and_the_other_half_widens_the_spread(density, weights, monkeypatch):
    def with_trust(part):
        monkeypatch.setattr(tilt_road, "trust", lambda *_, **__: part)
        return generated(density, weights, at_once=4)[0]

    whole, half, none = (with_trust(part) for part in (1.0, 0.5, 0.0))
    size = np.ptp(density)
    assert (whole.trust, half.trust) == (1.0, 0.5)
    assert np.allclose(half.images, (whole.images + none.images) / 2, rtol=0, atol=1e-4 * size)
    wider = np.hypot(whole.std, 1.5 * (whole.images - none.images) / 2)  # 1.5: the spread of these weights
    assert np.allclose(half.std, wider, rtol=0, atol=1e-3 * size)
