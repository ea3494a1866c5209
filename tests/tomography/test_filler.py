"""Filling the missing wedge by total variation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mendem.errors import Cancelled
from mendem.tomography.filler import TvFiller
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.phantom import Ellipse, EllipsePhantom
from mendem.tomography.projector import Projector
from mendem.tomography.wbp import Wbp
from mendem.tomography.wedge import wedge_mask

GEOMETRY = SliceGeometry(tuple(range(-60, 61, 4)), (48, 48), 48)
PHANTOM = EllipsePhantom((Ellipse(1.0, 2, -3, 12, 9), Ellipse(0.7, -9, 8, 5, 7, 20)))


def _last(filler: TvFiller, sinograms: np.ndarray) -> np.ndarray:
    *_, answer = filler.fill(torch.from_numpy(sinograms), GEOMETRY, lambda: None)
    assert answer.std is None
    return answer.mean.numpy()


def _in_wedge(difference: np.ndarray) -> float:
    mask = wedge_mask(GEOMETRY.angles_deg, difference.shape)
    return float((np.abs(np.fft.fftshift(np.fft.fft2(difference))) ** 2)[mask].sum())


def test_tv_fills_more_of_the_wedge_of_a_flat_object_than_back_projection() -> None:
    data, truth = PHANTOM.project(GEOMETRY)[None], PHANTOM.image(GEOMETRY)
    (back,) = Wbp().iterates(Projector(GEOMETRY), torch.from_numpy(data))
    filled = _last(TvFiller().for_series(data, GEOMETRY), data)[0]
    # Back-projection leaves the wedge empty, which is an error of all there is; half of it is a loose bound for TV.
    assert _in_wedge(filled - truth) < 0.5 * _in_wedge(back[0].numpy() - truth)
    assert filled.min() >= 0


def test_once_it_knows_the_series_the_answer_for_a_slice_does_not_depend_on_the_others() -> None:
    noise = np.random.default_rng(0).normal(0, 0.3, (4, 1, 48)).astype(np.float32) * [[[1]], [[2]], [[4]], [[0]]]
    data = PHANTOM.project(GEOMETRY)[None] + noise.astype(np.float32)
    filler = TvFiller().for_series(data, GEOMETRY)
    together, alone = _last(filler, data), np.concatenate([_last(filler, data[i : i + 1]) for i in range(4)])
    # The same arithmetic in other batches: rounding only.
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_it_stops_when_asked() -> None:
    def check() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        list(TvFiller().fill(torch.zeros((1, len(GEOMETRY.angles_deg), 48)), GEOMETRY, check))
