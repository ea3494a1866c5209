"""`napari.yaml`: everything it names exists, and reading it costs nothing."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from npe2 import PluginManifest
from npe2.manifest.contributions import MenuCommand
from npe2.manifest.utils import import_python_name

MANIFEST = Path(__file__).resolve().parents[1] / "napari.yaml"
PLUGIN = PluginManifest.from_file(MANIFEST)
COMMANDS = {command.id: command for command in PLUGIN.contributions.commands}
WIDGETS = {widget.command: widget for widget in PLUGIN.contributions.widgets}


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("python_name", sorted({command.python_name for command in COMMANDS.values()}))
def test_every_python_name_can_be_called(python_name):
    assert callable(import_python_name(python_name))


def test_the_installed_plugin_has_this_manifest():
    (entry,) = [e for e in entry_points(group="napari.manifest") if e.name == "napari-mendem"]
    package, _, file = entry.value.partition(":")
    installed = run_python(
        "from importlib.util import find_spec; from pathlib import Path;"
        f"print(Path(find_spec({package!r}).submodule_search_locations[0], {file!r}))"
    )
    assert Path(installed).read_bytes() == MANIFEST.read_bytes()


def test_reading_the_manifest_and_importing_the_plugin_loads_nothing_heavy():
    loaded = run_python(
        "import sys; from npe2 import PluginManifest; PluginManifest.from_distribution('napari-mendem');"
        "import napari_mendem; print(*({'torch', 'scipy', 'skimage', 'zarr', 'mendem'} & set(sys.modules)))"
    )
    assert loaded == ""


def test_importing_what_the_manifest_names_loads_neither_torch_nor_zarr():
    modules = sorted({command.python_name.partition(":")[0] for command in COMMANDS.values()})
    assert run_python(f"import sys, {', '.join(modules)}; print(*({{'torch', 'zarr'}} & set(sys.modules)))") == ""


def test_readers_know_the_suffixes_of_the_field():
    patterns = {pattern for reader in PLUGIN.contributions.readers for pattern in reader.filename_patterns}
    mrc = {"*.mrc", "*.mrcs", "*.map", "*.rec", "*.st", "*.ali"}
    assert patterns == mrc | {"*.tif", "*.tiff"} | {"*.zarr"} | {"*.dm3", "*.dm4", "*.emd", "*.ser"}


def test_images_can_be_written_as_mrc_tiff_and_zarr():
    (writer,) = PLUGIN.contributions.writers
    assert set(writer.filename_extensions) == {".mrc", ".tif", ".tiff", ".zarr"}


def test_every_widget_is_in_the_filter_menu():
    menus = PLUGIN.contributions.menus
    assert [item.submenu for item in menus["napari/layers/filter"]] == ["napari-mendem/filter"]
    in_menu = {item.command for item in menus["napari-mendem/filter"] if isinstance(item, MenuCommand)}
    assert in_menu == {widget.command for widget in PLUGIN.contributions.widgets}


def test_every_command_is_used():
    points = PLUGIN.contributions
    used = {
        item.command for kind in (points.readers, points.writers, points.widgets, points.sample_data) for item in kind
    }
    assert used == set(COMMANDS)


def test_defaults_of_the_preferences_are_among_their_choices():
    properties = PLUGIN.contributions.configurations["restoration"].properties
    assert set(properties) == {"budget", "device", "live", "cpu_threads"}
    for name, field in properties.items():
        assert field.title
        assert field.enum is None or field.default in field.enum, name


def test_there_is_a_dock_for_every_task():
    from mendem.tasks import TASKS

    docks = {command.removeprefix("napari-mendem."): COMMANDS[command] for command in WIDGETS}
    assert set(TASKS) <= set(docks)
    for name in TASKS:
        assert import_python_name(docks[name].python_name).task is TASKS[name]
        assert docks[name].title == WIDGETS[f"napari-mendem.{name}"].display_name == TASKS[name].title


def test_napari_opens_the_docks_from_the_filter_menu(make_napari_viewer, npe2pm):
    from napari._app_model import get_app_model

    viewer = make_napari_viewer()
    with npe2pm.tmp_plugin(manifest=PLUGIN):
        app = get_app_model()
        entries = [
            item.command.title for item in app.menus.get_menu("napari-mendem/filter") if hasattr(item, "command")
        ]
        assert entries == [f"{widget.display_name} (Mendem)" for widget in WIDGETS.values()]
        for command, widget in WIDGETS.items():
            app.commands.execute_command(command)
            assert f"{widget.display_name} (Mendem)" in viewer.window.dock_widgets
