"""Lock files and temporary files, which the system frees when their holder dies.

A lock says which process trains a member, makes a download or packs rows; its file goes with it. A temporary file is
locked while it is written, so that what a killed process has left is known from what another one is writing.
"""

import contextlib
import fcntl
import functools
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from regbench.errors import UserError
from regbench.rows.files import naming

STALE_SECONDS = 60.0  # a file that nobody holds may be in the making for an instant
RETRY_SECONDS = 0.02  # `remove_stale` holds a lock for an instant


@contextlib.contextmanager
def lock(path: Path, wait: bool = False) -> Iterator[bool]:
    """Hold the lock file `path`; where another process holds it, wait for it or yield False at once.

    Raises:
        UserError: the file cannot be made, or its file system has no locks.
    """
    _clean_once(path.parent)
    file = _hold(path, wait)
    if file is None:
        yield False
        return
    with file:
        try:
            yield True
        finally:
            with contextlib.suppress(OSError):  # while it is held: see `_hold`
                path.unlink(missing_ok=True)


def _hold(path: Path, wait: bool) -> IO | None:
    """The locked file; None: another process holds it.

    Its holder deletes a lock file. Whoever had opened it before that then holds a file without a name, and tries again.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            file = path.open("a")
            try:
                locked = _locked(file, wait)
                if not locked:
                    time.sleep(RETRY_SECONDS)
                    locked = _locked(file, wait)
                named = _is_named(file, path)
            except BaseException:
                file.close()
                raise
            if locked and named:
                return file
            file.close()
            if not locked:
                return None
    except OSError as error:
        raise UserError(
            f"{path} cannot be locked ({error.strerror}): allowed is a folder that can be written, on a file system "
            "with locks (flock)"
        ) from error


def _locked(file: IO, wait: bool) -> bool:
    """Lock an open file; whether it is locked now."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def _is_named(file: IO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """A temporary file to read and write, which then takes the place of `path`; on an error there is none.

    Its name is this process's own: `<stem>.<some letters>.partial`. An OSError names `path` where it knows no file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(".partial", f"{path.stem}.", path.parent)
    try:
        with naming(path), open(descriptor, "w+b") as file:
            os.fchmod(descriptor, 0o666 & ~_umask())
            with contextlib.suppress(OSError):  # without locks its age protects it
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield file
            file.flush()
            os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


@functools.cache
def _umask() -> int:
    """The process's mask of permissions, which is to be had only by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def remove_stale(folder: Path, pattern: str = "*", age: float = STALE_SECONDS) -> list[Path]:
    """Delete a folder's lock and temporary files that no living process holds; returns them.

    Args:
        age: seconds since their last change, at least.
    """
    found = [path for kind in ("lock", "partial") for path in sorted(folder.glob(f"{pattern}.{kind}"))]
    return [path for path in found if _removed(path, age)]


def _removed(path: Path, age: float) -> bool:
    try:
        if time.time() - path.stat().st_mtime < age:
            return False
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: it is held
            if not _is_named(file, path):
                return False
            path.unlink()
            return True
    except OSError:
        return False


@functools.cache
def _clean_once(folder: Path) -> None:
    """Once a process, when it first locks something in a folder."""
    remove_stale(folder)
