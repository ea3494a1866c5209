"""Lines of JSON that are appended to a file, and what of them is there after a kill or a crash."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from typing import Any

Line = dict[str, Any]


class Lines:
    """A file of lines. One that a killed process has not written to its end does not count."""

    def __init__(self, path: str) -> None:
        self.path = path

    def append(self, lines: Collection[Mapping[str, Any]], sync: bool = False) -> None:
        """Write lines at the end; with ``sync`` they, and all before them, survive a crash of the system too."""
        with open(self.path, "ab") as file:
            file.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
            if sync:
                sync_file(file)
        if sync:
            sync_folder(os.path.dirname(self.path))

    def read(self) -> list[Line]:
        """All of them."""
        return [line for line, _ in self._read()]

    def cut(self, written: int) -> None:
        """Take away all but the first lines."""
        ends = [0, *(end for _, end in self._read())]
        os.truncate(self.path, ends[written])

    def _read(self) -> list[tuple[Line, int]]:
        """Lines, and where each ends in bytes."""
        with open(self.path, "rb") as file:
            whole = [line for line in file.read().splitlines(True) if line.endswith(b"\n")]
        found, end = [], 0
        for line in whole:
            end += len(line)
            found.append((json.loads(line), end))
        return found


def replace_file(path: str, content: bytes) -> None:
    """Write a file that appears whole, and survives a crash of the system."""
    with open(f"{path}.new", "wb") as file:
        file.write(content)
        sync_file(file)
    os.replace(f"{path}.new", path)
    sync_folder(os.path.dirname(path))


def sync_file(file: Any) -> None:
    """Bring an open file to the disk."""
    file.flush()
    os.fsync(file.fileno())


def sync_folder(path: str) -> None:
    """Bring the names in a folder to the disk."""
    if os.name == "posix":  # elsewhere folders are not opened
        number = os.open(path, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def boot() -> str:
    """What this start of this machine is called; empty where that is unknown."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            return file.read().strip()
    except OSError:
        return ""
