"""Samplers at equal numbers of evaluations of one prior: how good, how well calibrated, how realistic.

Conditional: the prior is told the observation, and all samplers begin as `mendem.sampling` does. Plug-in: the same
network without observation, brought to the data by the operator's proximal step, or by DDRM's spectral rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from benchmarks.chains import CHAINS, ddrm, fresh_noise, spectral
from benchmarks.pictures import RANGE, Picture, held_out, simulated_tissue
from benchmarks.realism import radial_power, worst_decibels
from benchmarks.settings import Settings
from mendem.physics.block_mean import BlockMean
from mendem.physics.mask import Mask
from mendem.physics.noise import NoiseModel
from mendem.physics.observation import Observation
from mendem.priors.condition import Condition
from mendem.priors.network_prior import NetworkPrior
from mendem.priors.solver import noise_levels
from mendem.sampling import END_LEVEL, plug_in_variance, start_level

#: Side of the crops, samples of each, evaluations of each sample.
SIDE = 96
SAMPLES = 4
CONDITIONAL, PLUG_IN = (4, 8, 16, 32), (4, 8, 16)
#: Side of the hole in pixels.
HOLE = 24


@dataclass(frozen=True)
class Task:
    """A forward operator and the standard deviation of its noise over the range of the truth."""

    name: str
    operator: Mask | BlockMean
    noise: float


@dataclass(frozen=True)
class Case:
    """What was observed of a truth, both in normalised units; ``judged`` are the pixels that count, ``scale`` is the
    unit in grey levels, ``noise`` the standard deviation of the noise of a datum."""

    task: Task
    picture: Picture
    observation: Observation
    truth: Tensor
    judged: Tensor
    noise: float
    scale: float


def tasks() -> list[Task]:
    """Denoising, a hole, and fourfold larger pixels."""
    kept = torch.ones(1, 1, SIDE, SIDE)
    edge = (SIDE - HOLE) // 2
    kept[..., edge : edge + HOLE, edge : edge + HOLE] = 0
    return [
        Task("white 10 %", Mask(), 0.1),
        Task("white 20 %", Mask(), 0.2),
        Task(f"{HOLE} px hole", Mask(kept), 0.02),
        Task("means of 4 x 4", BlockMean((4, 4)), 0.02),
    ]


def observe(task: Task, picture: Picture, side: int = SIDE, seed: int = 0) -> Case:
    """The middle of a picture through an operator, with white noise, normalised as `mendem.normalise` does."""
    top, left = ((n - side) // 2 for n in picture.truth.shape)
    truth = torch.from_numpy(picture.truth[top : top + side, left : left + side].astype(np.float32))[None, None]
    signal = task.operator.forward(truth)
    std = RANGE * task.noise
    y = signal + std * fresh_noise(tuple(signal.shape), seed)()
    kept = None if isinstance(task.operator, BlockMean) else task.operator.kept
    reliability = torch.ones_like(y) if kept is None else kept.expand_as(y)
    measured = y[reliability > 0]
    centre, scale = float(measured.median()), float(measured.std())
    observation = Observation(
        (y - centre) / scale * reliability, task.operator, NoiseModel((std / scale) ** 2), reliability
    )
    judged = torch.ones_like(truth) if kept is None else 1 - kept
    return Case(task, picture, observation, (truth - centre) / scale, judged > 0, std / scale, scale)


def copies(condition: Condition, count: int) -> Condition:
    """The same condition for a batch."""
    return condition.map(lambda t: t.expand(count, *t.shape[1:]).contiguous())


def nothing(like: Tensor) -> Condition:
    """The condition under which nothing was measured."""
    return Condition(torch.zeros_like(like), torch.zeros_like(like), torch.ones_like(like))


def run(settings: Settings) -> dict:
    """A row for each way of using data, task, sampler and number of evaluations, means over the pictures."""
    from mendem.device import choose_dtype
    from mendem.priors.network_prior import load_prior

    prior = load_prior(settings.prior, "cpu", choose_dtype("cpu"))
    pictures = held_out(settings.data)[:1] + simulated_tissue(3)[2:]
    most = 8 if settings.quick else 32
    rows = []
    for task in tasks():
        cases = [observe(task, picture) for picture in pictures]
        trained = isinstance(task.operator, Mask) or any("means" in d for d in prior.coverage.degradations)
        if trained:
            rows += _conditional(prior, cases, [n for n in CONDITIONAL if n <= most])
        rows += _plug_in(prior, cases, [n for n in PLUG_IN if n <= most])
        settings.say(task.name)
    return {"rows": rows, "pictures": [p.name for p in pictures], "samples": SAMPLES, "side": SIDE}


def _conditional(prior: NetworkPrior, cases: list[Case], evaluations: list[int]) -> list[dict]:
    rows = [
        _row(
            "conditional",
            cases[0].task,
            "mean alone",
            1,
            [_alone(c, *prior.denoise(None, None, c.observation.condition())) for c in cases],
        )
    ]
    for name, method in CHAINS.items():
        for count in evaluations:
            found = []
            for case in cases:
                condition = case.observation.condition()
                mean, variance = prior.denoise(None, None, condition)
                many = copies(condition, SAMPLES)
                high = start_level(variance)
                fresh = fresh_noise((SAMPLES, *case.truth.shape[1:]), 1)
                start = mean + (high**2 + variance).sqrt() * fresh()
                chain = method(lambda x, s, c=many: prior.denoise(x, s, c)[0], start, high, END_LEVEL, count, fresh)
                found.append(judge(case, last(chain), mean))
            rows.append(_row("conditional", cases[0].task, name, count, found))
    return rows


def _plug_in(prior: NetworkPrior, cases: list[Case], evaluations: list[int]) -> list[dict]:
    rows = []
    for name in (*CHAINS, "DDRM"):
        for count in evaluations:
            found = []
            for case in cases:
                fresh = fresh_noise((SAMPLES, *case.truth.shape[1:]), 1)
                mean = None
                if isinstance(case.task.operator, Mask):
                    mean, _ = prior.denoise(None, None, case.observation.condition())
                found.append(judge(case, last(_unconditional(prior, case, name, count, fresh)), mean))
            rows.append(_row("plug-in", cases[0].task, name, count, found))
    return rows


def _unconditional(
    prior: NetworkPrior, case: Case, name: str, count: int, fresh: Callable[[], Tensor]
) -> Iterator[Tensor]:
    observation = case.observation
    start = fresh()
    high, condition = observation.start_sigma, nothing(start)
    if name == "DDRM":
        seen = spectral(case.task.operator, observation.y, case.noise)
        return ddrm(lambda x, s: prior.denoise(x, s, condition)[0], seen, noise_levels(high, END_LEVEL, count), fresh)
    precision = observation.precision()

    def predict(x: Tensor, sigma: float) -> Tensor:
        clean, _ = prior.denoise(x, sigma, condition)
        return observation.operator.prox(clean, observation.y, precision, plug_in_variance(sigma))

    return CHAINS[name](predict, high * start, high, END_LEVEL, count, fresh)


def last(chain: Iterator[Tensor]) -> Tensor:
    """The samples of a chain that is run to its end."""
    *_, samples = chain
    return samples


def _decibels(case: Case, squared: Tensor) -> float:
    return float(20 * np.log10(255 / case.scale) - 10 * torch.log10(squared.mean()))


def _alone(case: Case, mean: Tensor, variance: Tensor) -> dict[str, float | None]:
    """The figures of the mean of one evaluation and of the spread that it predicts."""
    squared = (mean - case.truth)[case.judged] ** 2
    return {
        "sample (dB)": None,
        "mean (dB)": _decibels(case, squared),
        "apart": None,
        "spread / error": float((variance[case.judged].mean() / squared.mean()).sqrt()),
        "inside": None,
        "chi2": None,
        "spectrum (dB)": None,
    }


def judge(case: Case, samples: Tensor, alone: Tensor | None) -> dict[str, float | None]:
    """The figures of samples (K, 1, H, W).

    apart
        RMS difference of their mean to the mean of one evaluation over their spread, freed of the part that K samples
        leave to chance; negative where it is smaller than that part.
    spread / error
        Of K samples, 1 where truth and samples are drawn from one distribution.
    inside
        Share of the pixels whose truth lies between the smallest and the largest sample: (K - 1) / (K + 1) is right.
    chi2
        Mean squared residual of a sample over the variance of the noise, where measured: 1 is right.
    spectrum (dB)
        Largest deviation of the radial power from the truth's up to 0.6 of Nyquist, where nothing is missing.
    """
    k, chosen = samples.shape[0], case.judged.expand_as(samples)
    mean = samples.mean(0, keepdim=True)
    error = ((mean - case.truth)[case.judged] ** 2).mean()
    variance = samples.var(0, keepdim=True)[case.judged].mean()
    between = (samples.amin(0, keepdim=True) <= case.truth) & (case.truth <= samples.amax(0, keepdim=True))
    apart = None
    if alone is not None:
        squared = ((mean - alone)[case.judged] ** 2).mean() / variance - 1 / k
        apart = float(squared.sign() * squared.abs().sqrt())
    residual = (case.task.operator.forward(samples) - case.observation.y) ** 2
    measured = case.observation.reliability.expand_as(residual) > 0
    whole = bool(case.judged.all())
    return {
        "sample (dB)": _decibels(case, (samples - case.truth)[chosen] ** 2),
        "mean (dB)": _decibels(case, (mean - case.truth)[case.judged] ** 2),
        "apart": apart,
        "spread / error": float((variance * (1 + 1 / k) / error).sqrt()),
        "inside": float(between[case.judged].float().mean()),
        "chi2": float(residual[measured].mean()) / case.noise**2,
        "spectrum (dB)": worst_decibels(radial_power(samples), radial_power(case.truth)) if whole else None,
    }


def _row(way: str, task: Task, sampler: str, evaluations: int, found: list[dict]) -> dict:
    row = {"way": way, "task": task.name, "sampler": sampler, "evaluations": evaluations}
    for key in found[0]:
        values = [f[key] for f in found]
        row[key] = None if None in values else float(np.mean(values))
    return row
