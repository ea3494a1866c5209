"""Learning from one volume: what is asked, what is returned, and that it helps."""

import threading

import numpy as np
import pytest
import torch

from mendem.appraisal.novelty import Novelty
from mendem.errors import Cancelled, MendemError
from mendem.image import Image
from mendem.normalise import Normalisation, estimate_normalisation
from mendem.physics.noise import NoiseModel
from mendem.physics.section_grid import SectionGrid
from mendem.priors import checkpoint
from mendem.priors.network import UNet
from mendem.priors.network_prior import NetworkPrior, load_prior
from mendem.priors.prior import Coverage
from mendem.training import own_volume
from mendem.training.own_advice import recommend
from mendem.training.own_judging import change, judge
from mendem.training.own_planes import OwnPlanes, share_kept
from mendem.training.own_reading import read_parts
from mendem.training.own_volume import LearnedPrior, learn_from, save_learned

NONE = NoiseModel(0.0)
SAME = Normalisation(0.0, 1.0)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """A small network that knows nothing learns faster than one that was trained must."""
    monkeypatch.setattr(own_volume, "RATE", 1e-2)


def stripes(sections=12, side=48, seed=0):
    """Sections with oblique stripes: a local rule that is easily learned, and that interpolation does not know."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    planes = []
    for _ in range(sections):
        angle, phase = rng.uniform(0, np.pi), rng.uniform(0, 2 * np.pi)
        planes.append(np.sign(np.sin((y * np.sin(angle) + x * np.cos(angle)) * 2 * np.pi / 9 + phase)))
    return Image(np.stack(planes).astype(np.float32), source="stripes")


def small_prior(frames=1):
    torch.manual_seed(0)
    network = UNet(widths=[8, 16], blocks=[1, 1], frames=frames, descriptor=16)
    network = network.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    return NetworkPrior(network, Coverage((5.0, 10.0), ("SEM",), ("noise",)), "small")


class Steps:
    """A clock that goes on by a second each time somebody looks at it."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1
        return self.now


def learned(prior, image=None, minutes=1.0, grid=None, noise=NONE, **more):
    image = stripes() if image is None else image
    grid = grid or SectionGrid(len(image.data), 4.0, 4.0)
    return learn_from(prior, image, grid, noise, estimate_normalisation(image), minutes=minutes, clock=Steps(), **more)


@pytest.mark.parametrize(("frames", "width"), [(5, 4.0), (1, 1.0), (1, 2.0)])
def test_learning_lowers_the_error_on_held_out_planes_and_leaves_the_prior_as_it_was(frames, width):
    prior = small_prior(frames)
    before = {k: v.clone() for k, v in prior.network.state_dict().items()}
    reports = []
    after = learned(prior, grid=SectionGrid(12, 4.0, width), minutes=2.0, report=reports.append)
    start, now = reports[-1].held_out
    assert isinstance(after, LearnedPrior) and now < 0.97 * start
    assert reports[-1].prior is after and reports[-1].fraction == 1.0
    for name, value in prior.network.state_dict().items():
        assert torch.equal(value, before[name])
    assert any(not torch.equal(v, before[k]) for k, v in after.network.state_dict().items())


def test_the_judgement_of_the_returned_prior_is_the_one_that_was_reported():
    reports = []
    image = stripes()
    after = learned(small_prior(), image, report=reports.append)
    norm = estimate_normalisation(image)
    planes = OwnPlanes(image, SectionGrid(12, 4.0, 4.0), NONE, norm, 1)
    rng = np.random.default_rng(0)
    judged = [planes.draw(8, rng, held_out=True) for _ in range(6)]
    again = judge(after.network, judged, after.calibration, True)
    assert again.error * norm.scale == pytest.approx(reports[-1].held_out[1], rel=1e-3)
    assert again.spread == pytest.approx(1.0, abs=0.02), "the spread was corrected by what it was off"


def test_where_nothing_is_gained_the_prior_itself_comes_back(tmp_path):
    noise = Image(np.random.default_rng(0).standard_normal((12, 48, 48)).astype(np.float32))
    prior = small_prior()
    assert learned(prior, noise, minutes=0.2) is prior, "white noise cannot be foretold"
    with pytest.raises(MendemError, match="nothing was learned"):
        save_learned(prior, tmp_path / "own.safetensors")


def test_stopping_keeps_what_was_learned_and_cancelling_forgets_it():
    stop, reports = threading.Event(), []

    def report(learning):
        reports.append(learning)
        if learning.step == 60:
            stop.set()

    after = learned(small_prior(), minutes=1000.0, report=report, stop=stop.is_set)
    assert isinstance(after, LearnedPrior) and after is reports[-1].prior and reports[-1].step == 61

    def check():
        if len(reports) > 65:
            raise Cancelled

    with pytest.raises(Cancelled):
        learned(small_prior(), minutes=1000.0, report=reports.append, check=check)


def test_what_was_learned_is_saved_as_a_prior_like_any_other(tmp_path):
    path = tmp_path / "own.safetensors"
    after = learned(small_prior(5))
    save_learned(after, path)
    loaded = load_prior(str(path), "cpu", torch.float32)
    for name, value in after.network.state_dict().items():
        assert torch.allclose(loaded.network.state_dict()[name], value, rtol=2e-3, atol=1e-4)
    assert loaded.calibration.stated() == after.calibration.stated()
    facts = checkpoint.read_header(path)
    assert facts["learned from"] == "stripes" and facts["start"]["name"] == "small" and facts["spacing"] == 4.0
    assert facts["held out"]["learned"] < facts["held out"]["start"]
    assert list(tmp_path.iterdir()) == [path]


def test_the_noise_of_what_is_learned_from_is_that_of_the_sections_and_independent_of_the_target():
    # A volume of nothing but noise: y must have its variance, and no correlation with the target on any row of a
    # section. 60 batches of 8 windows of 96 x 96 leave a standard error below 0.005.
    rng = np.random.default_rng(1)
    image = Image((2 * rng.standard_normal((16, 160, 160))).astype(np.float32))
    for width in (4.0, 2.0):
        planes = OwnPlanes(image, SectionGrid(16, 4.0, width), NoiseModel(4.0), SAME, 1)
        seen, shared, told = [], [], []
        for _ in range(60):
            asked = planes.draw(8, rng)
            seen.append(float(asked.data.square().mean()))
            shared.append(float((asked.data * asked.operator.forward(asked.target)).mean()))
            told.append(float((asked.target**2 - asked.variance).mean()))
        assert np.mean(seen) == pytest.approx(4.0, rel=0.03)
        assert np.mean(shared) == pytest.approx(0.0, abs=0.05)
        assert np.mean(told) == pytest.approx(0.0, abs=0.15), "the variance of the target is known"


def test_samples_are_drawn_about_as_before(monkeypatch):
    image, prior = stripes(), small_prior()
    planes = OwnPlanes(image, SectionGrid(12, 4.0, 4.0), NONE, estimate_normalisation(image), 1)
    asked = planes.draw(8, np.random.default_rng(5), held_out=True)

    def moved():
        after = learned(prior, image)
        with torch.inference_mode():
            return float(change(after.network, prior.network, asked, torch.Generator().manual_seed(0)))

    held = moved()
    monkeypatch.setattr(own_volume, "SAMPLING", 10**9)
    monkeypatch.setattr(own_volume, "change", lambda *_: 0.0)
    assert held < 0.5 * moved()


def test_rows_that_are_sections_themselves_do_not_count_where_sections_are_single_planes():
    planes = OwnPlanes(stripes(), SectionGrid(12, 4.0, 1.0), NoiseModel(0.01), SAME, 1)
    asked = planes.draw(4, np.random.default_rng(0))
    rows = [int(s) for s in asked.operator.starts]
    assert (asked.weight[..., rows, :] == 0).all()
    others = np.setdiff1d(np.arange(asked.operator.height), rows)
    assert (asked.weight[..., others, :] == 1).all()


def test_missing_and_empty_sections_are_not_learned_from_and_nan_pixels_do_not_count():
    data = stripes(16).data.copy()
    data[3] = np.nan
    data[7] = 5.0
    data[:, 20, 20] = np.nan
    parts = read_parts(Image(data), (1,), SAME)
    assert not {1, 3, 7} & {z for z, _ in parts.pixels}
    planes = OwnPlanes(Image(data), SectionGrid(16, 4.0, 4.0, missing=(1,)), NONE, SAME, 1)
    asked = planes.draw(8, np.random.default_rng(0))
    assert asked.target.isfinite().all() and asked.condition.y.isfinite().all()
    assert (asked.weight == 0).any()


def test_held_out_planes_and_their_neighbours_are_not_learned_from():
    parts = read_parts(stripes(32), (), SAME)
    learned_from, held_out = ({z for z, _ in keys} for keys in (parts.learned, parts.held_out))
    assert len(held_out) == 4 and min(abs(a - b) for a in held_out for b in learned_from) == 2


class Counted:
    """A large lazy volume that counts the pixels that are read."""

    shape, dtype, ndim = (4000, 5000, 6000), np.dtype(np.uint8), 3

    def __init__(self):
        self.read = 0

    def __getitem__(self, key):
        z, rows, columns = key
        part = np.add.outer(np.arange(rows.start, rows.stop), np.arange(columns.start, columns.stop)) + z
        self.read += part.size
        return (part % 251).astype(np.uint8)


def test_a_bounded_part_of_a_large_volume_is_read():
    data = Counted()
    parts = read_parts(Image(data), (), Normalisation(100.0, 50.0))
    assert 8_000_000 < data.read <= 16_000_000
    assert parts.held_out and parts.count < data.read


def test_correlated_noise_averages_less():
    image = stripes()
    operator = OwnPlanes(image, SectionGrid(12, 4.0, 4.0), NONE, SAME, 1).draw(1, np.random.default_rng(0)).operator
    assert share_kept(operator, 0.0) == pytest.approx(1 / 4)
    rho = 0.5  # (4 + 2 (3 rho + 2 rho² + rho³)) / 16
    assert share_kept(operator, rho) == pytest.approx((4 + 2 * (3 * rho + 2 * rho**2 + rho**3)) / 16)


@pytest.mark.parametrize(
    ("shape", "spacing", "what"),
    [((3, 96, 96), 4.0, "fewer than 4"), ((12, 24, 24), 4.0, "24 x 24"), ((12, 8, 96), 4.0, "8 x 96")],
)
def test_too_little_to_learn_from_is_said(shape, spacing, what):
    image = Image(np.random.default_rng(0).random(shape).astype(np.float32), source="tiny.tif")
    with pytest.raises(MendemError, match=f"tiny.tif.*{what}"):
        learned(small_prior(), image, grid=SectionGrid(shape[0], spacing, spacing))


def test_learning_is_recommended_where_the_prior_is_of_no_use_or_the_volume_is_unlike_its_training(
    monkeypatch,
):
    norm, grid = estimate_normalisation(stripes(24, 160)), SectionGrid(24, 4.0, 4.0)
    ignorant = small_prior()
    advice = recommend(ignorant, stripes(24, 160), grid, NONE, norm)
    assert advice.learn and advice.gain < 0.5 and advice.trial > 0.25 and "cubic" in advice.sentence
    # The stripes repeat after 9 pixels, which four averaged rows of 9 tell: after learning there is a gain.
    knowing = learned(ignorant, stripes(24, 160), minutes=3.0)
    monkeypatch.setattr(own_volume, "RATE", 0.0)  # it knows what there is to know
    advice = recommend(knowing, stripes(24, 160, seed=1), grid, NONE, norm)
    assert not advice.learn and advice.gain > 0.5 and advice.trial == pytest.approx(0.0, abs=0.01)
    unlike = recommend(knowing, stripes(24, 160, seed=1), grid, NONE, norm, Novelty(1.4, 0.3, "texture"))
    assert unlike.learn and "unlike the training (novelty 1.4" in unlike.sentence


def test_learning_is_not_recommended_where_there_is_little_to_learn_from():
    advice = recommend(small_prior(), stripes(), SectionGrid(12, 4.0, 4.0), NONE, SAME)
    assert not advice.learn and "few to learn from" in advice.sentence
    advice = recommend(small_prior(), stripes(3), SectionGrid(3, 4.0, 4.0), NONE, SAME)
    assert not advice.learn and "fewer than 4" in advice.sentence
