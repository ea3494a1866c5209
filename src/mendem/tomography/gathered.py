"""What the files beside a stack say about its tilts, gathered from the surest to the least sure."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from mendem.errors import MendemError
from mendem.image import Image, VoxelSize
from mendem.io import tilt_angles, tilt_aretomo, tilt_header, tilt_imod, tilt_mdoc
from mendem.tomography.missing_tilts import EXCLUDED, GENERATED, said_of
from mendem.tomography.tilt_beside import MORE, read_flags

#: An .mdoc belongs to angles that it differs from by no more than this (degrees), an offset left aside.
SAME_ANGLE = 1.5


@dataclass
class Gathered:
    """What is gathered for a stack, and from where."""

    image: Image
    angles: tuple[float, ...] | None = None
    transforms: np.ndarray | None = None
    excluded: tuple[int, ...] = ()
    generated: tuple[int, ...] | None = None
    x_tilts: tuple[float, ...] | None = None
    order: tuple[int, ...] | None = None
    dose: tuple[float, ...] | None = None
    axis_angle: float | None = None
    aligned: bool = False
    notes: list[str] = field(default_factory=list)

    def take_angles(self, angles: Sequence[float], origin: str) -> None:
        count = self.image.shape[0]
        if len(angles) != count:
            raise MendemError(
                f"{self.image.source} has {many(count, 'tilt')} and {origin} {many(len(angles), 'angle')}: give the "
                "angles of this very stack, or the stack that they belong to"
            )
        for tilt, angle in enumerate(angles):
            if not np.isfinite(angle) or abs(angle) > 180:
                raise MendemError(f"{origin} has {angle:g}° for tilt {tilt}, which is no tilt angle; correct it")
        if count > 1 and len(set(angles)) == 1:
            raise MendemError(f"{origin} has the same angle, {angles[0]:g}°, for all tilts; give their angles")
        self.angles = tuple(angles)
        self.notes.append(f"Angles from {os.path.basename(origin)}.")


def take_list(found: Gathered, path: str, sure: bool = True) -> None:
    """Angles from a text file; of a file that is not surely one of angles only a note tells that it is none."""
    try:
        listed = tilt_angles.read(path)
    except MendemError as error:
        if sure:
            raise
        found.notes.append(f"{os.path.basename(path)} is not a list of angles: {error}.")
        return
    found.take_angles(listed.angles, path)
    found.order, found.dose = listed.order, listed.dose


def take_alignment(found: Gathered, path: str) -> None:
    count = found.image.shape[0]
    name = os.path.basename(path)
    if path.lower().endswith(".aln"):
        aln = tilt_aretomo.read(path)
        if aln.raw_size[0] != count:
            dark = f", {many(len(aln.dark), 'dark tilt')} included" if aln.dark else ""
            raise MendemError(
                f"{found.image.source} has {many(count, 'tilt')} and {path} was made for {aln.raw_size[0]}{dark}: "
                "give the stack that AreTomo was given"
            )
        if found.angles is None:
            found.take_angles(aln.angles, path)
        found.transforms = _aretomo_transforms(aln, found, path)
        found.excluded = aln.dark
        if aln.dark:
            found.notes.append(f"Excluded as dark by AreTomo: {', '.join(map(str, aln.dark))}.")
        found.notes += aln.notes
    elif path.lower().endswith(".xf"):
        transforms = tilt_imod.read_xf(path)
        if len(transforms) != count:
            raise MendemError(
                f"{found.image.source} has {many(count, 'tilt')} and {path} {many(len(transforms), 'transformation')}"
                ": give the alignment of this very stack"
            )
        found.transforms = transforms
        _exclude_left_out(found, name)
        stem = path[: -len(".xf")]
        if found.angles is None and os.path.exists(f"{stem}.tlt"):
            take_list(found, f"{stem}.tlt")
        if os.path.exists(f"{stem}.xtilt"):
            _take_x_tilts(found, f"{stem}.xtilt")
    else:
        raise MendemError(f"{path} is not known as an alignment; give IMOD's .xf or AreTomo's .aln")
    found.notes.append(f"Alignment from {name}.")


def _exclude_left_out(found: Gathered, name: str) -> None:
    """Programs write the identity for tilts that they left out, where all others are turned."""
    assert found.transforms is not None
    identity = np.abs(found.transforms - np.eye(2, 3)).max(axis=(1, 2)) == 0
    turned = np.abs(found.transforms[:, 1, 0]) > 0.02  # about 1 degree
    if identity.any() and turned.any() and (identity | turned).all():
        found.excluded = tuple(int(tilt) for tilt in np.flatnonzero(identity))
        found.notes.append(f"Excluded, since {name} does not align them: {', '.join(map(str, found.excluded))}.")


def _aretomo_transforms(aln: tilt_aretomo.Aln, found: Gathered, path: str) -> np.ndarray:
    rows, columns = found.image.plane_shape
    ratios = rows / aln.raw_size[1], columns / aln.raw_size[2]
    if abs(ratios[0] - ratios[1]) > 0.02 * ratios[0]:
        raise MendemError(
            f"{path} was made for tilts of {aln.raw_size[2]} x {aln.raw_size[1]} pixels and {found.image.source} has "
            f"{columns} x {rows}: give the stack that AreTomo was given"
        )
    # A stack that was binned, or not binned, since has its shifts in other pixels.
    scale = ratios[1] if abs(ratios[1] - 1) > 1e-9 else 1.0
    if scale != 1.0:
        found.notes.append(f"The shifts of the alignment were multiplied by {scale:.4g}, since the pixels are others.")
    angle = np.radians(aln.axis_angles)
    matrices = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]).transpose(2, 0, 1)
    moved = -np.einsum("kij,kj->ki", matrices, aln.shifts * scale)
    return np.concatenate([matrices, moved[..., None]], axis=2)


def _take_x_tilts(found: Gathered, path: str) -> None:
    x_tilts = tilt_imod.read_xtilt(path)
    if len(x_tilts) != found.image.shape[0]:
        raise MendemError(
            f"{found.image.source} has {many(found.image.shape[0], 'tilt')} and {path} {many(len(x_tilts), 'angle')}"
            ": give the alignment of this very stack"
        )
    if any(x_tilts):
        found.x_tilts = x_tilts
        found.notes.append(f"Tilts about x from {os.path.basename(path)}.")


def take_mdoc(found: Gathered, path: str, needed: bool) -> None:
    """Order, dose, axis and pixel size from an .mdoc, and the angles where they are needed."""
    name = os.path.basename(path)
    try:
        mdoc = tilt_mdoc.read(path)
    except MendemError as error:
        if needed:
            raise
        found.notes.append(f"{name} was not used: {error}.")
        return
    if needed:
        if mdoc.angles is None:
            raise MendemError(f"{path} lacks the TiltAngle of some tilts; give their angles in another file (--tilts)")
        found.take_angles(mdoc.angles, path)
    _take_axis(found, mdoc.axis_angle, name)
    _take_pixel(found, mdoc.pixel, name)
    assert found.angles is not None
    place = _same_tilts(mdoc.angles, found.angles)
    if place is None:
        found.notes.append(f"Dose and order in {name} were not used: its angles are not those of the stack.")
        return
    if mdoc.dose and found.dose is None:
        found.dose = tuple(mdoc.dose[i] for i in place)
        found.notes.append(f"Dose from {name}.")
    if mdoc.order and found.order is None:
        found.order = tuple(mdoc.order[i] for i in place)
        found.notes.append(f"Order of acquisition from {name}.")


def _same_tilts(theirs: Sequence[float] | None, angles: Sequence[float]) -> list[int] | None:
    """For each tilt of the stack the section of an .mdoc: the same number, or else the same rank of angle.

    The .mdoc of frames is in the order of acquisition while the stack that was made of them is often sorted.
    """
    if theirs is None or len(theirs) != len(angles):
        return None
    ranked = [0] * len(angles)
    for section, tilt in zip(np.argsort(theirs, kind="stable"), np.argsort(angles, kind="stable"), strict=True):
        ranked[tilt] = int(section)
    for place in (list(range(len(angles))), ranked):
        difference = np.array([theirs[i] for i in place]) - np.array(angles)
        # A refined list differs by an offset, which is up to some 20 degrees for a lamella.
        if np.abs(difference - np.median(difference)).max() <= SAME_ANGLE:
            return place
    return None


def take_header(found: Gathered) -> None:
    header = tilt_header.read(found.image.metadata.get("mrc", {}), found.image.shape[0])
    kind = f"the extended header ({header.kind})"
    if found.angles is None and header.angles is not None:
        found.take_angles(header.angles, kind)
    if found.dose is None and header.dose is not None:
        found.dose = header.dose
        found.notes.append(f"Dose from {kind}.")
    _take_axis(found, header.axis_angle, "the header of the stack")
    _take_pixel(found, header.pixel, kind)


def take_flags(found: Gathered, path: str) -> None:
    """What mendem wrote beside a stack: which of its tilts are excluded or generated, and what no other file says."""
    name, flags, count = os.path.basename(path), read_flags(path), found.image.shape[0]
    tilts = flags["tilts"]
    if len(tilts) != count:
        raise MendemError(
            f"{found.image.source} has {many(count, 'tilt')} and {path} is of {many(len(tilts), 'tilt')}: delete it, "
            "or open the stack that it belongs to"
        )
    _take_flags(found, tilts, name)
    for key, name_here in MORE.items():
        if getattr(found, name_here) is None and all(key in tilt for tilt in tilts):
            setattr(found, name_here, tuple(tilt[key] for tilt in tilts))
    _take_axis(found, flags.get("axis_angle"), name)


def take_record(found: Gathered) -> None:
    """What mendem wrote into a stack whose missing tilts it had generated; a file beside it knows better."""
    record = found.image.metadata.get("mendem")
    if not isinstance(record, dict) or "quantity" in record or found.generated is not None:
        return
    tilts = record.get("tilts")
    known = tilts.get("completed") if isinstance(tilts, dict) else None
    if isinstance(known, list) and len(known) == found.image.shape[0]:
        _take_flags(found, known, "the record of mendem in the stack")


def _take_flags(found: Gathered, tilts: Sequence[dict], origin: str) -> None:
    if found.angles is None:
        found.take_angles([float(tilt["angle"]) for tilt in tilts], origin)
    excluded = tuple(i for i, tilt in enumerate(tilts) if tilt["flag"] == EXCLUDED or tilt.get("excluded"))
    found.excluded = (*found.excluded, *excluded)
    found.generated = tuple(i for i, tilt in enumerate(tilts) if tilt["flag"] == GENERATED)
    found.notes += said_of(len(found.generated))
    if excluded:
        found.notes.append(f"Excluded, as {origin} says: {', '.join(map(str, excluded))}.")


def _take_axis(found: Gathered, axis_angle: float | None, origin: str) -> None:
    if axis_angle is None or found.axis_angle is not None or found.transforms is not None:
        return
    found.axis_angle = axis_angle
    found.notes.append(f"Tilt axis angle of {axis_angle:g}° from {origin}.")


def _take_pixel(found: Gathered, pixel: float | None, origin: str) -> None:
    """A pixel size in Å, where the stack itself has none."""
    size, notes = found.image.voxel_size, found.image.metadata["notes"]
    assert size is not None
    if pixel is None or (size.known and not any("placeholder" in note for note in notes)):
        return
    notes = [note for note in notes if "voxel size" not in note]
    found.image = replace(
        found.image,
        voxel_size=VoxelSize((None, pixel, pixel), "angstrom"),
        metadata={**found.image.metadata, "notes": notes},
    )
    found.notes.append(f"Pixel size from {origin}.")


def many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
