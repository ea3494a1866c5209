"""mendem: restoration of electron-microscopy images with diffusion priors.

>>> import mendem
>>> result = mendem.restore(image, mendem.Denoise())  # doctest: +SKIP
"""

from importlib import import_module
from typing import Any

_WHERE = {
    "Deblur": "mendem.tasks",
    "Denoise": "mendem.tasks",
    "Frames": "mendem.tasks",
    "Image": "mendem.image",
    "Inpaint": "mendem.tasks",
    "Isotropic": "mendem.tasks",
    "Mend": "mendem.tasks",
    "MendemError": "mendem.errors",
    "Options": "mendem.options",
    "Restoration": "mendem.restoration",
    "Sirt": "mendem.tomography.sirt",
    "SuperResolve": "mendem.tasks",
    "Tv": "mendem.tomography.tv",
    "VoxelSize": "mendem.image",
    "Wbp": "mendem.tomography.wbp",
    "fill_wedge": "mendem.wedge_filling.in_memory",
    "fill_wedge_file": "mendem.wedge_filling.to_files",
    "psf_from_bead": "mendem.physics.picked_blur",
    "psf_from_edge": "mendem.physics.picked_blur",
    "read": "mendem.io",
    "read_tilt_series": "mendem.tomography.tilt_files",
    "reconstruct": "mendem.tomogram",
    "reconstruct_file": "mendem.tomogram",
    "restore": "mendem.restoration",
    "restore_file": "mendem.streaming",
    "write": "mendem.io",
}

__all__ = list(_WHERE)


def __getattr__(name: str) -> Any:
    """Import on first use, so that a plain ``import mendem`` loads neither torch nor scipy."""
    if name not in _WHERE:
        raise AttributeError(f"module 'mendem' has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value
