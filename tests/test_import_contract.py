"""Who may import whom: the levels of `docs/architecture.md`, read from the source without running it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

SRC = Path(__file__).resolve().parents[1] / "src"

#: Level of each room, `mendem.<room>`. A module imports from its own level and from those below.
LEVELS = {
    "image": 0,
    "errors": 0,
    "options": 0,
    "wording": 0,
    "io": 1,
    "normalise": 1,
    "blocks": 1,
    "noise_hash": 1,
    "stored": 1,
    "pace": 1,
    "device": 1,
    "priors": 2,
    "physics": 2,
    "tomography": 2,
    "appraisal": 2,
    "simulate": 2,
    "sampling": 3,
    "tasks": 4,
    "noise_refinement": 4,
    "resampling": 4,
    "engine": 4,
    "slices": 4,
    "volumes": 4,
    "execution": 4,
    "measured": 4,
    "outcome": 4,
    "provenance": 4,
    "restoration": 4,
    "negative_control": 4,
    "streaming": 4,
    "fingerprint": 4,
    "decisions": 4,
    "journal": 4,
    "unreached": 4,
    "cluster": 4,
    "cluster_worker": 4,
    "presets": 4,
    "batch": 4,
    "tomogram": 4,
    "wedge_filling": 4,
    "training": 5,
    "cli": 6,
    "__main__": 6,
}
#: `mendem` itself, which re-exports the engine to its users.
FACADE = 4
PLUGIN = 6

GUI = {"napari", "qtpy", "magicgui", "superqt", "npe2", "app_model", "vispy"} | {
    f"{binding}{version}" for binding in ("PyQt", "PySide") for version in (5, 6)
}
#: Too slow for what napari imports at its start, or when a widget opens.
HEAVY = {"torch", "scipy", "skimage"}


class Import(NamedTuple):
    name: str  # dotted; for `from a import b` it is a.b
    line: int
    at_load: bool  # runs when the module is imported: neither in a function nor for type checking only


def imports_of(source: str, package: str) -> list[Import]:
    """Every import in `source`, a module of `package`: statements, made absolute, and modules called by their name."""

    def visit(node: ast.AST, at_load: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, at_load) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            yield from (Import(f"{base}.{alias.name}", node.lineno, at_load) for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.body:
                yield from visit(child, False)
            for child in node.orelse:
                yield from visit(child, at_load)
        else:
            called = ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
            if called in ("import_module", "__import__"):
                names = [a.value for a in node.args[:1] if isinstance(a, ast.Constant) and isinstance(a.value, str)]
                yield from (Import(name, node.lineno, at_load) for name in names)
            inside = at_load and not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            for child in ast.iter_child_nodes(node):
                yield from visit(child, inside)

    return list(visit(ast.parse(source), True))


def read_modules() -> dict[str, list[Import]]:
    """Imports of each module under `src`, by dotted name."""
    modules = {}
    for path in sorted(SRC.rglob("*.py")):
        parts = path.relative_to(SRC).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        package = name if is_package else name.rpartition(".")[0]
        modules[name] = imports_of(path.read_text(encoding="utf-8"), package)
    return modules


MODULES = read_modules()


def level_of(name: str) -> int | None:
    """Level of a dotted name in either of our packages; None for one outside."""
    top, _, rest = name.partition(".")
    if top == "napari_mendem":
        return PLUGIN
    if top != "mendem":
        return None
    room = rest.partition(".")[0]
    if room == "__version__":
        return 0
    if f"mendem.{room}" in MODULES:
        return LEVELS.get(room, FACADE)
    return FACADE


def test_every_room_has_a_level():
    rooms = {name.split(".")[1] for name in MODULES if name.startswith("mendem.")}
    assert rooms <= LEVELS.keys(), "give the new room a level, here and in docs/architecture.md"


def test_the_levels_are_those_of_the_documentation(root):
    page = (root / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d) \| (.+?) \|", page, flags=re.MULTILINE)
    documented = {room: int(level) for level, cell in rows for room in re.findall(r"`(\w+)`", cell)}
    assert documented.pop("napari_mendem") == PLUGIN
    assert documented, "the page has lost its table"
    assert documented == {room: LEVELS.get(room) for room in documented}


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down(module):
    level = level_of(module)
    upward = [
        f"line {found.line}: {found.name}"
        for found in MODULES[module]
        if (target := level_of(found.name)) is not None and target > level
    ]
    assert not upward


@pytest.mark.parametrize("module", [name for name in MODULES if name.split(".")[0] == "mendem"])
def test_the_science_imports_no_gui(module):
    assert not [found for found in MODULES[module] if found.name.split(".")[0] in GUI]


def test_nothing_imports_torchvision():
    # Its CPU build does not exist everywhere, and importing it then raises.
    assert not [(name, f) for name, found in MODULES.items() for f in found if f.name.split(".")[0] == "torchvision"]


def test_what_the_manifest_names_loads_without_the_heavy_libraries(root):
    manifest = yaml.safe_load((root / "napari.yaml").read_text(encoding="utf-8"))
    commands = manifest["contributions"]["commands"]
    to_load = {command["python_name"].partition(":")[0] for command in commands}
    loaded: set[str] = set()
    heavy = []
    while to_load:
        name = to_load.pop()
        loaded.add(name)
        parents = {name.rsplit(".", i)[0] for i in range(1, name.count(".") + 1)}
        to_load |= {parent for parent in parents if parent in MODULES} - loaded
        for found in MODULES.get(name, ()):
            if not found.at_load:
                continue
            if found.name.split(".")[0] in HEAVY:
                heavy.append(f"{name}, line {found.line}: {found.name}")
            # `from a import b` loads a, and a.b where that is a module.
            to_load |= {n for n in (found.name, found.name.rpartition(".")[0]) if n in MODULES} - loaded
    assert not heavy


def test_the_reader_of_imports_sees_all_kinds():
    source = """
import torch.nn, numpy as np
from . import sibling
from ..physics.blur import Blur
if TYPE_CHECKING:
    from napari import Viewer
try:
    import dask
except ImportError:
    pass
class Room:
    import scipy
def late():
    import skimage
    importlib.import_module("mendem.engine").prepare
"""
    found = {(f.name, f.at_load) for f in imports_of(source, "mendem.tasks")}
    assert found == {
        ("torch.nn", True),
        ("numpy", True),
        ("mendem.tasks.sibling", True),
        ("mendem.physics.blur.Blur", True),
        ("napari.Viewer", False),
        ("dask", True),
        ("scipy", True),
        ("skimage", False),
        ("mendem.engine", False),
    }
