"""A recipe is checked when it is read: what is wrong is said before anything is trained, with its place."""

import copy
import tomllib

import pytest

from mendem.errors import MendemError
from mendem.training.recipe import check_recipe, load_recipe

GOOD = {
    "network": {"widths": [8, 16], "blocks": [1, 1], "descriptor": 16},
    "data": {"shapes": 2, "tissue": 0},
    "train": {"batch": 5, "patch": 32, "rate": 1e-3, "ema": 0.9, "absent": 0.5, "seed": 0},
    "coverage": {"pixel_nm": [6.0, 40.0], "modalities": ["SEM"], "degradations": ["noise"]},
}


def with_value(table, key, value):
    recipe = copy.deepcopy(GOOD)
    recipe.setdefault(table, {})[key] = value
    return recipe


def test_the_recipes_that_are_shipped_are_right(root):
    found = [*(root / "models").glob("*/recipe.toml"), *(root / "scripts" / "recipes").glob("*.toml")]
    assert len(found) >= 3
    for path in found:
        assert load_recipe(path) == tomllib.loads(path.read_text())


@pytest.mark.parametrize(
    ("table", "key", "value", "wanted"),
    [
        ("network", "widths", 48, "a list of 1 to 5 whole numbers"),
        ("network", "widths", [8, 16.5], "whole numbers"),
        ("network", "blocks", [1, 0], "from 1 to 64"),
        ("network", "descriptor", 12, "one of 16"),
        ("network", "fold", True, "one of 1, 2, 4"),
        ("data", "shapes", -1, "from 0"),
        ("data", "targets", "sharpened", "binned, raw, neighbours"),
        ("train", "batch", "20", "a whole number"),
        ("train", "rate", float("nan"), "a number"),
        ("train", "ema", 1, "to 0.999999"),
        ("train", "absent", 1.5, "a number from 0 to 1"),
        ("train", "weighting", "strange", "relative, posterior, signal"),
        ("train", "minutes", 0, "above 0"),
        ("train", "compile", 1, "true or false"),
        ("coverage", "pixel_nm", 8.0, "a list of two numbers"),
        ("coverage", "pixel_nm", [40.0, 6.0], "the smaller first"),
        ("coverage", "modalities", "SEM", "a list of texts"),
        ("degrade", "blur", "often", "a number from 0"),
        ("degrade", "less_noise", 0.5, "a list of two numbers"),
    ],
)
def test_a_wrong_value_is_named_with_its_file_table_and_key(table, key, value, wanted):
    with pytest.raises(MendemError) as caught:
        check_recipe(with_value(table, key, value), "mine.toml")
    said = str(caught.value)
    assert all(words in said for words in ("mine.toml", f"[{table}]", key, repr(value), wanted)) and "\n" not in said


@pytest.mark.parametrize(
    ("table", "key", "value", "words"),
    [
        ("network", "width", [8], "no entry 'width'"),
        ("train", "bacth", 3, "no entry 'bacth'"),
        ("degrade", "rain", 1, "no entry 'rain'"),
        ("degrade", "draws", {"snow": 1}, "[degrade.draws] has no entry 'snow'"),
        ("degrade", "draws", {"level": 1}, "[degrade.draws], level is 1"),
        ("degrade", "draws", 3, "must be a table"),
        ("weather", "rain", 1, "no table"),
        ("network", "blocks", [1, 1, 1], "the same length"),
        ("train", "patch", 36, "a multiple of 8"),
        ("noise", "widths", [4], "'network' is no table"),
    ],
)
def test_what_does_not_belong_or_fit_is_refused(table, key, value, words):
    with pytest.raises(MendemError, match="mine.toml") as caught:
        check_recipe(with_value(table, key, value), "mine.toml")
    assert words in str(caught.value)


def test_a_deeper_network_wants_larger_patches():
    recipe = with_value("network", "widths", [8, 8, 8, 8])
    recipe["network"]["blocks"] = [1, 1, 1, 1]
    recipe["train"]["patch"] = 40
    with pytest.raises(MendemError, match="multiple of 16"):
        check_recipe(recipe, "mine.toml")


def test_observing_nothing_at_all_is_refused():
    nothing = dict.fromkeys(("noise", "fill", "block", "skip", "blur"), 0)
    with pytest.raises(MendemError, match="all shares are 0"):
        check_recipe({**GOOD, "degrade": nothing}, "mine.toml")
    check_recipe({**GOOD, "degrade": {**nothing, "blur": 0.1}}, "mine.toml")


def test_a_table_that_is_none_and_a_table_that_is_absent_are_told_apart():
    with pytest.raises(MendemError, match="network is 3, but must be a table"):
        check_recipe({**GOOD, "network": 3}, "mine.toml")
    without = {name: table for name, table in GOOD.items() if name != "coverage"}
    with pytest.raises(MendemError, match=r"\[coverage\] lacks pixel_nm, modalities, degradations"):
        check_recipe(without, "mine.toml")
