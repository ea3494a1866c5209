"""The ablation: each variant is a right recipe that differs in what its name says, and results are kept with care."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import ablation
from benchmarks.settings import Settings
from mendem.training.recipe import check_recipe, load_recipe


def test_every_variant_is_a_recipe_that_can_be_trained():
    recipe = load_recipe(ablation.RECIPE)
    before = json.dumps(recipe)
    made = {name: ablation.changed(recipe, changes) for name, changes in ablation.VARIANTS.items()}
    for name, other in made.items():
        check_recipe(other, name)
    assert json.dumps(recipe) == before
    assert len({json.dumps(m, sort_keys=True) for m in made.values()}) == len(made), "no two are the same"


@pytest.fixture
def settings(tmp_path, monkeypatch):
    (tmp_path / "data" / "train").mkdir(parents=True)
    monkeypatch.setattr(ablation, "pack_of", lambda *given: Path("pack.npz"))
    return Settings(tmp_path / "data", tmp_path / "kept", None, "em-small", 1, True, lambda text: None)


def answers(asked, fail_at=None):
    """What the measuring process says: a level of 20 dB, and more for each variant."""

    def measured(call, recipe, pack, folder, minutes, threads):
        assert call == "benchmarks.ablation:measure" and threads == 1
        asked.append(recipe)
        if len(asked) == fail_at:
            raise RuntimeError("the power went off")
        scores = {"psnr": 20.0 + len(asked) / 10, "loss": 1.0, "sampling": 1.0}
        return {"steps": 7, "parameters": 3_000_000, "binned": scores, "raw": scores}

    return measured


def test_what_was_measured_before_an_interruption_is_not_measured_again(settings, monkeypatch):
    asked = []
    monkeypatch.setattr(ablation, "measured", answers(asked, fail_at=4))
    with pytest.raises(RuntimeError):
        ablation.run(settings)
    monkeypatch.setattr(ablation, "measured", answers(asked))
    result = ablation.run(settings)
    assert len(asked) == len(ablation.VARIANTS) + 1, "the one that failed, twice"
    assert [r["variant"] for r in result["rows"]] == list(ablation.VARIANTS)
    ablation.run(settings)
    assert len(asked) == 2 * len(ablation.VARIANTS) + 1, "a whole result is not kept for the next run"


def test_what_was_measured_for_another_time_is_measured_again(settings, monkeypatch):
    asked = []
    monkeypatch.setattr(ablation, "measured", answers(asked, fail_at=4))
    with pytest.raises(RuntimeError):
        ablation.run(settings)
    asked.clear()
    monkeypatch.setattr(ablation, "measured", answers(asked))
    ablation.run(replace(settings, quick=False))
    assert len(asked) == len(ablation.VARIANTS)


def test_the_page_compares_with_the_base_and_says_what_chance_does(settings, monkeypatch):
    monkeypatch.setattr(ablation, "measured", answers([]))
    words, table = ablation.page(ablation.run(settings))
    assert "another seed alone moves the base by +0.10 dB" in words
    assert (
        len(table.splitlines()) == 2 + len(ablation.VARIANTS)
        and "| narrow 32-64-128 | 3.00 | 7 | 20.30 | +0.20 |" in table
    )
