"""Files that cannot be written: which one it was, told before a training or at once."""

import contextlib
import errno
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from regbench.errors import UserError


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an OSError that knows no file, as those of a full disk, name this file or folder."""
    try:
        yield
    except OSError as error:
        if error.filename is not None or type(error) is not OSError:  # Hydra's own errors are OSErrors, too
            raise
        raise OSError(error.errno or errno.EIO, why(error), str(path)) from error


def why(error: Exception) -> str:
    """What went wrong with a file, without its name."""
    return getattr(error, "strerror", None) or " ".join(str(error).split())


def check_writable(folder: Path, name: str = "") -> None:
    """Fail before a long work whose outcome could not be kept.

    Raises:
        UserError: nothing can be written there; `name`: the setting that says where.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(1024))  # a full disk may still make empty files
    except OSError as error:
        where = f"{name}={folder}" if name else folder
        raise UserError(f"{where} cannot be written ({why(error)}): allowed is a writable folder with room") from error


class LogFile(logging.FileHandler):
    """A log that ends with one line, and not with a traceback a record, where its disk is full."""

    def handleError(self, record: logging.LogRecord) -> None:
        """Logging's call, in the place of an exception."""
        logging.getLogger().removeHandler(self)
        print(f"{self.baseFilename}: {why(sys.exc_info()[1])}; nothing more is logged there", file=sys.stderr)


def reserve(path: Path, size: int) -> None:
    """Take the room of a file that is to be mapped: writing to a map on a full disk kills the process."""
    if hasattr(os, "posix_fallocate"):
        with naming(path), path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, size)
