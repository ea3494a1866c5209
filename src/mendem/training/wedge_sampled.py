"""How samples of the missing wedge come out, of specimens that no training reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mendem.priors.wedge_filler import WedgeFiller, load_filler
from mendem.priors.wedge_residual import ResidualNetwork, filtered, projector_of, residual
from mendem.training.wedge_check import Answer, Case, cases, error, power
from mendem.training.wedge_residual import filled

#: Samples of each slice.
SAMPLES = 4


@torch.inference_mode()
def samples_of(network: ResidualNetwork, answer: Answer, mean: Tensor, std: Tensor, count: int = SAMPLES) -> Tensor:
    """So many samples (count, n, 1, Z, X) of the slices of an answer, from noise that is new for each."""
    batch = answer.batch
    told, noise = (batch.channels, batch.descriptor), torch.Generator().manual_seed(0)
    white = torch.randn((count, *mean.shape), generator=noise)
    return torch.stack([mean + residual(network, told, mean, std, batch.wedge, w) for w in white])


@torch.inference_mode()
def sampled(network: ResidualNetwork, filler: WedgeFiller, made: list[Case]) -> dict[str, dict[str, float]]:
    """For each case of mean and samples the error in the wedge (1: weighted back-projection) and the power there over
    the truth's; and the spread of samples over the error of the mean in the wedge, and over the standard deviation that
    is stated.
    """
    table = {}
    for case in made:
        answer = Answer.of(filler.network, case.batch)
        mean, std = filled(filler, case.batch, answer.mean, answer.variance)
        drawn = samples_of(network, answer, mean, std)
        truth, wedge, wbp = case.batch.truth, case.batch.wedge, case.batch.channels[:, 1:2]
        spread = drawn.var(0).mean().sqrt()
        table[case.name] = {
            "mean": error(mean, truth, wbp, wedge),
            "sample": sum(error(s, truth, wbp, wedge) for s in drawn) / len(drawn),
            "power of mean": power(mean, truth, wedge),
            "power of sample": sum(power(s, truth, wedge) for s in drawn) / len(drawn),
            "spread over error": float(spread / filtered(truth - mean, projector_of(wedge)).square().mean().sqrt()),
            "spread over std": float(spread / std.square().mean().sqrt()),
        }
    return table


def finish(network: ResidualNetwork, data: Path) -> dict[str, Any]:
    """What the weights' header tells: the table of the cases that no training reads, with the installed mean."""
    templates = data / "density_templates_polnet"
    table = sampled(network, load_filler(True), cases(templates if templates.is_dir() else None))
    return {"held out": {case: {name: round(v, 4) for name, v in row.items()} for case, row in table.items()}}
