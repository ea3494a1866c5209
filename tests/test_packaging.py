"""The sdist, the wheel and an editable install each carry the manifest and the weights to where they are looked for."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def built(root, tmp_path_factory) -> Path:
    """A folder with the sdist, and with the wheel built from it."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(root)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    with zipfile.ZipFile(next(built.glob("*.whl"))) as archive:
        yield archive


def test_the_wheel_has_the_manifest_where_the_entry_point_looks(wheel, root):
    assert wheel.read("napari_mendem/napari.yaml") == (root / "napari.yaml").read_bytes()


def test_the_wheel_has_every_model(wheel, root):
    models = root / "models"
    files = [path.relative_to(models).as_posix() for path in models.glob("*/*") if path.is_file()]
    assert any(name.endswith("/weights.safetensors") for name in files)
    for name in files:
        assert wheel.read(f"mendem/models/{name}") == (models / name).read_bytes()


def test_the_wheel_has_every_module_once_and_nothing_else(wheel, root):
    names = wheel.namelist()
    assert len(names) == len(set(names))
    assert {name.split("/")[0] for name in names} == {"mendem", "napari_mendem", "napari_mendem-0.1.0.dist-info"}
    modules = {path.relative_to(root / "src").as_posix() for path in (root / "src").rglob("*.py")}
    assert modules == {name for name in names if name.endswith(".py") and "/models/" not in name}
    assert "mendem/py.typed" in names


def test_the_wheel_asks_for_no_qt_binding(wheel):
    metadata = wheel.read("napari_mendem-0.1.0.dist-info/METADATA").decode()
    needed = [
        line.lower() for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra ==" not in line
    ]
    assert needed
    assert not [line for line in needed if "pyqt" in line or "pyside" in line or "torchvision" in line]


def test_the_sdist_has_what_the_tests_need(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"napari.yaml", "hatch_build.py", "LICENSE", "tests/conftest.py", "scripts/test.sh"} <= names
    assert any(name.startswith("models/") for name in names)


@pytest.mark.parametrize("before", ["nothing", "link", "copy"])
def test_an_editable_install_links_the_carried_files(root, tmp_path, before):
    pytest.importorskip("hatchling")
    spec = importlib.util.spec_from_file_location("hatch_build", root / "hatch_build.py")
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "card.md").write_text("new")
    target = tmp_path / "src" / "models"
    target.parent.mkdir()
    if before == "link":
        target.symlink_to("elsewhere")
    elif before == "copy":
        target.mkdir()
        (target / "card.md").write_text("old")
    hook.link(tmp_path / "models", target)
    assert (target / "card.md").read_text() == "new"
