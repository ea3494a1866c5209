"""Writing OME-Zarr: level 0 as pixels come, the coarser levels and their metadata at the end."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from mendem.errors import MendemError
from mendem.image import NM_PER_UNIT, SPATIAL_AXES
from mendem.io.output import PartFile, plain_words
from mendem.io.writer import ImageWriter, Target
from mendem.io.zarr_array import ZarrArray
from mendem.io.zarr_chunks import Chunks
from mendem.io.zarr_meta import VERSIONS, attributes, axis_letters, load_json, save_json
from mendem.io.zarr_pyramid import factors, fill

DEFAULT_VERSION = "0.5"

#: Chunks along z, y, x: of volumes, and of single images and stacks.
VOLUME_CHUNKS = (64, 64, 64)
PLANE_CHUNKS = (1, 512, 512)

#: Folder for parts of chunks in an unfinished output.
PARTIAL = "partial"

#: With neighbouring bytes shuffled: of noisy 8-bit pixels 0.86 of the bytes stay, of restored float32 0.77,
#: at 0.8 GB/s a core; lz4 is twice as fast and leaves 1.0 and 0.8.
COMPRESSION, LEVEL = "zstd", 1


def open_writer(target: Target) -> ImageWriter:
    """See `mendem.io.open_writer`."""
    version = target.ome_zarr or DEFAULT_VERSION
    if version not in VERSIONS:
        raise MendemError(f"OME-Zarr {version} cannot be written; choose one of {', '.join(VERSIONS)}")
    if target.dtype.kind not in "biuf" or target.dtype.itemsize > 8:
        raise MendemError(
            f"cannot write {target.path}: zarr has no pixels of type {target.dtype.name}; ask for float32 (--dtype)"
        )
    letters = axis_letters(target.axes, target.path)
    # How small the chunks become is not known before.
    part = PartFile(target.path, 0, target.overwrite, target.resume, folder=True)
    try:
        return ZarrWriter(target, part, version, letters)
    except BaseException:
        part.give_up()
        raise


class ZarrWriter(ImageWriter):
    """Holds no pixels in memory; see `Chunks` for what happens to boxes that do not cover whole chunks."""

    def __init__(self, target: Target, part: PartFile, version: str, letters: tuple[str, ...]) -> None:
        super().__init__(target, part)
        self._target, self._version, self._letters = target, version, letters
        self._provenance = target.provenance
        ndim = len(self.shape)
        wanted = (1,) * ndim + (VOLUME_CHUNKS if "z" in target.axes else PLANE_CHUNKS)
        self.chunks = tuple(min(c, n) for c, n in zip(wanted[-ndim:], self.shape, strict=True))
        with plain_words(self.path):
            if part.found:
                self._check_found()
            else:
                self._create(0, self.shape)
                self._save_attributes([(1,) * ndim])
                part.settle()
            self._level0 = Chunks(self._folder(0), _open(self._folder(0)), os.path.join(part.path, PARTIAL))

    def set_provenance(self, provenance: dict[str, Any]) -> None:
        with self._lock:
            self._provenance = provenance

    def _put(self, plane: int, y0: int, x0: int, pixels: np.ndarray) -> None:
        depth = self._level0.size[0]
        while len(pixels):  # what lies in one volume, then in the next
            volume, z0 = divmod(plane, depth)
            count = min(len(pixels), depth - z0)
            lead = tuple(int(i) for i in np.unravel_index(volume, self.shape[:-3])) if len(self.shape) > 3 else ()
            self._level0.put(lead, (z0, y0, x0), pixels[:count])
            plane, pixels = plane + count, pixels[count:]
        if not self._part.lasts:
            self._level0.written.clear()

    def _flush(self) -> None:
        written, self._level0.written = self._level0.written, set()
        _sync([file for file in written if os.path.exists(file)])  # a chunk of zeros has no file
        if os.path.isdir(self._level0.partial_folder):  # what was removed there must not come back
            _sync([], [self._level0.partial_folder])
        self._save_attributes([(1,) * len(self.shape)])

    def _complete(self) -> None:
        self._level0.finish()
        shutil.rmtree(self._level0.partial_folder, ignore_errors=True)
        self._save_attributes(self._pyramid())
        _sync([os.path.join(folder, name) for folder, _, names in os.walk(self.part_path) for name in names])

    def _let_go(self) -> None:
        """Nothing is open between two calls."""

    def _pyramid(self) -> list[tuple[int, ...]]:
        """Write the coarser levels; returns for each level how many pixels of level 0 one pixel covers."""
        spatial = [axis in SPATIAL_AXES for axis in self._target.axes]
        sizes = [n if s else 1 for n, s in zip(self.shape, spatial, strict=True)]
        levels = factors(sizes, self._target.voxel_size.values)
        for number in range(1, len(levels)):
            shutil.rmtree(self._folder(number), ignore_errors=True)  # of a run that was killed here
            shape = [-(-n // f) for n, f in zip(self.shape, levels[number], strict=True)]
            steps = [a // b for a, b in zip(levels[number], levels[number - 1], strict=True)]
            self._create(number, shape)
            fill(ZarrArray(self._folder(number - 1)), _open(self._folder(number)), steps)
        return levels

    def _folder(self, level: int) -> str:
        return os.path.join(self.part_path, str(level))

    def _create(self, level: int, shape: Sequence[int]) -> None:
        import zarr

        options: dict[str, Any]
        if VERSIONS[self._version] == 2:
            options = {
                "compressors": {"id": "blosc", "cname": COMPRESSION, "clevel": LEVEL, "shuffle": 1},
                "chunk_key_encoding": {"name": "v2", "separator": "/"},
            }
        else:
            options = {
                "compressors": {
                    "name": "blosc",
                    "configuration": {"cname": COMPRESSION, "clevel": LEVEL, "shuffle": "shuffle"},
                },
                "dimension_names": self._letters,
            }
        assert self.chunks is not None
        zarr.create_array(
            self._folder(level),
            shape=tuple(shape),
            chunks=tuple(min(c, n) for c, n in zip(self.chunks, shape, strict=True)),
            dtype=self.dtype,
            fill_value=0,
            zarr_format=VERSIONS[self._version],
            **options,
        )

    def _save_attributes(self, levels: Sequence[Sequence[int]]) -> None:
        name = os.path.basename(self.path).removesuffix(".zarr").removesuffix(".ome")
        content = attributes(self._version, name, self._letters, self._target.voxel_size, self._origin(), levels)
        content["mendem"] = json.loads(self._target.record(self._provenance))
        if VERSIONS[self._version] == 2:
            save_json(os.path.join(self.part_path, ".zgroup"), {"zarr_format": 2})
            save_json(os.path.join(self.part_path, ".zattrs"), content)
        else:
            group = {"zarr_format": 3, "node_type": "group", "attributes": content}
            save_json(os.path.join(self.part_path, "zarr.json"), group)

    def _origin(self) -> list[float]:
        """Where the first pixel lies: as in the input, if that was a zarr of the same shape."""
        kept = self._target.metadata.get("zarr", {})
        if tuple(kept.get("shape", ())) != self.shape or kept.get("unit") not in NM_PER_UNIT:
            return [0.0] * len(self.shape)
        ratio = NM_PER_UNIT[kept["unit"]] / NM_PER_UNIT[self._target.voxel_size.unit]
        lengths = self._target.voxel_size.values
        return [0.0 if v is None else float(t) * ratio for t, v in zip(kept["translation"], lengths, strict=True)]

    def _check_found(self) -> None:
        """Refuse an unfinished output of another image or version."""
        if VERSIONS[self._version] == 2:
            content = load_json(os.path.join(self.part_path, ".zattrs"))
        else:
            content = load_json(os.path.join(self.part_path, "zarr.json")).get("attributes", {})
        if not content:
            raise self._part.refused(f"it is no OME-Zarr {self._version}")
        if why := self._target.mismatch(json.dumps(content.get("mendem"))):
            raise self._part.refused(why)
        _clean(self.part_path)


def _open(folder: str) -> Any:
    import zarr

    return zarr.open_array(folder, mode="r+")


def _sync(files: Sequence[str], folders: Sequence[str] = ()) -> None:
    """Bring files and the entries of their folders to the disk; several at once, which share the disk's waits."""

    def one(path: str) -> None:
        number = os.open(path, os.O_RDONLY if os.path.isdir(path) else os.O_RDWR)
        try:
            os.fsync(number)
        finally:
            os.close(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, files))
        if os.name == "posix":  # elsewhere folders are not opened
            list(pool.map(one, {*folders, *(os.path.dirname(file) for file in files)}))


def _clean(folder: str) -> None:
    """Remove what a process that was killed had not written to its end."""
    for place, _, names in os.walk(folder):
        for name in names:
            if name.endswith((".partial", ".new")):
                os.remove(os.path.join(place, name))
