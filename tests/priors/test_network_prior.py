"""A network as a prior: exact tiles, memory, cancel, checkpoints."""

import threading

import pytest
import torch

from mendem.errors import Cancelled, MendemError
from mendem.priors import checkpoint
from mendem.priors.condition import DESCRIPTOR_LENGTH, Condition
from mendem.priors.network import UNet
from mendem.priors.network_prior import NetworkPrior, load_prior
from mendem.priors.prior import Coverage

COVERAGE = Coverage((6.0, 40.0), ("SEM",), ("noise",))


def random_network(seed=0):
    torch.manual_seed(seed)
    network = UNet((8, 16, 16), (1, 1, 1), descriptor=DESCRIPTOR_LENGTH)
    for parameter in network.parameters():  # the initial zeros would hide everything
        torch.nn.init.normal_(parameter, std=0.08)
    return network.eval()


def condition(height, width):
    y = torch.randn((1, 1, height, width), generator=torch.Generator().manual_seed(0))
    return Condition(y, torch.ones_like(y), torch.full_like(y, 0.5))


@pytest.mark.parametrize("tile", [64, 65, 128])  # 65 is no whole number of cells
def test_tiles_change_nothing(tile):
    c = condition(230, 301)
    whole = NetworkPrior(random_network(), COVERAGE).denoise(None, None, c)
    tiled = NetworkPrior(random_network(), COVERAGE, tile=tile).denoise(None, None, c)
    for a, b in zip(whole, tiled, strict=True):
        assert float((a - b).abs().max()) < 1e-5  # float32 rounding of other convolution shapes


def test_nothing_outside_the_receptive_radius_matters():
    network = random_network()
    radius = network.receptive_radius
    size = 2 * radius + 64
    c = condition(size, size)
    changed = c.map(torch.clone)
    middle = size // 2
    changed.y[..., :, : middle - radius] = 50.0
    prior = NetworkPrior(network, COVERAGE)
    a, b = prior.denoise(None, None, c)[0], prior.denoise(None, None, changed)[0]
    assert torch.allclose(a[..., middle:], b[..., middle:], atol=1e-6)
    assert not torch.allclose(a[..., middle - radius :], b[..., middle - radius :], atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (7, 3), (64, 64)])
def test_any_shape_is_accepted(shape):
    mean, variance = NetworkPrior(random_network(), COVERAGE).denoise(None, None, condition(*shape))
    assert mean.shape[-2:] == shape and bool((variance > 0).all())


def test_running_out_of_memory_halves_the_tile_and_changes_nothing(monkeypatch):
    c = condition(300, 300)
    whole = NetworkPrior(random_network(), COVERAGE).denoise(None, None, c)[0]
    prior = NetworkPrior(random_network(), COVERAGE)
    honest = prior._once

    def short_of_memory(x_t, sigma, part):
        if part.y.numel() > 250**2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory")
        return honest(x_t, sigma, part)

    monkeypatch.setattr(prior, "_once", short_of_memory)
    assert float((prior.denoise(None, None, c)[0] - whole).abs().max()) < 1e-5
    assert prior.tile == 128


def test_other_errors_are_not_taken_for_a_lack_of_memory(monkeypatch):
    prior = NetworkPrior(random_network(), COVERAGE)

    def broken(*_):
        raise RuntimeError("something else")

    monkeypatch.setattr(prior, "_once", broken)
    with pytest.raises(RuntimeError, match="something else"):
        prior.denoise(None, None, condition(64, 64))


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "weights.safetensors"
    checkpoint.save(random_network(), COVERAGE, path, {"note": "test"})
    return path


def test_a_checkpoint_comes_back_with_what_it_says_about_itself(saved):
    network, facts = checkpoint.load(saved)
    assert facts["note"] == "test" and facts["coverage"]["pixel_nm"] == [6.0, 40.0]
    original = random_network().state_dict()
    for name, value in network.state_dict().items():
        assert torch.equal(value, original[name].half().float())


def test_cancel_works_within_an_evaluation_and_in_its_own_thread_only(saved):
    prior = load_prior(str(saved), "cpu", torch.float32)
    calls = []

    def check():
        calls.append(threading.get_ident())
        if len(calls) == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        prior.denoise(None, None, condition(64, 64), check)
    assert len(calls) == 2  # of five blocks
    prior.denoise(None, None, condition(64, 64))
    assert len(calls) == 2


def test_what_is_no_checkpoint_is_refused_in_one_sentence(tmp_path, saved):
    empty = tmp_path / "empty.safetensors"
    empty.write_bytes(b"")
    text = tmp_path / "text.safetensors"
    text.write_text("not weights")
    from safetensors.torch import save_file

    foreign = tmp_path / "foreign.safetensors"
    save_file({"a": torch.zeros(2)}, foreign)
    for path in (empty, text, foreign):
        with pytest.raises(MendemError, match="not a mendem checkpoint"):
            load_prior(str(path), "cpu", torch.float32)
    with pytest.raises(MendemError, match="no such prior"):
        load_prior("nonsense", "cpu", torch.float32)


def test_a_checkpoint_of_another_network_version_is_refused(saved, monkeypatch):
    monkeypatch.setattr(checkpoint, "CONDITIONING", 2)
    with pytest.raises(MendemError, match="another version"):
        checkpoint.load(saved)
