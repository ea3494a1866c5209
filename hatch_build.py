"""Carry `napari.yaml` and `models/` from the top of the repository into the packages that read them."""

import os
import shutil
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

CARRIED = {"napari.yaml": "napari_mendem/napari.yaml", "models": "mendem/models"}


class CustomBuildHook(BuildHookInterface):
    def initialize(self, version, build_data):
        for source, target in CARRIED.items():
            path = Path(self.root, source)
            if version == "editable":
                link(path, Path(self.root, "src", target))
            else:
                build_data["force_include"][str(path)] = target


def link(source: Path, target: Path) -> None:
    """Make `target` a relative link to `source`, or a copy where links are refused (Windows without developer mode)."""
    if target.is_symlink() or target.is_file():
        target.unlink()
    elif target.is_dir():
        shutil.rmtree(target)
    try:
        target.symlink_to(os.path.relpath(source, target.parent), target_is_directory=source.is_dir())
    except OSError:
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, target)
