"""The voxel size of a TIFF file, from whichever of the places that microscopes and programs put it in.

In the order of trust: OME-XML, ImageJ's description, the instrument's own tags (Thermo Fisher/FEI, Zeiss), lengths in
a JSON description, and a resolution tag in pixels per centimetre when it is one that a microscope can have. Print
resolutions (72 dpi and the like) are not voxel sizes, and none is invented.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree

import numpy as np

from mendem.image import NM_PER_UNIT, SPATIAL_AXES, VoxelSize

#: How units are spelled, in lower case -> (unit, how many of it).
UNITS = {
    "nm": ("nm", 1.0),
    "nanometer": ("nm", 1.0),
    "nanometre": ("nm", 1.0),
    "um": ("um", 1.0),
    "µm": ("um", 1.0),
    "μm": ("um", 1.0),
    "micron": ("um", 1.0),
    "micrometer": ("um", 1.0),
    "micrometre": ("um", 1.0),
    "å": ("angstrom", 1.0),
    "a": ("angstrom", 1.0),
    "angstrom": ("angstrom", 1.0),
    "ångström": ("angstrom", 1.0),
    "pm": ("pm", 1.0),
    "picometer": ("pm", 1.0),
    "mm": ("mm", 1.0),
    "millimeter": ("mm", 1.0),
    "cm": ("mm", 10.0),
    "m": ("m", 1.0),
    "meter": ("m", 1.0),
}

#: A resolution tag that gives pixels larger than this is one for printing (5 µm are 5080 dpi).
LARGEST_PIXEL_CM = 5e-4

FEI_TAGS = (34680, 34682)
ZEISS_TAG = 34118

Lengths = dict[str, float]


def parse_unit(text: Any) -> tuple[str, float] | None:
    """The unit that a text names, with a factor; ``None`` for pixels, inches and what is not understood."""
    spelled = str(text).strip().strip('"')
    # Java writes what is not ASCII as \u00B5.
    spelled = re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), spelled)
    spelled = spelled.lower().replace("\u212b", "å").replace("â", "").replace("ã", "")
    return UNITS.get(spelled) or UNITS.get(spelled.removesuffix("s"))


def find_voxel_size(tif: Any, axes: tuple[str, ...], notes: list[str]) -> VoxelSize:
    """Voxel size of an open `tifffile.TiffFile` for the given axes; what is doubtful is added to ``notes``."""
    sources: tuple[Callable[[Any, list[str]], tuple[Lengths, str]], ...] = (
        _from_ome,
        _from_imagej,
        _from_fei,
        _from_zeiss,
        _from_json,
        _from_resolution,
    )
    for source in sources:
        try:
            lengths, unit = source(tif, notes)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError, ZeroDivisionError, ElementTree.ParseError):
            continue
        good = {axis: v for axis, v in lengths.items() if np.isfinite(v) and v > 0}
        if good:
            if "z" in axes and "z" not in good:
                notes.append("The distance of the slices (voxel size along z) is unknown.")
            return VoxelSize(tuple(good.get(axis) if axis in SPATIAL_AXES else None for axis in axes), unit)
    notes.append("The voxel size is unknown: the file states none.")
    return VoxelSize.unknown(len(axes))


def _same_unit(stated: dict[str, tuple[float, Any]]) -> tuple[Lengths, str]:
    """Lengths with a unit each, brought to the unit of the first."""
    lengths: Lengths = {}
    common = ""
    for axis, (value, unit_text) in stated.items():
        unit = parse_unit(unit_text)
        if unit is None:
            continue
        common = common or unit[0]
        factor = unit[1] * (1.0 if unit[0] == common else NM_PER_UNIT[unit[0]] / NM_PER_UNIT[common])
        lengths[axis] = value * factor
    return lengths, common


def _from_ome(tif: Any, notes: list[str]) -> tuple[Lengths, str]:
    if not tif.ome_metadata:
        return {}, ""
    for element in ElementTree.fromstring(tif.ome_metadata).iter():
        if element.tag.rpartition("}")[2] == "Pixels":
            # The OME schema says that lengths without a unit are in µm.
            sizes = {
                axis.lower(): (
                    float(element.attrib[f"PhysicalSize{axis}"]),
                    element.get(f"PhysicalSize{axis}Unit", "µm"),
                )
                for axis in "XYZ"
                if element.get(f"PhysicalSize{axis}")
            }
            return _same_unit(sizes)
    return {}, ""


def _from_imagej(tif: Any, notes: list[str]) -> tuple[Lengths, str]:
    about = tif.imagej_metadata
    if not about or "unit" not in about:
        return {}, ""
    if parse_unit(about["unit"]) is None:
        if str(about["unit"]).strip().lower() not in ("pixel", "pixels", ""):
            notes.append(f"ImageJ states lengths in '{about['unit']}', which is not a unit of length for a microscope.")
        return {}, ""
    stated = {axis: (length, about["unit"]) for axis, length in _per_pixel(tif).items()}
    if "spacing" in about and (about.get("slices", 1) > 1 or about.get("images", 1) > 1):
        stated["z"] = (abs(float(about["spacing"])), about.get("zunit", about["unit"]))
    if "y" in stated and "yunit" in about:
        stated["y"] = (stated["y"][0], about["yunit"])
    return _same_unit(stated)


def _from_fei(tif: Any, notes: list[str]) -> tuple[Lengths, str]:
    about = tif.fei_metadata
    if not about:
        return {}, ""
    height, width = tif.pages.first.imagelength, tif.pages.first.imagewidth
    scanned = about.get("Image", {})
    columns, rows = scanned.get("ResolutionX", width), scanned.get("ResolutionY", height)
    if height > rows:
        notes.append(f"The lowest {height - rows} rows hold the microscope's data bar, not the sample.")
    if columns != width:
        notes.append(
            f"The microscope recorded {columns} columns and the file has {width}; its pixel size was not taken over."
        )
        return {}, ""
    for section in ("Scan", "EScan", "IScan"):
        sizes = about.get(section, {})
        if "PixelWidth" in sizes and "PixelHeight" in sizes:
            # Metres; in nm they are numbers that people can read.
            return {"x": float(sizes["PixelWidth"]) * 1e9, "y": float(sizes["PixelHeight"]) * 1e9}, "nm"
    return {}, ""


def _from_zeiss(tif: Any, notes: list[str]) -> tuple[Lengths, str]:
    about = tif.sem_metadata
    if not about:
        return {}, ""
    for name in ("ap_image_pixel_size", "ap_pixel_size"):
        if len(about.get(name, ())) == 3:
            _, value, unit = about[name]
            return _same_unit({"x": (float(value), unit), "y": (float(value), unit)})
    # The unnamed numbers at the beginning: the fourth is the pixel size in metres.
    size = float(about[""][3]) * 1e9
    return {"x": size, "y": size}, "nm"


def _from_json(tif: Any, notes: list[str]) -> tuple[Lengths, str]:
    text = tif.pages.first.description
    about = json.loads(text) if text.lstrip().startswith("{") else {}
    stated = {}
    for key, value in about.items():
        match = re.fullmatch(r"PhysicalSize([XYZ])(?:_(\w+))?", key)
        if match and isinstance(value, int | float):
            stated[match[1].lower()] = (float(value), match[2] or about.get(f"{key}Unit", ""))
    return _same_unit(stated)


def _from_resolution(tif: Any, notes: list[str]) -> tuple[Lengths, str]:
    if int(tif.pages.first.tags["ResolutionUnit"].value) != 3:
        return {}, ""
    lengths = _per_pixel(tif)
    if len(lengths) != 2 or max(lengths.values()) > LARGEST_PIXEL_CM:
        return {}, ""
    notes.append("The voxel size was taken from the file's resolution in pixels per cm.")
    return {axis: v * 1e7 for axis, v in lengths.items()}, "nm"


def _per_pixel(tif: Any) -> Lengths:
    """Lengths from the two resolution tags, in their unit."""
    tags = tif.pages.first.tags
    lengths = {}
    for axis, name in (("x", "XResolution"), ("y", "YResolution")):
        if name in tags:
            count, length = tags[name].value
            if count and length:
                lengths[axis] = length / count
    return lengths
