"""Coverage by decile and widths of intervals, on errors whose distribution is known."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from benchmarks import calibration, reliability  # noqa: E402
from benchmarks.settings import Settings  # noqa: E402


def case(group: str, level: float, claimed: float = 1.0, seed: int = 0) -> dict:
    """A row as the section on quality leaves it: spreads over a factor of ten, ``claimed`` times what is right."""
    rng = np.random.default_rng(seed)
    right = level * np.exp(rng.uniform(0, np.log(10), (100, 100)))
    pixels = reliability.some(right * rng.standard_normal(right.shape), claimed * right, np.zeros(right.shape))
    return {"group": group, "noise": "white", "level": level, "chi2": 1.0, "coverage": 0.9, "pixels": pixels}


@pytest.fixture
def settings(tmp_path) -> Settings:
    rows = [case("a", 1.0), case("a", 2.0, seed=1), case("b", 1.0, claimed=0.5), case("noisy truths", 1.0, 0.1)]
    reliability.keep(tmp_path, "quality", rows)
    assert not any("pixels" in row for row in rows), "pixels do not go into the JSON file"
    (tmp_path / "quality.json").write_text(json.dumps({"result": {"rows": rows}}))
    return Settings(tmp_path, tmp_path, None, "em-small", 1, True, print)


def test_right_spreads_hold_nine_tenths_in_every_decile_and_halved_ones_fewer(settings):
    found = {r["cases"]: r for r in calibration.run(settings)["deciles"]}
    assert np.abs(np.array(found["a"]["coverage"]) - 0.9).max() < 0.04
    assert np.abs(np.array(found["b"]["coverage"]) - 0.589).max() < 0.08  # of a Gaussian, within 0.8225 deviations
    ratio = np.array(found["b"]["right spread"]) / found["b"]["spread"]
    assert ratio == pytest.approx(np.full(10, 2.0), rel=0.15)
    assert found["denoising, all"]["count"] == 3, "noisy truths are left out"


def test_intervals_of_one_width_are_wider_where_spreads_differ():
    rng = np.random.default_rng(0)
    spread = np.exp(rng.uniform(0, np.log(10), 100000))
    error = spread * rng.standard_normal(spread.size)
    assert reliability.width_ratio(error, spread) < 0.9
    assert reliability.width_ratio(error / spread, np.ones_like(spread)) == pytest.approx(1.0, abs=0.02)


def test_the_section_is_written_drawn_and_judged(settings, tmp_path):
    pytest.importorskip("matplotlib")
    result = calibration.run(settings)
    words = "\n\n".join(calibration.page(result))
    assert "| a | 2 |" in words and "one width for all" in words
    assert calibration.draw(result, tmp_path / "plot.png") and (tmp_path / "plot.png").stat().st_size > 5000
    assert [met for *_, met in calibration.aims(result)][0] is False
    (tmp_path / "quality-pixels.npz").unlink()
    bare = calibration.run(settings)
    assert not calibration.draw(bare, tmp_path / "none.png") and calibration.aims(bare) == []
    assert calibration.page(bare)
