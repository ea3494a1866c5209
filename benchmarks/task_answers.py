"""What mendem makes of what was measured: by its one prior, from the preview to the best, and by samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.ours import BUDGETS
from benchmarks.task_kinds import Measured

#: Noise level at which samples of what is not denoising begin, in units of the signal.
START = 3.0


@dataclass(frozen=True)
class Answers:
    """Images by budget, spread (standard deviation) at the default budget, samples, noise found; all in grey levels."""

    means: dict[str, np.ndarray]
    spread: np.ndarray
    samples: tuple[np.ndarray, ...]
    noise: float | None


def answers(measured: Measured, prior: str, samples: int = 0) -> Answers:
    """All budgets from one run where they are its beginnings: each budget is the start of the next larger one."""
    from mendem.sampling import BUDGETS as SPENT

    steps = _as_called if measured.operator is None else _restored
    means: dict[str, np.ndarray] = {}
    spread, noise = np.zeros(()), None
    for evaluations, mean, std, _, found in steps(measured, prior, "best", 0):
        noise = found
        for budget in BUDGETS:
            if evaluations <= SPENT[budget].turns:  # the last of them counts: an operator may have fewer symmetries
                means[budget] = mean
        if evaluations <= SPENT["balanced"].turns:
            spread = std
    drawn: tuple[np.ndarray, ...] = ()
    if samples:
        drawn = [s for *_, s, _ in steps(measured, prior, "balanced", samples)][-1]
    return Answers(means, spread, drawn, noise)


#: Evaluations so far, mean, standard deviation, samples, and the noise where it was estimated.
Step = tuple[int, np.ndarray, np.ndarray, tuple[np.ndarray, ...], float | None]


def _as_called(measured: Measured, prior: str, budget: str, samples: int) -> Iterator[Step]:
    """As a user calls it: the program is told the image, and the task where there is one."""
    from mendem import Denoise, Image
    from mendem.engine import prepare
    from mendem.options import Options
    from mendem.slices import estimates

    task = measured.task or Denoise()
    run = prepare(Image(measured.y), task, Options(budget=budget, prior=prior, samples=samples))
    found = float(np.sqrt(run.plan.noise.variance(measured.truth).mean())) if run.plan.noise_from_one_image else None
    height, width = measured.y.shape
    for e in estimates(run, 0, (0, height), (0, width)):
        yield e.evaluations, np.asarray(e.mean, np.float64), e.std, tuple(np.asarray(s) for s in e.samples), found


def _restored(measured: Measured, prior: str, budget: str, samples: int) -> Iterator[Step]:
    """Operator and noise are known; data without noise are met exactly."""
    import torch

    from mendem import Image
    from mendem.device import choose_dtype
    from mendem.normalise import estimate_normalisation
    from mendem.physics.exact import consistent, measured_pixels
    from mendem.physics.noise import NoiseModel
    from mendem.physics.observation import Observation
    from mendem.priors.network_prior import load_prior
    from mendem.sampling import BUDGETS as SPENT
    from mendem.sampling import sample

    operator = measured.operator
    assert operator is not None
    norm = estimate_normalisation(Image(measured.y))
    known = np.isfinite(measured.y)
    y = torch.from_numpy(np.where(known, norm.apply(measured.y), 0.0).astype(np.float32))[None, None]
    reliability = torch.from_numpy(known.astype(np.float32))[None, None]
    noise = NoiseModel(offset=measured.std**2).affine(norm.centre, norm.scale)
    observation = Observation(y, operator, noise, reliability, None, START)
    loaded = load_prior(prior, "cpu", choose_dtype("cpu"))

    def out(x: torch.Tensor) -> np.ndarray:
        if noise.absent:
            x = consistent(operator, x, y, reliability)
        return norm.undo(x[0, 0].numpy().astype(np.float64))

    drawn: tuple[np.ndarray, ...] = ()
    for e in sample(loaded, observation, SPENT[budget], samples):
        if e.sample is not None:
            drawn = (*drawn, out(e.sample))
        variance = e.variance
        if noise.absent:
            variance = torch.where(measured_pixels(operator, reliability, variance), 0.0, variance)
        yield e.evaluations, out(e.mean), abs(norm.scale) * variance[0, 0].sqrt().numpy(), drawn, None
