"""Projections of macromolecular densities, crowded as in vitrified cells: smooth blobs on smooth grounds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.ndimage import affine_transform, gaussian_filter
from scipy.spatial.transform import Rotation

#: Turned views of each density.
VIEWS = 6


def projections(folder: Path, seed: int = 0) -> list[np.ndarray]:
    """Each density of ``folder`` (MRC) turned at random and summed along the beam, `VIEWS` times, float32."""
    from mendem.io import read

    rng = np.random.default_rng(seed)
    views = []
    for path in sorted(folder.glob("*.mrc")):
        density = np.asarray(read(path).data, np.float32)
        density = np.clip(density - np.median(density), 0, None)
        centre = (np.array(density.shape) - 1) / 2
        for turn in Rotation.random(VIEWS, random_state=int(rng.integers(2**31))):
            matrix = turn.as_matrix()
            turned = affine_transform(density, matrix, centre - matrix @ centre, order=1)
            view = turned.sum(0)
            views.append(view / max(float(view.max()), 1e-6))
    return views


def crowd(views: list[np.ndarray], seed: int, size: int = 256) -> np.ndarray:
    """Many projections over one another on an uneven ground, (size, size) float32, mean 0 and variance 1."""
    rng = np.random.default_rng(seed)
    margin = max(max(v.shape) for v in views)
    picture = np.zeros((size + 2 * margin,) * 2, np.float32)
    kinds = rng.choice(len(views), rng.integers(3, 40))
    for i in rng.choice(kinds, int(10 ** rng.uniform(1, 2.7))):
        view = views[i]
        y, x = rng.integers(0, size + margin, 2)
        picture[y : y + view.shape[0], x : x + view.shape[1]] += view * rng.uniform(0.3, 1)
    picture = picture[margin:-margin, margin:-margin]
    picture = picture / (picture.std() + 1e-6)
    ground = gaussian_filter(rng.standard_normal(picture.shape).astype(np.float32), rng.uniform(8, 60), mode="wrap")
    picture += rng.uniform(0, 1) * ground / ground.std()
    return ((picture - picture.mean()) / (picture.std() + 1e-6)).astype(np.float32)
