"""A file that one process at a time holds, and that no process keeps beyond its own end."""

from __future__ import annotations

import os
import sys
from typing import Any

from mendem.errors import MendemError

if sys.platform == "win32":
    import msvcrt

    def _take(file: Any) -> None:
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(file: Any) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


class Lock:
    """The operating system's lock on a file made for it; it ends with the process, even one that is killed.

    On file systems without locks nothing is locked.

    Raises
    ------
    MendemError
        Another writer, in this process or another, holds it; ``busy`` is what is said then.
    """

    def __init__(self, path: str, busy: str) -> None:
        self.path = path
        while True:
            self._file = open(path, "a+b")
            try:
                _take(self._file)
            except (BlockingIOError, PermissionError) as error:
                self._file.close()
                raise MendemError(busy) from error
            except OSError:
                return
            if self._still_there():
                return
            self._file.close()

    def release(self) -> None:
        """Let go of it and remove the file. May be called again."""
        if self._file.closed:
            return
        try:
            os.remove(self.path)
        except OSError:  # Windows does not remove an open file
            pass
        self._file.close()

    def _still_there(self) -> bool:
        """Whether the file was not removed, by the one who held it before, between opening and locking."""
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), os.stat(self.path))
        except FileNotFoundError:
            return False
