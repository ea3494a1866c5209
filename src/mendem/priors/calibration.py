"""How wide the answer's spread must be: a correction of the predicted standard deviation, measured on held-out data.

There are two maps: for pixels that were measured themselves, and for those that were inferred, in gaps or through an
operator (blur, means over blocks, rows left out), where a network errs otherwise. Each is piecewise linear between the
logarithms of the predicted standard deviation (normalised units) and of the factor by which it is multiplied, and
constant beyond the outermost knots. The corrected spread never falls where the predicted one rises.

One factor serves two readers. chi² needs the variance. A user reads an interval: the mean plus and minus 1.645
standard deviations should hold the truth in 90 % of the pixels. The errors have heavier tails than a Gaussian (kurtosis
3 to 5), but a heavy tail hardly moves the 90 % quantile in units of the standard deviation: over the deciles of spread,
the kinds of question and the sources, the factor that is right for the interval was 0 to 4 % below the one that is
right for the variance. So the variance is made right, and the interval holds 90 to 91 %: the safer side, since pictures
of a kind that was never seen are covered a little less.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from mendem.errors import MendemError
from mendem.priors.condition import Condition, Descriptor

#: Fields of the descriptor that are 0 where a datum is a pixel of the image.
OPERATOR = ("log2_block_z", "log2_block_y", "log2_block_x", "skipped", "psf_yy", "psf_yx", "psf_xx")


@dataclass(frozen=True)
class Curve:
    """Knots of a map in rising order, natural logarithms of predicted standard deviation and factor; none: identity."""

    log_std: tuple[float, ...] = ()
    log_factor: tuple[float, ...] = ()

    def variance(self, predicted: Tensor) -> Tensor:
        """The corrected variance of predicted ones; any shape."""
        if not self.log_std:
            return predicted
        x = 0.5 * predicted.clamp(min=1e-30).log()
        factor = x.new_full((), self.log_factor[0])
        for i in range(len(self.log_std) - 1):
            run, rise = (v[i + 1] - v[i] for v in (self.log_std, self.log_factor))
            factor = factor + (rise / run) * (x - self.log_std[i]).clamp(0, run)
        return predicted * (2 * factor).exp()

    def stated(self) -> list[list[float]]:
        """Pairs of knot and value, as a checkpoint's header keeps them."""
        return [[round(x, 5), round(y, 5)] for x, y in zip(self.log_std, self.log_factor, strict=True)]


@dataclass(frozen=True)
class Calibration:
    """A map for measured pixels and one for inferred ones."""

    measured: Curve = Curve()
    inferred: Curve = Curve()

    def variance(self, predicted: Tensor, condition: Condition) -> Tensor:
        """The corrected variance of the answer to a condition; (N, 1, H, W)."""
        if self == IDENTITY:
            return predicted
        return torch.where(
            was_measured(condition), self.measured.variance(predicted), self.inferred.variance(predicted)
        )

    def stated(self) -> dict[str, list[list[float]]]:
        """As a checkpoint's header keeps it."""
        return {"measured": self.measured.stated(), "inferred": self.inferred.stated()}


#: What a prior without calibration has.
IDENTITY = Calibration()


def was_measured(condition: Condition) -> Tensor:
    """Where a pixel has a measurement of its own, (N, 1, H, W); nowhere behind an operator."""
    numbers = condition.descriptor
    if isinstance(numbers, Tensor):
        names = [f.name for f in fields(Descriptor)]
        direct = (numbers[:, [names.index(n) for n in OPERATOR]] == 0).all(1).reshape(-1, 1, 1, 1)
        return direct & (condition.reliability[:, :1] > 0)
    if any(getattr(numbers, n) for n in OPERATOR):
        return torch.zeros_like(condition.reliability[:, :1], dtype=torch.bool)
    return condition.reliability[:, :1] > 0


def read_calibration(stated: Any, where: str) -> Calibration:
    """The inverse of `Calibration.stated`; the identity for None, `MendemError` about ``where`` for nonsense."""
    if stated is None:
        return IDENTITY
    return Calibration(*(read_curve(stated, name, where) for name in ("measured", "inferred")))


def read_curve(stated: Any, name: str, where: str) -> Curve:
    """The curve of a name among those that weights state; `MendemError` about ``where`` for nonsense."""
    try:
        return _curve(stated[name])
    except (TypeError, ValueError, KeyError) as error:
        raise MendemError(
            f"{where}: its calibration of the spread is not one; calibrate it again or take other weights"
        ) from error


def _curve(stated: list[list[float]]) -> Curve:
    pairs = [(float(x), float(y)) for x, y in stated]
    if not all(abs(x) < 50 and abs(y) < 5 for x, y in pairs):
        raise ValueError("out of range")
    for (x0, y0), (x1, y1) in zip(pairs, pairs[1:], strict=False):
        if x1 <= x0 or x1 + y1 < x0 + y0 - 1e-4:
            raise ValueError("not rising")
    return Curve(tuple(x for x, _ in pairs), tuple(y for _, y in pairs))
