"""Raw downloads: what is wrong with one is said with its name, and it can be set aside to be downloaded again."""

import contextlib
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from regbench.errors import UserError

MNIST_PICTURES = {"train": 60_000, "t10k": 10_000}
MNIST_SIDE = 28
MNIST_CLASSES = 10
BLOCK = 1 << 22  # bytes


class Damaged(UserError):
    """A raw file or folder, `path`, that is not what it should be; another download may be."""

    def __init__(self, path: Path, why: str):
        super().__init__(why)
        self.path = path


@contextlib.contextmanager
def set_aside(path: Path) -> Iterator[None]:
    """Put a file or folder out of the way of its download; without one in its place in the end, it comes back."""
    aside = path.with_name(f"{path.name}.damaged")
    _delete(aside)
    if path.exists():
        path.rename(aside)
    try:
        yield
    except BaseException:
        if aside.exists():
            _delete(path)
            aside.rename(path)
        raise
    _delete(aside)


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def check_mnist(folder: Path) -> None:
    """Check the four files of MNIST that are in `folder`, which torchvision takes for complete where they exist.

    Each is a big-endian header and a byte a value: 0, 0, 8, number of dimensions, then the size of each in four bytes.

    Raises:
        Damaged: another header or length than MNIST's, labels from 10 on, or not what its archive beside it holds.
    """
    for part, count in MNIST_PICTURES.items():
        for what, shape in (("images-idx3", (count, MNIST_SIDE, MNIST_SIDE)), ("labels-idx1", (count,))):
            path = folder / f"{part}-{what}-ubyte"
            if path.exists():
                _check_idx(path, shape)


def _check_idx(path: Path, shape: tuple[int, ...]) -> None:
    header = np.array([0x800 + len(shape), *shape], ">u4").tobytes()
    size = len(header) + int(np.prod(shape))
    if not path.is_file() or (found := path.stat().st_size) != size:
        had = f"{found:,} bytes" if path.is_file() else "no file"
        raise Damaged(path, f"{path} is not MNIST's: it has {had}, allowed are {size:,}")
    with path.open("rb") as file:
        if file.read(len(header)) != header:
            raise Damaged(path, f"{path} is not MNIST's: its header does not say uint8 {list(shape)}")
        if len(shape) == 1 and (top := max(file.read())) >= MNIST_CLASSES:
            raise Damaged(path, f"{path} is not MNIST's: it has a label {top}, allowed are 0 to {MNIST_CLASSES - 1}")
    archive = path.with_name(f"{path.name}.gz")
    packed = archive.read_bytes() if archive.is_file() else b""
    if packed.startswith(b"\x1f\x8b") and int.from_bytes(packed[-8:-4], "little") != _crc32(path):  # as its end says
        raise Damaged(path, f"{path} is not what {archive.name} beside it holds: their checksums differ")


def _crc32(path: Path) -> int:
    value = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            value = zlib.crc32(block, value)
    return value
