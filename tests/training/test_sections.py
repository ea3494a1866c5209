"""What a prior for volumes learns from: sections of stacks, and the neighbours that it is told of."""

from __future__ import annotations

import numpy as np
import torch

from mendem.physics.sections import Sections
from mendem.priors import checkpoint
from mendem.priors.condition import Condition, Descriptor
from mendem.priors.network import UNet
from mendem.priors.precondition import denoise
from mendem.priors.prior import Coverage
from mendem.training.pool import Source
from mendem.training.sections import SectionStream, draw_sections, without_neighbours
from mendem.training.stacks import Stacks
from mendem.training.state import fill

RECIPE = {
    "network": {"widths": [8, 16], "blocks": [1, 1], "frames": 3},
    "train": {"batch": 4, "group": 2, "patch": 48, "absent": 0.5},
    "sections": {"flat": 0.5},
}


def ramp(shape=(40, 50, 60)):
    """A volume whose value is its place along the first axis."""
    return np.broadcast_to(np.arange(shape[0], dtype=np.float32)[:, None, None], shape).copy()


def test_frames_of_a_stack_lie_two_pixels_apart():
    stacks = Stacks([Source("ramp", 1.0, [ramp()])], frames=3, size=16, seed=1, magnification=(1.0, 1.0))
    seen = set()
    for _ in range(40):
        cut = stacks._cut(16, 2.0)
        flat = np.ptp(cut, axis=(1, 2)) == 0
        if flat.all():  # cut across the ramp
            seen.add(tuple(np.diff(cut[:, 0, 0]).tolist()))
    assert (2.0, 2.0) in seen


def test_drawn_sections_lie_inside_and_do_not_overlap():
    rng = np.random.default_rng(0)
    for _ in range(300):
        s = draw_sections(rng, 96)
        assert s.starts and s.starts[0] >= 0 and s.starts[-1] + s.width <= 96 + 1e-6
        assert all(b - a >= s.width - 1e-6 for a, b in zip(s.starts, s.starts[1:], strict=False))
        assert 0 <= s.skipped <= 1


def test_a_stream_asks_about_the_middle_frame():
    rng = np.random.default_rng(0)
    sources = [Source("volume", 0.5, [rng.normal(size=(60, 60, 60)).astype(np.float32)])]
    sources.append(Source("flat", 0.5, [rng.normal(size=(64, 64)).astype(np.float32)]))
    stream = SectionStream(sources, RECIPE, 0, "cpu")
    for _ in range(6):
        asked = stream.next()
        assert asked.channels.shape == (4, 12, 48, 48) and asked.target.shape == asked.base.shape == (4, 1, 48, 48)
        assert bool(asked.channels.isfinite().all())


def test_a_widened_network_answers_as_the_one_for_single_pictures(tmp_path):
    torch.manual_seed(0)
    single = UNet((8, 16), (1, 1))
    torch.nn.init.normal_(single.leave.weight, std=0.1)
    path = tmp_path / "single.safetensors"
    checkpoint.save(single, Coverage((6.0, 40.0), ("SEM",), ("noise",)), path, {})
    single, _ = checkpoint.load(path)
    wide = UNet((8, 16), (1, 1), frames=3)
    fill(wide, path)
    y = torch.randn(2, 3, 16, 16)
    condition = Condition(y, torch.rand(2, 3, 16, 16), torch.full((2, 3, 16, 16), 0.3), Descriptor(log2_block_y=2.0))
    x, sigma = torch.randn(2, 1, 16, 16), torch.full((2, 1, 1, 1), 0.5)
    for noisy in ((None, None), (x, sigma)):
        mine = denoise(wide, *noisy, condition)
        theirs = denoise(single.float(), *noisy, condition.middle())
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(mine, theirs, strict=True))


def test_without_neighbours_only_the_middle_frame_counts_as_measured():
    condition = Condition(torch.ones(1, 3, 4, 4), torch.ones(1, 3, 4, 4), torch.ones(1, 3, 4, 4))
    seen = without_neighbours(condition)
    assert seen.reliability.sum((0, 2, 3)).tolist() == [0, 16, 0] and seen.y.sum((0, 2, 3)).tolist() == [0, 16, 0]


def test_sections_take_means_of_parts_of_rows():
    x = torch.arange(10.0)[:, None]
    sections = Sections((0.5, 4.0, 7.25), 2.5, 3.5, 10)
    exact = [(0.5 * 0 + 1 + 2) / 2.5, (4 + 5 + 0.5 * 6) / 2.5, (0.75 * 7 + 8 + 0.75 * 9) / 2.5]
    assert torch.allclose(sections.forward(x).flatten(), torch.tensor(exact))
    y = torch.randn(3, 1)
    back = sections.consistent(x, y, torch.ones_like(y))
    assert torch.allclose(sections.forward(back), y, atol=1e-5)
    left = (sections.forward(x) * y).sum()
    assert torch.allclose(left, (x * sections.adjoint(y)).sum(), rtol=1e-5)
