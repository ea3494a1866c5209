"""A run that can be interrupted, and what it leaves."""

import json

import numpy as np
import pytest
import torch

from mendem.errors import MendemError
from mendem.priors import checkpoint
from mendem.priors.network import UNet
from mendem.training.degrade import DegradeOptions, degrade
from mendem.training.export import export, save_current
from mendem.training.objective import joined, loss, questions
from mendem.training.pool import Source
from mendem.training.shapes import shapes
from mendem.training.state import AVERAGE, CURRENT, Progress
from mendem.training.stream import Ahead, Stream, degrade_options
from mendem.training.train import share_of_rate, train

RECIPE = {
    "network": {"widths": [8, 16], "blocks": [1, 1], "descriptor": 16},
    "data": {"shapes": 2, "tissue": 0},
    "train": {"batch": 5, "group": 3, "patch": 32, "rate": 1e-3, "ema": 0.9, "absent": 0.5, "seed": 0},
    "coverage": {"pixel_nm": [6.0, 40.0], "modalities": ["SEM"], "degradations": ["noise"]},
}
SOURCES = [Source("shapes", 1.0, [shapes(seed, 64) for seed in range(2)])]


class Steps:
    """A clock that goes one second for each look at it: a step of training takes one."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1
        return self.now


def steps(run, minutes, **more):
    return train(RECIPE, SOURCES, run, minutes, clock=Steps(), **more)


def saved(run):
    return torch.load(run / "state.pt", weights_only=True)


def test_a_run_resumes_and_can_be_exported(tmp_path):
    run = tmp_path / "run"
    assert steps(run, 1 / 10, leg=1 / 20).step == 3
    assert steps(run, 1 / 10).step == 6 == saved(run)["step"]
    assert steps(run, 1 / 10).step == 6, "what is finished is not trained further"
    log = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in log] == [3, 6] and all(np.isfinite(line["loss"]) for line in log)
    export(RECIPE, run, tmp_path / "weights.safetensors")
    _, facts = checkpoint.load(tmp_path / "weights.safetensors")
    assert facts["steps"] == 6 and facts["recipe"]["train"]["seed"] == 0


def test_the_small_files_are_enough_to_go_on(tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    steps(here, 1 / 10, leg=1 / 20)
    export(RECIPE, here, here / AVERAGE)
    save_current(RECIPE, here)
    before = saved(here)
    there.mkdir()
    for name in (AVERAGE, CURRENT):
        (there / name).write_bytes((here / name).read_bytes())
    recipe = {**RECIPE, "train": {**RECIPE["train"], "rate": 0.0}}  # so that what is loaded can be compared
    assert train(recipe, SOURCES, there, 1 / 10, leg=1 / 60, clock=Steps()) == Progress(4, 4.0, fresh=3)
    after = saved(there)
    for name, value in before["network"].items():
        assert torch.allclose(after["network"][name], value, atol=1e-4, rtol=1e-3)


def test_the_averaged_weights_alone_are_enough_too(tmp_path):
    steps(tmp_path, 1 / 10, leg=1 / 20)
    export(RECIPE, tmp_path, tmp_path / AVERAGE)
    (tmp_path / "state.pt").unlink()
    assert steps(tmp_path, 1 / 2, leg=1 / 60).step == 4


def test_the_rate_starts_slowly_and_falls_over_the_whole_budget():
    assert share_of_rate(Progress(0, 0.0), 1, 200) == pytest.approx(1 / 200)
    assert share_of_rate(Progress(1000, 30.0), 1, 200) == pytest.approx(0.51)
    assert share_of_rate(Progress(1000, 60.0), 1, 200) == pytest.approx(0.02)
    assert share_of_rate(Progress(1000, 30.0, fresh=990), 1, 200) < 0.05


def test_starting_from_another_network_is_refused(tmp_path):
    recipe = {**RECIPE, "network": {"widths": [8], "blocks": [1], "descriptor": 16}}
    train(recipe, SOURCES, tmp_path / "a", 1 / 60, clock=Steps())
    export(recipe, tmp_path / "a", tmp_path / "weights.safetensors")
    with pytest.raises(MendemError, match="another shape"):
        steps(tmp_path / "b", 1 / 60, start=tmp_path / "weights.safetensors")


def test_the_state_of_another_training_is_refused_and_a_torn_one_too(tmp_path):
    recipe = {**RECIPE, "network": {"widths": [8], "blocks": [1], "descriptor": 16}}
    train(recipe, SOURCES, tmp_path, 1 / 60, clock=Steps())
    with pytest.raises(MendemError, match="training of another network"):
        steps(tmp_path, 1 / 60)
    (tmp_path / "state.pt").write_bytes((tmp_path / "state.pt").read_bytes()[:500])
    with pytest.raises(MendemError, match="no state of a training"):
        steps(tmp_path, 1 / 60)


def test_exporting_what_was_never_trained_says_so(tmp_path):
    with pytest.raises(MendemError, match="train first"):
        export(RECIPE, tmp_path, tmp_path / "weights.safetensors")


@pytest.mark.parametrize("weighting", ["relative", "posterior", "signal"])
def test_the_loss_falls_on_a_batch_that_is_seen_again_and_again(weighting):
    clean = torch.from_numpy(np.stack([shapes(seed, 32) for seed in range(4)]))[:, None].float()
    asked = questions(*degrade(clean, torch.Generator().manual_seed(0), DegradeOptions(hole=0)))
    torch.manual_seed(0)
    network = UNet(**RECIPE["network"])
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3)
    values = []
    for _ in range(60):
        value = loss(network, asked, weighting)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        values.append(value.item())
    assert values[-1] < 0.9 * values[0]


def test_a_stream_holds_the_stated_share_without_x_t_and_repeats_itself():
    batch = Stream(SOURCES, RECIPE, 3, "cpu").next()
    assert batch.channels.shape == (5, 4, 32, 32) and batch.target.shape == (5, 1, 32, 32)
    # groups of 3 and 2: half of each, rounded to even
    assert batch.descriptor[:, 0].tolist() == [1, 1, 0, 1, 0]
    again = Stream(SOURCES, RECIPE, 3, "cpu").next()
    assert torch.equal(batch.channels, again.channels)
    assert all(bool(torch.isfinite(t).all()) for t in batch)


def test_drawing_ahead_gives_the_same_batches_and_their_errors():
    stream = Ahead(Stream(SOURCES, RECIPE, 3, "cpu").next, "cpu")
    direct = Stream(SOURCES, RECIPE, 3, "cpu")
    assert all(torch.equal(stream.next().channels, direct.next().channels) for _ in range(3))
    stream.close()

    def fail():
        raise ValueError("nothing to draw")

    broken = Ahead(fail, "cpu")
    with pytest.raises(ValueError, match="nothing to draw"):
        broken.next()
    broken.close()


def test_joined_questions_keep_their_order():
    parts = [questions(*degrade(torch.zeros(n, 1, 16, 16), torch.Generator(), DegradeOptions())) for n in (1, 2)]
    assert torch.equal(joined(parts).channels[1:], parts[1].channels)


def test_recipes_can_change_the_noise_and_nothing_unknown():
    options = degrade_options({"degrade": {"skip": 0.5, "less_noise": [0.1, 0.2], "draws": {"level": [0.25, 2.5]}}})
    assert options.skip == 0.5 and options.less_noise == (0.1, 0.2) and options.draws.level == (0.25, 2.5)
    with pytest.raises(TypeError):
        degrade_options({"degrade": {"rain": 1}})
