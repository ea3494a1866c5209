"""What lies beside a stack of tilts so that it opens as the same series again: angles, alignment, and what each is."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from mendem.errors import MendemError
from mendem.io import tilt_angles, tilt_imod
from mendem.io.tilt_text import read_text, write_text
from mendem.tomography.missing_tilts import EXCLUDED, GENERATED, MEASURED
from mendem.tomography.tilt_series import TiltSeries

#: Of the file that says of each tilt whether it was measured, excluded or generated.
FLAGS = ".tilts.json"

#: Keys of a tilt in that file, beside ``angle`` and ``flag``, and the fields of `TiltSeries` that they are of.
MORE = {"dose": "dose", "order": "order", "x_tilt": "x_tilts"}

#: What files round: angles in degrees, numbers of an ``.xf``.
SAME_ANGLE, SAME_TRANSFORM = 0.005, 2e-3

Path = str | os.PathLike


def stem_of(stack: Path) -> str:
    """What the names of files beside a stack begin with."""
    return os.path.splitext(os.fspath(stack).rstrip("/\\"))[0].removesuffix(".ome")


def flags_text(stack: Path, tilts: Sequence[dict[str, Any]], **about: Any) -> str:
    """The text of a ``.tilts.json``: ``tilts`` have at least angle and flag, one a line."""
    head = json.dumps({"stack": os.path.basename(os.fspath(stack)), **about, "tilts": []})[:-2]
    lines = ",\n".join(f"  {json.dumps(tilt)}" for tilt in tilts)
    return f"{head}\n{lines}\n]}}\n"


def read_flags(path: Path) -> dict[str, Any]:
    """A ``.tilts.json`` as `flags_text` has it; `MendemError` where it is none."""
    try:
        found = json.loads(read_text(os.fspath(path)))
        tilts = found["tilts"]
        known = all(math.isfinite(tilt["angle"]) and tilt["flag"] in (MEASURED, EXCLUDED, GENERATED) for tilt in tilts)
    except (ValueError, TypeError, KeyError) as error:
        raise MendemError(f"{path} is no list of mendem's of what each tilt is ({error}); delete it") from error
    if not known:
        raise MendemError(f"{path} has tilts that are neither measured, excluded nor generated; delete it")
    return found


def check_beside(stack: Path, series: TiltSeries) -> None:
    """Raise `MendemError` where a file beside a stack would have to be replaced, or would make another series of it."""
    _new(stack, series)


def write_beside(stack: Path, series: TiltSeries) -> list[str]:
    """Write what the stack itself does not hold; returns the files that are now there for it.

    ``.tlt`` has the angles, the offset added; ``.xf`` the alignment, where there is one; ``.tilts.json`` what neither
    can say: which tilts are excluded or were generated, dose, order of acquisition, tilts about x, and the direction of
    the tilt axis where nothing is aligned yet. A file that says the same already is left as it is.

    Raises
    ------
    MendemError
        As of `check_beside`, before anything is written, or where a file cannot be written.
    """
    new = _new(stack, series)
    for path, text in new.items():
        write_text(path, text)
    return list(_wanted(stack, series))


def _wanted(stack: Path, series: TiltSeries) -> dict[str, str]:
    """The files and their texts."""
    stem = stem_of(stack)
    wanted = {f"{stem}.tlt": tilt_angles.text(series.true_angles)}
    if series.aligned:
        wanted[f"{stem}.xf"] = tilt_imod.xf_text(series.transforms)
    tilts = [_tilt(series, tilt) for tilt in range(series.count)]
    axis = {} if series.aligned or not series.axis_angle else {"axis_angle": series.axis_angle}
    if axis or any(tilt.keys() != {"angle", "flag"} or tilt["flag"] != MEASURED for tilt in tilts):
        wanted[f"{stem}{FLAGS}"] = flags_text(stack, tilts, **axis)
    return wanted


def _tilt(series: TiltSeries, tilt: int) -> dict[str, Any]:
    excluded, generated = tilt in series.excluded, tilt in series.generated
    known = {key: getattr(series, field) for key, field in MORE.items()}
    return {
        "angle": series.true_angles[tilt],
        "flag": GENERATED if generated else EXCLUDED if excluded else MEASURED,
        **({"excluded": True} if generated and excluded else {}),
        **{key: values[tilt] for key, values in known.items() if values is not None},
    }


def _new(stack: Path, series: TiltSeries) -> dict[str, str]:
    """Of `_wanted`, the files that are not there."""
    stem, wanted = stem_of(stack), _wanted(stack, series)
    for suffix in (".aln", ".xf", FLAGS):
        path = f"{stem}{suffix}"
        if path not in wanted and os.path.exists(path):
            raise MendemError(
                f"{path} would be taken for what belongs to this series, which has another; give the stack another name"
            )
    new = {path: text for path, text in wanted.items() if not os.path.exists(path)}
    for path in wanted.keys() - new.keys():
        if not _same(path, wanted[path], series):
            raise MendemError(f"{path} exists and says something else of the tilts; give the stack another name")
    return new


def _same(path: str, text: str, series: TiltSeries) -> bool:
    """Whether an existing file says what would be written."""
    try:
        if path.endswith(FLAGS):
            return _known(read_flags(path)) == _known(json.loads(text))
        if path.endswith(".xf"):
            there = tilt_imod.read_xf(path)
            return len(there) == series.count and np.abs(there - series.transforms).max() < SAME_TRANSFORM
        listed = tilt_angles.read(path).angles
        return len(listed) == series.count and np.abs(np.subtract(listed, series.true_angles)).max() < SAME_ANGLE
    except MendemError:
        return False


def _known(flags: dict[str, Any]) -> tuple[Any, ...]:
    """What of a ``.tilts.json`` makes the series; where tilts came from does not."""
    keys = ("flag", "excluded", *MORE)
    return flags.get("axis_angle"), [[tilt.get(key) for key in keys] for tilt in flags["tilts"]]
