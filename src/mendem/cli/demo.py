"""``mendem demo``: a simulated micrograph, its restoration, and a picture of both."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any


def add_to(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "demo",
        help="Restore a simulated micrograph, and show it.",
        description="Make a micrograph with known truth, restore it, and write a before/after picture and the TIFF "
        "files that it shows, named mendem-demo… (those of an earlier demo are replaced). Opens napari where there is "
        "a display.",
    )
    parser.add_argument("--out", metavar="FOLDER", type=Path, default=Path(), help="where to write (default here)")
    parser.add_argument("--no-window", action="store_true", help="do not open napari")
    parser.set_defaults(run=run)


def run(chosen: argparse.Namespace) -> int:
    """Carry out ``mendem demo``; returns the exit status."""
    from mendem.cli import DONE
    from mendem.cli.progress import ProgressLine
    from mendem.cli.report import chi2_line, duration, image_line
    from mendem.io.output import plain_words

    with plain_words(str(chosen.out / "mendem-demo.png")):
        chosen.out.mkdir(parents=True, exist_ok=True)

    from mendem.cli.picture import before_after, psnr
    from mendem.io import write
    from mendem.restoration import restore
    from mendem.simulate import sample_micrograph
    from mendem.tasks import Denoise

    noisy, truth = sample_micrograph()
    print(f"simulated micrograph: {image_line(noisy)}", flush=True)
    with ProgressLine(sys.stderr) as progress:
        result = restore(noisy, Denoise(), progress=progress)
    print(
        f"restored in {duration(result.provenance['seconds'])}: PSNR against the known truth "
        f"{psnr(noisy, truth):.1f} dB -> {psnr(result.image, truth):.1f} dB; {chi2_line(result.chi2)}"
    )
    files = {name: chosen.out / f"mendem-demo-{name}.tif" for name in ("noisy", "restored", "spread", "truth")}
    for path, image in zip(files.values(), (noisy, result.image, result.std, truth), strict=True):
        write(path, image, overwrite=True)
    picture = chosen.out / "mendem-demo.png"
    before_after(picture, noisy, result.image, result.std, truth)
    print(f"picture: {picture.resolve()}", flush=True)
    if chosen.no_window:
        return DONE
    why_not = no_window_because()
    if why_not:
        print(f"napari does not open, because {why_not}; look at the picture instead")
        return DONE
    print("opening napari; close its window to end the demo", flush=True)
    plugin = any(e.name == "napari-mendem" for e in entry_points(group="napari.manifest"))
    # The widget takes the uppermost layer; without it that one is what there is to see.
    layers = ("spread", "restored", "noisy") if plugin else ("spread", "noisy", "restored")
    # A process of its own: a broken display makes Qt abort the process that asks for a window.
    command = [sys.executable, "-m", "napari", *(str(files[name]) for name in layers)]
    if plugin:
        command += ["--plugin", "napari-mendem", "-w", "napari-mendem", "Denoise"]
    if subprocess.run(command).returncode:
        print(f"napari did not end well (see above); the picture is at {picture.resolve()}")
    return DONE


def no_window_because() -> str:
    """Why napari cannot open a window here; empty where it can."""
    if find_spec("napari") is None:
        return "it is not installed (pip install 'napari-mendem[all]')"
    if not any(find_spec(binding) for binding in ("PyQt6", "PySide6", "PyQt5", "PySide2")):
        return "no Qt binding is installed (pip install 'napari-mendem[all]')"
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return "there is no display"
    return ""
