"""Which filler serves a tilt series, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from mendem.errors import MendemError
from mendem.tomography.filler import Filled
from mendem.tomography.geometry import SliceGeometry
from mendem.tomography.phantom import ellipse_phantom
from mendem.tomography.projector import Projector
from mendem.tomography.slices import Rows
from mendem.wedge_filling import choice as choosing
from mendem.wedge_filling.choice import choose_filler

ANGLES = tuple(range(-60, 61, 6))
GEOMETRY = SliceGeometry(ANGLES, (20, 24), 24)
TRUTH = ellipse_phantom(20, 20).image(SliceGeometry(ANGLES, (20, 24), 24))


@dataclass(frozen=True)
class Known:
    """Answers every slice with the truth, or with ``factor`` of it."""

    factor: float
    name: str = "wedge-volume"
    halo: int = 1

    def for_series(self, sample: np.ndarray, geometry: SliceGeometry) -> Known:
        return replace(self)

    def fill(self, sinograms: torch.Tensor, geometry: SliceGeometry, check: Callable[[], None]) -> Iterator[Filled]:
        truth = torch.from_numpy(TRUTH).expand(len(sinograms) - 2, -1, -1)
        yield Filled(self.factor * truth, torch.ones_like(truth))


@pytest.fixture
def rows() -> Rows:
    seen = Projector(GEOMETRY).forward(torch.from_numpy(TRUTH)).numpy()
    noise = np.random.default_rng(0).normal(0, 0.2, (len(ANGLES), 5, 24))
    return Rows((seen[:, None] + noise).astype(np.float32))


def choose(rows: Rows, wanted: str = "auto"):
    return choose_filler(wanted, rows, GEOMETRY, True, "cpu", lambda: None)


def install(monkeypatch, factor: float | None) -> None:
    known = None if factor is None else Known(factor)
    monkeypatch.setattr(choosing, "network_filler", lambda isolated, device: known)


def test_a_network_that_foresees_hidden_tilts_fills(rows, monkeypatch):
    install(monkeypatch, 1.0)
    choice = choose(rows)
    assert choice.filler.name == "wedge-volume" and "better by the network" in choice.notes[0]
    assert np.mean(choice.found["judged"]["network"]) < np.mean(choice.found["judged"]["tv"])


def test_a_network_that_does_not_gives_way_to_total_variation_and_it_is_said(rows, monkeypatch):
    install(monkeypatch, 0.3)
    choice = choose(rows)
    assert choice.filler.name == "tv" and choice.notes[0].startswith("Filled by total variation")
    assert "no spread" in choice.notes[1]


def test_who_asks_for_one_gets_it(rows, monkeypatch):
    install(monkeypatch, 0.3)
    assert choose(rows, "network").filler.name == "wedge-volume"
    install(monkeypatch, 1.0)
    assert choose(rows, "tv").filler.name == "tv"


def test_without_the_network_total_variation_fills_and_it_is_said(rows, monkeypatch):
    install(monkeypatch, None)
    choice = choose(rows)
    assert choice.filler.name == "tv" and "not installed" in choice.notes[0]
    with pytest.raises(MendemError, match="not installed"):
        choose(rows, "network")
