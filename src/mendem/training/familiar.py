"""What training pictures look like to a prior: the reference of `mendem.appraisal.novelty`.

    python -m mendem.training.familiar WEIGHTS --data PATH [--out FILE]

fits it anew for weights that exist, from the folder or the pack of pictures that they were trained on.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from mendem.appraisal.novelty import Reference, Seen, look, read_windows
from mendem.appraisal.statistics import NAMES
from mendem.image import Image
from mendem.normalise import estimate_normalisation
from mendem.physics.noise import NoiseModel
from mendem.priors.network import UNet
from mendem.priors.network_prior import NetworkPrior
from mendem.priors.prior import Coverage
from mendem.training.pool import Source

#: Pictures of each kind; their side, which gives one window; and the smallest side of a picture that is used.
EACH, SIDE, SMALLEST_SIDE = 60, 190, 64
#: Noise over the picture's standard deviation, the error of what is believed of it, and share of correlated noise.
LEVEL, JITTER, CORRELATED = (0.04, 1.5), 0.1, 0.4
#: Half of the pictures are magnified within this range.
MAGNIFIED = (0.5, 2.0)
#: Pictures that resemble no micrograph: they train a prior, and make nothing familiar. With them, mouse and cryo are
#: told from fly with an AUC of 0.88 (novelty) and 0.92 (risk), without them with 0.92 and 0.94 (known noise of 10 %).
ABSTRACT = ("shapes", "phantoms")
#: Share of the training pictures that is below 1, by how much correlations are drawn to 0, and into how many parts the
#: pictures are divided, each of which is judged by the others.
ORDINARY, SHRINKAGE, FOLDS = 0.95, 0.1, 5


def fit(network: UNet, sources: list[Source], each: int = EACH, seed: int = 0, device: str = "cpu") -> Reference:
    """The reference for a network, from ``each`` pictures of every source; the same for the same arguments.

    Sources that are `ABSTRACT` count only where there are no others. The units come from pictures that were left out: a
    part of them is judged by what the others look like.
    """
    prior = NetworkPrior(network, Coverage((0.0, np.inf), (), ()), device=device)
    rng = np.random.default_rng(seed)
    parts, kinds, folds = [], [], []
    for source in [s for s in sources if s.name not in ABSTRACT and s.arrays] or sources:
        pictures = [p for p in source.pictures if min(p.shape) >= SMALLEST_SIDE]
        chosen = rng.permutation(len(pictures))
        for i in range(each if pictures else 0):
            which = int(chosen[i % len(chosen)])
            parts.append(_seen(draw(pictures[which], rng), prior, rng, device))
            kinds.append(source.name)
            folds.append(i % len(chosen) % FOLDS)
    seen = Seen(*(np.concatenate([getattr(p, name) for p in parts]) for name in ("numbers", "level", "error")))
    kind, fold = np.unique(kinds, return_inverse=True)[1], np.array(folds)
    distance, harm = np.zeros(len(kind)), np.zeros(len(kind))
    for left_out in np.unique(fold):
        mine = fold == left_out
        rest = _fitted(_some(seen, ~mine), kind[~mine]) if not mine.all() else _fitted(seen, kind)
        distance[mine], harm[mine] = rest.distance(_some(seen, mine)), rest.harm(_some(seen, mine))
    units = np.quantile([distance, distance * harm], ORDINARY, axis=1)
    return _fitted(seen, kind, units)


def draw(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A part of a picture of about `SIDE` pixels, float64, at its own size or magnified."""
    zoom = 1.0 if rng.uniform() < 0.5 else float(np.exp(rng.uniform(*np.log(MAGNIFIED))))
    side = int(np.ceil(SIDE / zoom))
    y, x = (int(rng.integers(max(1, n - side + 1))) for n in picture.shape)
    part = np.asarray(picture[y : y + side, x : x + side], np.float32)
    if zoom == 1:
        return part.astype(np.float64)
    size = [min(SIDE, max(1, round(n * zoom))) for n in part.shape]
    cut = torch.from_numpy(np.ascontiguousarray(part))[None, None]
    bigger = F.interpolate(cut, size=size, mode="bicubic", align_corners=False, antialias=zoom < 1)
    return bigger[0, 0].double().numpy()


def _seen(clean: np.ndarray, prior: NetworkPrior, rng: np.random.Generator, device: str) -> Seen:
    """One picture with noise, as the prior sees it."""
    std = float(np.exp(rng.uniform(*np.log(LEVEL)))) * max(float(clean.std()), 1e-6)
    noise = rng.standard_normal(clean.shape)
    if rng.uniform() < CORRELATED:
        reach = rng.uniform(0.3, 0.9)
        f_y, f_x = np.fft.fftfreq(clean.shape[0])[:, None], np.fft.rfftfreq(clean.shape[1])
        low_pass = np.exp(-2 * (np.pi * reach) ** 2 * (f_y**2 + f_x**2))
        noise = np.fft.irfft2(np.fft.rfft2(noise) * low_pass, s=clean.shape)
        noise /= noise.std()
    lag = (float((noise[1:] * noise[:-1]).mean()), float((noise[:, 1:] * noise[:, :-1]).mean()))
    image = Image((clean + std * noise).astype(np.float32))
    norm = estimate_normalisation(image)
    believed = NoiseModel(offset=(std * float(np.exp(JITTER * rng.standard_normal()))) ** 2, correlation=lag)
    windows = read_windows(image)
    assert windows is not None
    return look(norm.apply(windows[:1]), believed.affine(norm.centre, norm.scale), prior, device)


def _fitted(seen: Seen, kind: np.ndarray, units: np.ndarray | None = None) -> Reference:
    """Least squares of each statistic on the kind and on the noise level, and the covariance of what is left."""
    kinds = int(kind.max()) + 1
    design = np.concatenate([np.eye(kinds)[kind], np.stack([seen.level, seen.level**2], axis=1)], axis=1)
    found = np.linalg.lstsq(design, seen.numbers, rcond=None)[0]
    left = seen.numbers - design @ found
    scale = left.std(0) + 1e-6
    correlation = (left / scale).T @ (left / scale) / len(left)
    shrunk = (1 - SHRINKAGE) * correlation + SHRINKAGE * np.eye(len(NAMES))
    levels = np.array([seen.level.min(), seen.level.max()])
    error = np.polyfit(seen.level, seen.error, 2)
    ones = np.ones(2) if units is None else units
    return Reference(found[:kinds], found[kinds:], scale, np.linalg.inv(shrunk), error, levels, ones)


def _some(seen: Seen, chosen: np.ndarray) -> Seen:
    return Seen(seen.numbers[chosen], seen.level[chosen], seen.error[chosen])


def refit(weights: Path, sources: list[Source], target: Path, each: int = EACH) -> Reference:
    """Fit the reference of existing weights, and write them with it; all else in the file stays as it is."""
    from safetensors.torch import load_file, save_file

    from mendem.priors.checkpoint import load, read_header, write_header

    reference = fit(load(weights)[0], sources, each)
    header = write_header({**read_header(weights), "familiar": reference.facts()})
    save_file(load_file(weights), target, header)
    return reference


def main() -> None:
    from mendem.priors.checkpoint import read_header
    from mendem.training.pack import training_sources

    parser = argparse.ArgumentParser(prog="python -m mendem.training.familiar", description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("--data", type=Path, required=True, help="folder or pack of the training pictures")
    parser.add_argument("--out", type=Path, help="where to write (default: in place)")
    given = parser.parse_args()
    sources = training_sources(given.data, read_header(given.weights)["recipe"]["data"])
    reference = refit(given.weights, sources, given.out or given.weights)
    print(f"{given.out or given.weights} written; it tells now how unlike its training an image is ({reference.units})")


if __name__ == "__main__":
    main()
