"""What the user set under Preferences › Mendem."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preferences:
    """The plugin's settings, named as in ``napari.yaml``; ``cpu_threads`` 0 takes all."""

    budget: str = "balanced"
    device: str = "auto"
    live: bool = True
    cpu_threads: int = 0


def preferences() -> Preferences:
    """Today's settings, or the defaults where napari does not know the plugin."""
    from napari.settings import get_plugin_settings

    try:
        found = get_plugin_settings("napari-mendem").restoration
    except KeyError:
        return Preferences()
    return Preferences(found.budget, found.device, found.live, found.cpu_threads)
