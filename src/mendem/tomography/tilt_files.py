"""Opening a tilt series with what lies beside it; writing angles and alignments."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace

from mendem import io
from mendem.errors import MendemError
from mendem.image import Image, VoxelSize
from mendem.io import tilt_angles, tilt_imod
from mendem.io.tilt_text import refuse_existing
from mendem.tomography.gathered import (
    Gathered,
    many,
    take_alignment,
    take_flags,
    take_header,
    take_list,
    take_mdoc,
    take_record,
)
from mendem.tomography.tilt_beside import FLAGS
from mendem.tomography.tilt_series import TiltSeries

#: Suffixes of alignments and of lists of angles, in the order in which they are looked for.
ALIGNMENTS = (".aln", ".xf")
ANGLES = (".tlt", ".rawtlt", ".txt")

#: Ends of the names of stacks that have been aligned, or shifted for a first alignment.
ALIGNED = (".ali", "_ali")
PREALIGNED = (".preali", "_preali")

Path = str | os.PathLike


class NoAngles(MendemError):
    """Nothing beside a stack, or in its header, says at which angles it was recorded."""


def read_tilt_series(
    path: Path,
    tilts: Path | Sequence[float] | None = None,
    alignment: Path | None = None,
    exclude: Iterable[int] = (),
    axis_angle: float | None = None,
    offset: float = 0.0,
    voxel_size: VoxelSize | None = None,
) -> TiltSeries:
    """Open a stack of tilts, and the files of the same name beside it.

    Angles come from, in this order: ``tilts``; an alignment (``.aln``); ``.tlt``, ``.rawtlt``, ``.txt``;
    ``.tilts.json``, which also says what tilts are excluded or were generated; ``.mdoc``; the extended header. The tilt
    axis comes from ``axis_angle``, an alignment, ``.tilts.json``, a title of the ``.mdoc``, a label or the extended
    header of the stack; without any of them it is y. ``TiltSeries.notes`` says what was used.

    Parameters
    ----------
    path
        MRC, TIFF or any image file that `mendem.io.read` opens, with one slice for each tilt.
    tilts
        Angles in degrees, or the file that lists them: ``.tlt``, ``.rawtlt``, text, ``.mdoc``, ``.aln``.
    alignment
        IMOD's ``.xf``, beside which ``.tlt`` and ``.xtilt`` are read too, or AreTomo's ``.aln``. One that lies beside
        the stack is used without being given, unless the name says that the stack is aligned (``.ali``, ``_ali``).
    exclude
        Tilts that are not to be used, counted from 0 in the order of the stack.
    axis_angle, offset
        As of `TiltSeries`, in degrees.
    voxel_size
        Replaces what the files say: one length, or those along y and x.

    Raises
    ------
    MendemError
        The stack or a file beside it cannot be read, no angles are found, or they are not those of this stack.
    """
    return gather_tilts(io.read(os.fspath(path)), tilts, alignment, exclude, axis_angle, offset, voxel_size)


def gather_tilts(
    image: Image,
    tilts: Path | Sequence[float] | None = None,
    alignment: Path | None = None,
    exclude: Iterable[int] = (),
    axis_angle: float | None = None,
    offset: float = 0.0,
    voxel_size: VoxelSize | None = None,
) -> TiltSeries:
    """As `read_tilt_series` for a stack that is open; files are looked for beside ``image.source``.

    Raises
    ------
    MendemError
        As there; `NoAngles` where none are found.
    """
    path = image.source
    found = Gathered(as_tilts(image, voxel_size))
    beside, mark = _beside(path)
    listed = angles = None
    if isinstance(tilts, str | os.PathLike):
        listed = os.fspath(tilts)
    elif tilts is not None:
        angles = [float(angle) for angle in tilts]
    if listed is not None and listed.lower().endswith(".aln"):
        listed, alignment = None, alignment or listed
    if mark in ALIGNED:
        # Labels of the raw stack are still there.
        found.axis_angle, found.aligned = 0.0, True
        found.notes.append("The name says that the stack is aligned, so that its tilt axis is y.")
    if alignment is None and mark is None:
        alignment = next((beside[suffix] for suffix in ALIGNMENTS if suffix in beside), None)
    mdoc = beside.get(".mdoc")
    if listed is not None and listed.lower().endswith(".mdoc"):
        mdoc = None
        take_mdoc(found, listed, needed=True)
    elif listed is not None:
        take_list(found, listed)
    elif angles is not None:
        found.take_angles(angles, "the given list")
    if alignment is not None:
        take_alignment(found, os.fspath(alignment))
    for suffix in ANGLES:
        if found.angles is None and suffix in beside:
            take_list(found, beside[suffix], sure=suffix != ".txt")
    if FLAGS in beside:
        take_flags(found, beside[FLAGS])
    if mdoc is not None:
        take_mdoc(found, mdoc, needed=found.angles is None)
    take_header(found)
    take_record(found)
    if found.angles is None:
        raise NoAngles(
            f"no tilt angles are known for {path}: put a .tlt, .rawtlt or .mdoc of the same name beside it, or give "
            "their file (--tilts)"
        )
    return _series(found, tuple(exclude), axis_angle, offset)


def write_angles(path: Path, series: TiltSeries, overwrite: bool = False) -> None:
    """Write the angles, the offset added, one a line in the order of the stack (``.tlt``)."""
    tilt_angles.write(path, series.true_angles, overwrite)


def write_alignment(path: Path, series: TiltSeries, overwrite: bool = False) -> None:
    """Write IMOD's pair of files: ``<path>.xf`` and ``<path>.tlt``, in the order of the stack, excluded tilts included.

    A suffix ``.xf`` or ``.tlt`` of ``path`` is not counted twice. Both are refused where one exists; but a ``.tlt``
    that lists these angles already is left as it is.
    """
    files = alignment_files(path, series)
    if not overwrite:
        refuse_existing(*files)
    tilt_imod.write_xf(files[0], series.transforms, overwrite)
    for angles in files[1:]:
        write_angles(angles, series, overwrite)


def alignment_files(path: Path, series: TiltSeries) -> tuple[str, ...]:
    """What `write_alignment` writes: the ``.xf``, and the ``.tlt`` unless one with these angles lies there."""
    stem, suffix = os.path.splitext(os.fspath(path))
    stem = stem if suffix.lower() in (".xf", ".tlt") else os.fspath(path)
    try:
        listed = tilt_angles.read(f"{stem}.tlt").angles
    except MendemError:
        listed = ()
    same = len(listed) == series.count and all(
        abs(a - b) < 0.005 for a, b in zip(listed, series.true_angles, strict=True)
    )
    return (f"{stem}.xf",) if same else (f"{stem}.xf", f"{stem}.tlt")


def as_tilts(image: Image, stated: VoxelSize | None) -> Image:
    """The stack with the axes tilt, y, x; the stated voxel size has one, two (y, x) or three lengths."""
    if len(image.shape) != 3:
        what = "a single image" if len(image.shape) == 2 else f"{len(image.shape)} axes ({', '.join(image.axes)})"
        raise MendemError(f"{image.source} has {what}; a tilt series is a stack with one slice for each tilt")
    size = stated or image.voxel_size
    assert size is not None
    lengths = size.values * 2 if len(size.values) == 1 else size.values[-2:]
    if len(size.values) > 3:
        raise MendemError(f"{image.source} is a tilt series: give one voxel length, or those along y and x")
    # What was said of slices along z, and of a voxel size that is now stated, is no longer so.
    notes = [
        note
        for note in image.metadata.get("notes", ())
        if "read as a volume" not in note and not (stated and "voxel size" in note)
    ]
    metadata = {**image.metadata, "notes": notes}
    return Image(image.data, ("tilt", "y", "x"), VoxelSize((None, *lengths), size.unit), metadata, image.source)


def _beside(path: str) -> tuple[dict[str, str], str | None]:
    """The files of the same name, by suffix, and how the name says that the stack was aligned: one of the two ends."""
    folder, name = os.path.split(path.rstrip("/\\"))
    bare = name.removesuffix(".gz").removesuffix(".bz2")
    stem = os.path.splitext(bare)[0].removesuffix(".ome")
    mark = next((m for m in (*ALIGNED, *PREALIGNED) if bare.lower().endswith(m) or stem.lower().endswith(m)), None)
    stems = [bare, stem]
    if mark is not None and mark.startswith("_"):
        stems.append(stem[: -len(mark)])
    try:
        names = sorted(os.listdir(folder or "."))
    except OSError:
        names = []
    found: dict[str, str] = {}
    for one in stems:
        for suffix in (*ALIGNMENTS, *ANGLES, ".mdoc", FLAGS):
            match = next((n for n in names if n.lower() == f"{one}{suffix}".lower() and n != name), None)
            if match is not None:
                found.setdefault(suffix, os.path.join(folder, match))
    return found, mark


def _series(found: Gathered, exclude: tuple[int, ...], axis_angle: float | None, offset: float) -> TiltSeries:
    assert found.angles is not None
    series = TiltSeries(
        found.image,
        found.angles,
        found.axis_angle or 0.0,
        offset,
        excluded=(*found.excluded, *exclude),
        dose=found.dose,
        order=found.order,
        x_tilts=found.x_tilts,
        aligned=found.aligned,
        generated=found.generated or (),
    )
    notes = found.notes
    if found.transforms is not None:
        series = series.with_transforms(found.transforms)
    elif found.axis_angle is None and axis_angle is None:
        notes.append("No tilt axis angle was found; the tilt axis was taken to be y.")
    if axis_angle is not None:
        series = replace(series, axis_angle=float(axis_angle))
    repeated = len(series.angles) - len({round(a, 2) for a in series.angles})
    if repeated:
        notes.append(f"{many(repeated, 'angle')} repeated.")
    if max(abs(a) for a in series.true_angles) > 90:
        notes.append("Some angles are beyond ±90°.")
    return replace(series, notes=tuple(notes))
