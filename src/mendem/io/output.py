"""What is being written lies beside its name and is moved into place when it is whole."""

from __future__ import annotations

import errno
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from mendem.errors import MendemError
from mendem.io.lock import Lock

#: A folder that holds one of these is a zarr, of version 3 or 2.
ZARR_FILES = ("zarr.json", ".zgroup", ".zarray", ".zattrs")


@contextmanager
def plain_words(path: str) -> Iterator[None]:
    """Turn the operating system's errors while writing ``path`` into a `MendemError`."""
    try:
        yield
    except OSError as error:
        folder = os.path.dirname(path) or "."
        what = {
            errno.ENOSPC: f"the disk is full; free some space or choose another folder than {folder}",
            errno.EDQUOT: f"your disk quota is used up; free some space or choose another folder than {folder}",
            errno.EACCES: f"no permission to write in {folder}; choose another folder",
            errno.EPERM: f"no permission to write in {folder}; choose another folder",
            errno.EROFS: f"{folder} is read-only; choose another folder",
            errno.ENOENT: f"the folder {folder} does not exist; create it first",
            errno.ENOTDIR: f"{folder} is not a folder; choose another one",
            errno.EFBIG: "the file system does not hold files of this size; choose another disk",
            errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
        }.get(error.errno or 0, error.strerror or str(error))
        raise MendemError(f"cannot write {path}: {what}") from error


def is_zarr(path: str) -> bool:
    """Whether a path is a folder with zarr's metadata in it."""
    return os.path.isdir(path) and any(os.path.exists(os.path.join(path, name)) for name in ZARR_FILES)


class PartFile:
    """A temporary file or folder beside its target: `commit` moves it into place, `discard` removes it.

    Parameters
    ----------
    path
        The target. A link is followed, so that what it points to is replaced and not the link.
    nbytes
        About how large the file will be; refused right away where the disk has less.
    overwrite
        Whether an existing target may be replaced.
    resume
        Whether the part has the one name ``<target>.part`` once `settle` was called, for a later run to go on with.
        One that is there already is ``found``. Nobody else may write it meanwhile.
    folder
        Whether the target is a zarr, which is a folder. One that is no zarr is never replaced.
    """

    def __init__(self, path: str, nbytes: int, overwrite: bool, resume: bool = False, folder: bool = False) -> None:
        self.target = os.path.realpath(path)
        self.overwrite = overwrite
        self.folder = folder
        self._refuse_existing("; choose another name, or allow overwriting")
        self._lock: Lock | None = None
        lasting = f"{self.target}.part"
        with plain_words(self.target):
            if resume:
                self._lock = Lock(
                    f"{lasting}.lock",
                    f"{lasting} is being written by another process; wait until it has ended, or give another name",
                )
            self._lasting = lasting if resume else None
            self.found = resume and os.path.lexists(lasting)
            if self.found:
                self.path = lasting
                if os.path.isdir(lasting) != folder:
                    self.release()
                    raise self.refused("it is of another format")
                return
            # A name that no program takes for an image, in the same folder so that the move is atomic.
            self.path = f"{lasting}.new" if resume else f"{self.target}.{uuid.uuid4().hex[:8]}.part"
            try:
                if resume:
                    _remove(self.path)  # of a process that was killed before it had settled
                if folder:
                    os.mkdir(self.path)
                else:
                    with open(self.path, "xb"):
                        pass
            except BaseException:
                self.release()
                raise
        free = shutil.disk_usage(os.path.dirname(self.target)).free
        if nbytes > free:
            self.discard()
            raise MendemError(
                f"cannot write {self.target}: it needs {nbytes / 1e9:.2f} GB and the disk has {free / 1e9:.2f} GB; "
                "free some space or choose another folder"
            )

    @property
    def lasts(self) -> bool:
        """Whether the part outlives a run that fails or is killed."""
        return self._lasting is not None

    def settle(self) -> None:
        """Call it when pixels can be put: only from now on a later run can go on with the part."""
        if self._lasting is not None and not self.found:
            with plain_words(self.target):
                os.rename(self.path, self._lasting)
            self.path = self._lasting

    def refused(self, why: str) -> MendemError:
        """The error for a part that was found and does not belong to this output."""
        return MendemError(
            f"{self.path} was left by another run and cannot be continued: {why}; remove it or give another name"
        )

    def commit(self) -> None:
        """Move the finished part into place. Where that is refused it is kept, since it may be hours of work."""
        kept = f"the new result is kept in {self.path}"
        try:
            self._refuse_existing(f" since the run began; {kept}")
            try:
                self._move()
            except OSError as error:
                raise MendemError(f"cannot replace {self.target} ({error.strerror or error}); {kept}") from error
        finally:
            self.release()

    def discard(self) -> None:
        """Remove the part."""
        _remove(self.path)
        self.release()

    def give_up(self) -> None:
        """End before any pixel was put: what was found stays as it is, what was begun is removed."""
        if self.found:
            self.release()
        else:
            self.discard()

    def release(self) -> None:
        """Let others write the part."""
        if self._lock is not None:
            self._lock.release()

    def _move(self) -> None:
        if not (self.folder and os.path.isdir(self.target)):
            os.replace(self.path, self.target)
            return
        # No system replaces a folder that is not empty in one step: there is a moment without either under the name.
        aside = f"{self.target}.{uuid.uuid4().hex[:8]}.old"
        os.rename(self.target, aside)
        try:
            os.rename(self.path, self.target)
        except OSError:
            os.rename(aside, self.target)
            raise
        shutil.rmtree(aside, ignore_errors=True)

    def _refuse_existing(self, what_then: str) -> None:
        if self.folder:
            if os.path.exists(self.target) and not is_zarr(self.target):
                kind = "folder that is not" if os.path.isdir(self.target) else "file and not"
                raise MendemError(f"{self.target} is a {kind} a zarr, and is not replaced; give another name")
        elif os.path.isdir(self.target):
            raise MendemError(f"{self.target} is a folder; give the name of a file")
        if not self.overwrite and os.path.exists(self.target):
            raise MendemError(f"{self.target} exists{what_then}")


def remove_part(target: str) -> None:
    """Remove what a run that could be continued has left of an output, if nobody writes it."""
    part = f"{target}.part"
    if os.path.lexists(part):
        with plain_words(target):
            lock = Lock(f"{part}.lock", f"{part} is being written by another process; wait until it has ended")
            _remove(part)
            lock.release()


def _remove(path: str) -> None:
    """Remove a file or a folder, if there is one."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        try:
            os.remove(path)
        except FileNotFoundError:
            pass
