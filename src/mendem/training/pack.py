"""All pictures of a recipe in one small file: a machine that is lent for minutes should not spend them on drawing.

The file is a NumPy archive. Each array is held as 8-bit numbers over its range without the outermost pixels, as
differences between neighbours in a row, which compress better; ``about`` (JSON) says the rest.
"""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from mendem.errors import MendemError
from mendem.training.pool import Source, phantom_source, public_sources, synthetic_sources, volume_sources
from mendem.training.validate import held_out

#: Version of the file.
PACK = 1
#: Percentage of the pixels that is cut off at either end of the grey scale.
OUTERMOST = 0.05


def training_sources(data: Path, drawn: dict[str, Any]) -> list[Source]:
    """What to learn from: a pack, or a folder of public micrographs with what the recipe's table ``data`` adds."""
    if data.is_file():
        return read_pack(data)[0]
    return [
        *public_sources(data, "train", drawn.get("targets", "binned")),
        *synthetic_sources(drawn["shapes"], drawn["tissue"]),
        phantom_source(data, drawn.get("phantoms", 0)),
        *(volume_sources(data, drawn["volumes"]) if "volumes" in drawn else []),
    ]


def held_out_pictures(data: Path, targets: str = "binned") -> list[np.ndarray]:
    """Validation pictures of a pack or a folder, see `mendem.training.validate.held_out`."""
    if not data.is_file():
        return held_out(public_sources(data, "validation", targets))
    return [a for s in read_pack(data)[1] if s.name == targets for a in s.arrays]


def make_pack(recipe: dict[str, Any], data: Path, target: Path) -> None:
    """Write all that a recipe's training reads below the folder ``data`` into ``target`` (``.npz``)."""
    kept = [Source(kind, 0.0, held_out_pictures(data, kind)) for kind in ("binned", "raw")]
    write_pack(target, training_sources(data, recipe["data"]), kept)


def write_pack(path: Path, train: list[Source], validation: list[Source]) -> None:
    """Write sources to a file; it is whole or not there at all."""
    arrays: dict[str, np.ndarray] = {}
    about: dict[str, Any] = {"pack": PACK}
    for split, sources in (("train", train), ("validation", validation)):
        about[split] = []
        for source in sources:
            ranges = []
            for i, array in enumerate(source.arrays):
                low, high = (float(v) for v in np.percentile(array, [OUTERMOST, 100 - OUTERMOST]))
                step = max(high - low, 1e-6) / 255
                levels = np.clip(np.rint((array - low) / step), 0, 255).astype(np.uint8)
                arrays[f"{split}/{source.name}/{i}"] = np.diff(levels, axis=-1, prepend=np.uint8(0))
                ranges.append([low, step])
            about[split].append({"name": source.name, "share": source.share, "ranges": ranges})
    arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with open(part, "wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    part.replace(path)


def read_pack(path: Path) -> tuple[list[Source], list[Source]]:
    """Sources to learn from and sources to validate with."""
    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(bytes(file["about"]))
            if about["pack"] != PACK:
                raise MendemError(f"{path}: a pack of another version of mendem; make it again with --pack")
            train, validation = (
                [
                    Source(
                        s["name"],
                        s["share"],
                        [_values(file, f"{split}/{s['name']}/{i}", *r) for i, r in enumerate(s["ranges"])],
                    )
                    for s in about[split]
                ]
                for split in ("train", "validation")
            )
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise MendemError(f"{path}: not a pack of training pictures; make one with mendem train --pack") from error
    return train, validation


def _values(file: Any, name: str, low: float, step: float) -> np.ndarray:
    levels = np.cumsum(file[name], axis=-1, dtype=np.uint8)  # wraps as the differences did
    return (low + step * levels.astype(np.float32)).astype(np.float32)
