"""Provenance: how a result came about, complete enough to make it again. The schema is frozen."""

from __future__ import annotations

import hashlib
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

from mendem.image import Image

if TYPE_CHECKING:
    from mendem.engine import Run, Summary

#: Version of the schema.
SCHEMA = 1


def pixel_hash(image: Image) -> str:
    """SHA-256 of the pixels in C order and native dtype, little endian, read in bands."""
    digest = hashlib.sha256()
    for plane in range(image.plane_count):
        for top in range(0, image.plane_shape[0], 1024):
            band = image.read(plane, slice(top, top + 1024))
            digest.update(np.ascontiguousarray(band.astype(band.dtype.newbyteorder("<"), copy=False)).data)
    return digest.hexdigest()


def describe_image(image: Image) -> dict[str, Any]:
    """Source, size, type, voxel size and hash of an image."""
    assert image.voxel_size is not None
    return {
        "source": image.source,
        "shape": list(image.shape),
        "axes": list(image.axes),
        "dtype": str(image.dtype),
        "voxel_size": list(image.voxel_size.values),
        "unit": image.voxel_size.unit,
        "sha256": pixel_hash(image),
    }


def software_versions() -> dict[str, str]:
    """Versions of what computes a result."""
    found = {"python": platform.python_version()}
    for package in ("napari-mendem", "torch", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed as a package"
    return found


def provenance(run: Run, summary: Summary) -> dict[str, Any]:
    """The record of a run as plain JSON values.

    ``previous`` is the record of the input where that was a result itself, so that a chain of tasks keeps its history.
    """
    from dataclasses import asdict

    from mendem.priors.checkpoint import digest, find

    return {
        "schema": SCHEMA,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "software": software_versions(),
        "task": {"name": run.task.name, "parameters": run.task.parameters()},
        "options": asdict(run.options),
        "inputs": {
            "image": describe_image(run.given),
            **{name: describe_image(image) for name, image in run.inputs.items()},
        },
        "region": list(run.region),
        "planes": [run.planes[0], run.planes[-1]],
        "prior": {"name": run.prior.name, "sha256": digest(find(run.prior.name))},
        "device": run.device,
        "precision": str(getattr(run.prior, "dtype", "float32")).removeprefix("torch."),
        "noise": asdict_plain(run.plan.noise),
        "found": dict(run.plan.found),
        "normalisation": asdict(run.plan.normalisation),
        "binning": run.binning,
        "scale": run.scale,
        "spread": "samples" if run.options.samples >= 4 else "predicted",
        "evaluations": summary.evaluations,
        "blocks": {"finished": summary.finished, "all": summary.blocks},
        "partial": summary.partial,
        "resumed": summary.resumed,
        "chi2": summary.chi2,
        "chi2_counts_spread": run.plan.pointwise,
        "novelty": None if run.novelty is None else asdict(run.novelty),
        "seconds": round(summary.seconds, 3),
        "notes": [*run.notes, *summary.notes],
        "previous": run.given.metadata.get("mendem"),
    }


def asdict_plain(declared: Any) -> dict[str, Any]:
    """The fields of a dataclass that are plain JSON values (arrays as nested lists)."""
    from dataclasses import fields

    plain: dict[str, Any] = {}
    for f in fields(declared):
        value = getattr(declared, f.name)
        plain[f.name] = np.asarray(value).tolist() if isinstance(value, np.ndarray | np.generic | tuple) else value
    return plain
