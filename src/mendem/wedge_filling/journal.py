"""Generated tilts of a run that is not finished, kept so that the next one goes on after them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np

from mendem.errors import MendemError
from mendem.io.lines import sync_file
from mendem.io.output import plain_words
from mendem.tomography.tilt_road import GeneratedTilts
from mendem.wedge_filling.pieces import FilledTilts
from mendem.wedge_filling.plan import WedgeFilling


class TiltJournal:
    """A file of NumPy arrays one after the other: what the run is, then angles, densities and spreads of each group.

    What a killed process has not written to its end does not count.
    """

    def __init__(self, path: str, filling: WedgeFilling) -> None:
        self.path, self._angles = path, filling.completion.angles
        known = {k: filling.record[k] for k in ("task", "options", "inputs", "thickness", "found")}
        tilts = {k: filling.record["tilts"][k] for k in ("completed", "offset", "axis_angle", "levels", "scales")}
        whole = {**known, "tilts": tilts, "shifts": filling.series.shifts}
        self._run = np.array(json.dumps(whole, sort_keys=True))

    def read(self, overwrite: bool = False) -> list[GeneratedTilts]:
        """What an earlier run of the same left; the file is ready to be added to afterwards.

        Raises
        ------
        MendemError
            The file is of another run, or of other pixels, and not to be overwritten.
        """
        with plain_words(self.path):
            entries = []
            if os.path.exists(self.path):
                with open(self.path, "rb") as file:
                    entries = list(self._read(file))
                if not entries and not overwrite:
                    raise MendemError(
                        f"{self.path} has tilts that another run generated: remove it, give another name, or begin "
                        "anew (--overwrite)"
                    )
            if entries:
                os.truncate(self.path, entries[-1][0])
            else:
                with open(self.path, "wb") as file:
                    np.save(file, self._run)
        return [made for _, made in entries if made is not None]

    def add(self, made: FilledTilts) -> None:
        """Keep tilts that are finished; it survives a crash."""
        with plain_words(self.path), open(self.path, "ab") as file:
            for array in (np.array([self._angles[k] for k in made.which]), made.density, made.std):
                np.save(file, np.ascontiguousarray(array))
            sync_file(file)

    def remove(self) -> None:
        """It is not needed any more."""
        os.unlink(self.path)

    def _read(self, file: BinaryIO) -> Iterator[tuple[int, GeneratedTilts | None]]:
        """Where each whole entry ends, and what it is; nothing of another run."""
        try:
            if np.load(file).item() != self._run.item():
                return
            yield file.tell(), None
            while True:
                angles, density, std = (np.load(file) for _ in range(3))
                yield file.tell(), GeneratedTilts(tuple(angles.tolist()), density, std)
        except (EOFError, ValueError, OSError):
            return
