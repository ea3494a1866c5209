"""Opening and writing images by file name: one table of formats, and what is checked for all of them."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from mendem.errors import MendemError
from mendem.image import SPATIAL_AXES, Image, VoxelSize
from mendem.io import mrc, tiff, tiff_write, vendor, zarr_read, zarr_write
from mendem.io.copying import copy
from mendem.io.output import is_zarr, plain_words
from mendem.io.writer import ImageWriter, Target

#: Images of more bytes than this stay on disk when they are opened.
LAZY_ABOVE = 64 << 20

#: Room in the record for a provenance that grows until the run ends.
PROVENANCE_ROOM = 16 << 10


@dataclass(frozen=True)
class Format:
    """A file format: its suffixes, how to know it by its first bytes, how to read it and perhaps write it."""

    name: str
    suffixes: tuple[str, ...]
    read: Callable[[str], Image]
    open_writer: Callable[[Target], ImageWriter] | None = None
    matches: Callable[[bytes], bool] = lambda start: False
    packed: bool = False


ZARR = Format("OME-Zarr", zarr_read.SUFFIXES, zarr_read.read, zarr_write.open_writer)

FORMATS = (
    Format("TIFF", tiff.SUFFIXES, tiff.read, tiff_write.open_writer, tiff.matches),
    Format("MRC", mrc.SUFFIXES, mrc.read, mrc.open_writer, mrc.matches, packed=True),
    ZARR,
    Format("vendor", vendor.SUFFIXES, vendor.read),
)


class Suffixes(NamedTuple):
    """File name suffixes, in lower case with their dot."""

    readable: tuple[str, ...]
    writable: tuple[str, ...]


SUFFIXES = Suffixes(
    tuple(s for f in FORMATS for s in f.suffixes)
    + tuple(s + packing for f in FORMATS if f.packed for s in f.suffixes for packing in (".gz", ".bz2")),
    tuple(s for f in FORMATS if f.open_writer for s in f.suffixes),
)


def read(path: str | os.PathLike, voxel_size: VoxelSize | None = None, lazy_above: int = LAZY_ABOVE) -> Image:
    """Open an image file.

    Parameters
    ----------
    path
        File with one of ``SUFFIXES.readable``; TIFF and MRC are also known by their first bytes, and a zarr, or a level
        inside of one such as ``x.zarr/0``, by the metadata in the folder. Of several levels the finest is read.
    voxel_size
        Replaces what the file says: one length for all spatial axes, or one for each of them, or one for each axis.
    lazy_above
        Images of more bytes stay on disk: ``Image.data`` is then a `mendem.io.LazyArray` (a dask array for vendor
        formats) that reads what is sliced. Smaller ones are read at once.

    Returns
    -------
    Image
        With ``metadata["notes"]``, a list of sentences on what the reader had to decide or did not find, and
        ``metadata["mendem"]``, the provenance, where mendem wrote the file.

    Raises
    ------
    MendemError
        The file is missing, empty, damaged, of an unknown kind, or holds colours or complex numbers.
    """
    path = os.fspath(path)
    known = _format_to_read(path)
    image = known.read(path)
    if isinstance(image.data, np.ndarray) or image.data.nbytes > lazy_above:
        data = image.data
    else:
        data = np.asarray(image.data)
    if voxel_size is not None:
        notes = [note for note in image.metadata["notes"] if "voxel size" not in note]
        image = replace(
            image,
            voxel_size=_stated_voxel_size(voxel_size, image.axes, path),
            metadata={**image.metadata, "notes": notes},
        )
    return image.with_data(data)


def write(
    path: str | os.PathLike,
    image: Image,
    provenance: dict[str, Any] | None = None,
    overwrite: bool = False,
    ome_zarr: str | None = None,
) -> None:
    """Write an image in its own dtype; an image on disk is copied in pieces.

    Parameters
    ----------
    path
        Target, with one of ``SUFFIXES.writable``; it may be the file that the image is read from.
    image
        Pixels, axes and voxel size; MRC origin, labels and extended header are taken from its metadata.
    provenance
        Whatever JSON can hold; that of the image (``metadata["mendem"]``) when left out.
    overwrite
        Whether an existing file may be replaced.
    ome_zarr
        As of `open_writer`.

    Raises
    ------
    MendemError
        The file exists, cannot be written, or its format does not hold such pixels.
    """
    if provenance is None:
        provenance = image.metadata.get("mendem")
    like = image.shape, image.dtype, image.axes, image.voxel_size
    with _open_writer(path, *like, provenance, image.metadata, overwrite, room=0, ome_zarr=ome_zarr) as writer:
        copy(image, writer)


def open_writer(
    path: str | os.PathLike,
    shape: Sequence[int],
    dtype: Any,
    axes: tuple[str, ...] = (),
    voxel_size: VoxelSize | None = None,
    provenance: dict[str, Any] | None = None,
    metadata: dict[str, Any] | None = None,
    overwrite: bool = False,
    resume: bool = False,
    ome_zarr: str | None = None,
) -> ImageWriter:
    """Open a file to be written piece by piece, in any order, with little of it held in memory.

    Use it as a context manager: the file appears under its name when the block ends well, and not at all otherwise.
    `ImageWriter.put` writes a rectangle, `ImageWriter.put_box` a box of planes, `ImageWriter.set_provenance` changes
    the provenance before the end.

    Parameters
    ----------
    path
        Target, with one of ``SUFFIXES.writable``.
    shape, dtype, axes, voxel_size
        As of `mendem.image.Image`.
    provenance
        Whatever JSON can hold.
    metadata
        That of the input, from which are kept: MRC origin, labels and extended header, or the place of an OME-Zarr.
    overwrite
        Whether an existing file may be replaced. A folder is replaced only by a zarr, and only if it is one.
    resume
        Whether a run that was killed or failed can be continued. The unfinished output is then ``<path>.part``; it
        stays when the block is left by an exception or the process dies, and the next writer that is opened with
        ``resume`` goes on with it (``ImageWriter.resumed``): what was put before the last `ImageWriter.flush` is there.
        One that was left by an image of another shape, axes, dtype, voxel size or format is refused, and so is a
        second process that would write it at the same time. Without ``resume`` such a part is neither used nor removed.
    ome_zarr
        Version of OME-Zarr, "0.5" (zarr 3, the default) or "0.4" (zarr 2), for targets that are zarrs.

    Raises
    ------
    MendemError
        The file exists, cannot be written, the disk is too small, the format does not hold such pixels, or what is to
        be resumed belongs to something else.
    """
    # An image checks that axes, shape and voxel size belong together.
    like = Image(np.broadcast_to(np.zeros((), dtype), tuple(shape)), tuple(axes), voxel_size, source=os.fspath(path))
    about = like.shape, like.dtype, like.axes, like.voxel_size
    return _open_writer(path, *about, provenance, metadata, overwrite, PROVENANCE_ROOM, resume, ome_zarr)


def read_levels(path: str | os.PathLike) -> list[Image]:
    """Open a zarr folder with all its levels, the finest first; their pixels stay on disk.

    Raises
    ------
    MendemError
        The path is not a zarr, or a damaged one.
    """
    path = os.fspath(path)
    _format_to_read(path)
    return zarr_read.read_levels(path)


def _open_writer(
    path: str | os.PathLike,
    shape: tuple[int, ...],
    dtype: np.dtype,
    axes: tuple[str, ...],
    voxel_size: VoxelSize | None,
    provenance: dict[str, Any] | None,
    metadata: dict[str, Any] | None,
    overwrite: bool,
    room: int,
    resume: bool = False,
    ome_zarr: str | None = None,
) -> ImageWriter:
    path = os.fspath(path)
    known, opening = _to_write(path)
    if ome_zarr is not None and known is not ZARR:
        raise MendemError(f"cannot write {path} as OME-Zarr {ome_zarr}: give it the suffix .zarr")
    dtype = np.dtype(dtype).newbyteorder("=")
    voxel_size = voxel_size or VoxelSize.unknown(len(shape))
    about = shape, dtype, axes, voxel_size, provenance, metadata or {}, overwrite, room, resume, ome_zarr
    return opening(Target(path, *about))


def check_output(path: str | os.PathLike, dtype: Any = np.float32) -> None:
    """Raise `MendemError` where suffix, pixel type or folder forbid an image: before hours of work, and not after."""
    path = os.fspath(path)
    if _to_write(path)[0].name == "MRC" and np.dtype(dtype).name not in mrc.WRITABLE:
        raise MendemError(f"cannot write {path}: MRC has no pixels of type {np.dtype(dtype).name}; write a .tif")
    folder = os.path.dirname(os.path.realpath(path))
    with plain_words(path):
        if not os.path.isdir(folder):
            raise FileNotFoundError(errno.ENOENT, "", folder)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, "", folder)


def _to_write(path: str) -> tuple[Format, Callable[[Target], ImageWriter]]:
    known = _by_suffix(path)
    if known is None or known.open_writer is None:
        raise MendemError(f"cannot write {path}: give it a suffix that can be written ({', '.join(SUFFIXES.writable)})")
    return known, known.open_writer


def _by_suffix(path: str, reading: bool = False) -> Format | None:
    name = os.path.basename(path.rstrip("/\\")).lower()
    for known in FORMATS:
        plain = name.removesuffix(".gz").removesuffix(".bz2") if known.packed and reading else name
        if plain.endswith(known.suffixes):
            return known
    return None


def _format_to_read(path: str) -> Format:
    if is_zarr(path):
        return ZARR
    if os.path.isdir(path):
        if _by_suffix(path) is ZARR:
            raise MendemError(f"{path} is not a zarr in spite of its name: the folder has no zarr.json or .zgroup")
        raise MendemError(f"{path} is a folder; give a file, or a folder that is a zarr")
    try:
        with open(path, "rb") as file:
            start = file.read(256)
    except FileNotFoundError as error:
        raise MendemError(f"{path} does not exist; check the name") from error
    except OSError as error:
        raise MendemError(f"cannot read {path}: {error.strerror or error}") from error
    if not start:
        raise MendemError(f"{path} is empty (0 bytes); copy it again from its source")
    # The first bytes are surer than a name.
    for known in FORMATS:
        if known.matches(start):
            return known
    named = _by_suffix(path, reading=True)
    if named is None:
        raise MendemError(f"{path} is of an unknown kind; these can be read: {', '.join(SUFFIXES.readable)}")
    if named.name == "TIFF":
        raise MendemError(f"{path} is not a TIFF file in spite of its name; save it again as TIFF")
    if named is ZARR:
        raise MendemError(f"{path} is a file, and a zarr is a folder; unpack it if it is an archive")
    return named


def _stated_voxel_size(voxel_size: VoxelSize, axes: tuple[str, ...], path: str) -> VoxelSize:
    values = voxel_size.values
    spatial = [axis for axis in axes if axis in SPATIAL_AXES]
    if len(values) == 1:
        values = values * len(spatial)
    if len(values) == len(spatial):
        by_axis = dict(zip(spatial, values, strict=True))
        values = tuple(by_axis.get(axis) for axis in axes)
    if len(values) != len(axes):
        raise MendemError(
            f"{path} has the axes {', '.join(axes)}: give one voxel length, or {len(spatial)}, not {len(values)}"
        )
    return VoxelSize(values, voxel_size.unit)
