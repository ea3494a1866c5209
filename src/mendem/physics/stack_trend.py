"""What varies from section to section by itself, told from what varies along a stack as the specimen does."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

#: Variance of the jitter over that of a step of the trend; share of a step's variance that is independent of the steps
#: before; correlation of neighbouring steps of the other part.
JITTER, INDEPENDENT, PERSISTENT = np.geomspace(0.05, 200, 8), (0.0, 0.05, 0.2, 0.5, 1.0), (0.5, 0.8, 0.95)
#: Windows of sections are judged by themselves: their length, and by how much they overlap.
WINDOW, OVERLAP = 96, 32
#: Logarithm of the evidence (Bayes factor) from which on there is jitter: 10 to 1.
EVIDENT = 2.3
#: A step is a jump where it is so many times as far from the steps around it as is usual; steps on either side of it.
JUMP, AROUND = 8.0, 5
#: Fewer sections tell no jitter, and no jumps.
FEWEST, FEWEST_JUMPS = 6, 12


@dataclass(frozen=True, eq=False)
class Jitter:
    """What of a measured course belongs to single sections.

    Attributes
    ----------
    values
        (sections, quantities): jitter, and jumps, where they are evident; 0 elsewhere.
    evidence
        Logarithm of the Bayes factor for jitter over none, all quantities and windows together.
    """

    values: np.ndarray
    evidence: float


def jitter_of(
    measured: np.ndarray, at: np.ndarray, jump: float, least: float, sure: np.ndarray | bool = True
) -> Jitter:
    """The part of a measured course that is jitter, or a jump, and not a trend.

    The course is the sum of white jitter and of a trend, the sum of steps that are partly independent and partly go on
    as the ones before do (an autoregressive process), with a line of any slope. All relative variances of a grid are
    weighed by their likelihood (restricted: the line is projected out, the common scale too), which gives the evidence
    for jitter as well as its posterior mean; what belongs to the trend by that likelihood stays. Slopes of oblique
    structures are trend; so are slow changes of brightness and contrast.

    Parameters
    ----------
    measured
        (sections, quantities); quantities of one kind, as y and x, which are jittered together or not at all.
    at
        (sections,) integers, places along z in ascending order.
    jump
        Steps smaller than this are no jumps.
    least
        Jitter whose root mean square is below this is left alone.
    sure
        (sections - 1,) bool, steps that are known well enough to be jumps.
    """
    count = len(at)
    values = np.zeros(measured.shape)
    if count < FEWEST:
        return Jitter(values, 0.0)
    steps = np.stack([_jumps(m, jump) for m in measured.T], 1)
    smooth = measured - _added_up(steps)  # a jump, sure or not, says nothing of the jitter
    jumps = _added_up(steps * np.broadcast_to(sure, count - 1)[:, None])
    evidence, parts = 0.0, []
    for window in _windows(count):
        models = _models(tuple((at[window] - at[window][0]).tolist()))
        for quantity in range(measured.shape[1]):
            found, log_bayes = models.jitter(smooth[window, quantity])
            evidence += log_bayes
            parts.append((window, quantity, found))
    if evidence > EVIDENT:
        share = np.zeros(measured.shape)
        for window, quantity, found in parts:
            weight = _weight(window, count)
            values[window, quantity] += weight * found
            share[window, quantity] += weight
        values /= share
        if float(np.sqrt((values**2).mean())) < least:
            values[:] = 0
    return Jitter(values + jumps, evidence)


def _windows(count: int) -> list[slice]:
    """Overlapping windows that cover all sections."""
    if count <= WINDOW + OVERLAP:
        return [slice(0, count)]
    starts = np.linspace(0, count - WINDOW, -(-(count - OVERLAP) // (WINDOW - OVERLAP))).astype(int)
    return [slice(int(s), int(s) + WINDOW) for s in starts]


def _weight(window: slice, count: int) -> np.ndarray:
    """How much each section of a window counts where windows overlap: less near its ends, unless the stack ends too."""
    place = np.arange(window.start, window.stop)
    left = np.where(window.start == 0, OVERLAP, place - window.start + 1)
    right = np.where(window.stop == count, OVERLAP, window.stop - place)
    return np.minimum(np.minimum(left, right), OVERLAP) / OVERLAP


def _jumps(course: np.ndarray, least: float) -> np.ndarray:
    """Steps (sections - 1,) that stand out from the ones around them, less what is usual there; 0 for the others."""
    from scipy.ndimage import median_filter

    steps = np.diff(course)
    if len(course) < FEWEST_JUMPS:
        return np.zeros(len(steps))
    away = steps - median_filter(steps, size=2 * AROUND + 1, mode="nearest")
    spread = 1.4826 * float(np.median(np.abs(away)))
    return np.where(np.abs(away) > max(JUMP * spread, least), away, 0.0)


def _added_up(steps: np.ndarray) -> np.ndarray:
    """Course (sections, quantities) whose steps are given, 0 where most sections are."""
    course = np.concatenate([np.zeros((1, steps.shape[1])), np.cumsum(steps, 0)])
    return np.asarray(course - np.median(course, 0))


@dataclass(frozen=True, eq=False)
class _Models:
    """All relative variances of the grid for sections at given places.

    Attributes
    ----------
    whiten
        (models, contrasts, sections): turns a course into independent numbers of one variance; lines into nothing.
    log_root
        (models,) logarithm of the root of the determinant.
    pull
        (models, sections, contrasts): posterior mean of the jitter from those numbers.
    jittered
        (models,) bool.
    """

    whiten: np.ndarray
    log_root: np.ndarray
    pull: np.ndarray
    jittered: np.ndarray

    @classmethod
    def of(cls, at: np.ndarray) -> _Models:
        """For sections at ``at``, integers from 0 on."""
        count, last = len(at), int(at[-1])
        line = np.stack([np.ones(count), at - at.mean()], 1)
        contrasts = np.linalg.qr(line, mode="complete")[0][:, 2:]
        lags = np.abs(np.subtract.outer(np.arange(last), np.arange(last)))
        add_up = np.tri(last + 1, last, -1)[at]
        whiten, roots, pull, jittered = [], [], [], []
        for independent in INDEPENDENT:
            for persistent in PERSISTENT if independent < 1 else PERSISTENT[:1]:
                steps = independent * np.eye(last) + (1 - independent) * persistent**lags
                trend = contrasts.T @ add_up @ steps @ add_up.T @ contrasts
                for jitter in (0.0, *JITTER):
                    root = np.linalg.cholesky(trend + (jitter + 1e-6) * np.eye(count - 2))
                    inverse = np.linalg.inv(root)
                    whiten.append(inverse @ contrasts.T)
                    roots.append(float(np.log(np.diag(root)).sum()))
                    pull.append(jitter * contrasts @ inverse.T)
                    jittered.append(jitter > 0)
        return cls(np.stack(whiten), np.array(roots), np.stack(pull), np.array(jittered))

    def jitter(self, course: np.ndarray) -> tuple[np.ndarray, float]:
        """Posterior mean (sections,) of the jitter given that there is some, and the log of the Bayes factor for it."""
        numbers = self.whiten @ course
        power = np.maximum((numbers**2).sum(1), 1e-300)
        log_likelihood = -0.5 * numbers.shape[1] * np.log(power) - self.log_root
        weight = np.exp(log_likelihood - log_likelihood.max())
        with_jitter, without = weight[self.jittered], weight[~self.jittered]
        mean = np.einsum(
            "m,msc,mc->s", with_jitter / with_jitter.sum(), self.pull[self.jittered], numbers[self.jittered]
        )
        return mean, float(np.log(max(with_jitter.mean(), 1e-300)) - np.log(max(without.mean(), 1e-300)))


@functools.lru_cache(maxsize=2)
def _models(at: tuple[int, ...]) -> _Models:
    """The same for all windows and quantities: most windows have all their sections."""
    return _Models.of(np.array(at))
