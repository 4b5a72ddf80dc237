"""Where datasets come from: scikit-learn's digits, an existing prepared folder, or torchvision's downloads."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from regbench.data.prepared import Prepared, read_prepared, write_prepared
from regbench.errors import UserError
from regbench.locks import lock

if TYPE_CHECKING:
    from PIL import Image

DIGITS_TEST = 500
FACE_SIDE = 64


def digits() -> Prepared:
    """scikit-learn's 1,797 handwritten digits, 8x8 in 17 grey levels, upsampled to 16x16; 500 of them are the test.

    They come with scikit-learn: no download. At 16x16 an unpadded 5x5 convolution leaves maps of 12x12.
    """
    from PIL import Image
    from sklearn.datasets import load_digits

    bunch = load_digits()
    small = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    images = np.stack([np.asarray(Image.fromarray(i).resize((16, 16), Image.Resampling.BILINEAR)) for i in small])
    labels = bunch.target.astype(np.int64)
    # The digits are ordered by writer: a fixed shuffle, so that the test has all of them.
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = images[order, ..., None], labels[order]
    arrays = {
        "train_images": images[:-DIGITS_TEST],
        "train_labels": labels[:-DIGITS_TEST],
        "test_images": images[-DIGITS_TEST:],
        "test_labels": labels[-DIGITS_TEST:],
    }
    return Prepared("digits", "classification", [str(c) for c in range(10)], "scikit-learn", arrays)


def _from_torchvision(name: str, class_name: str, downloads: Path) -> Prepared:
    import torchvision.datasets

    dataset_class = getattr(torchvision.datasets, class_name)
    arrays: dict[str, np.ndarray] = {}
    for split in ("train", "test"):
        part = dataset_class(root=str(downloads), train=split == "train", download=True)
        images = np.asarray(part.data, dtype=np.uint8)
        arrays[f"{split}_images"] = images[..., None] if images.ndim == 3 else images
        arrays[f"{split}_labels"] = np.asarray(part.targets, dtype=np.int64)
    return Prepared(name, "classification", list(part.classes), f"torchvision.datasets.{class_name}", arrays)


def _celeba(downloads: Path) -> Prepared:
    """CelebA's aligned faces, 64x64; no labels. 2 GB of memory while it is made."""
    import torchvision.datasets

    arrays: dict[str, np.ndarray] = {}
    for split in ("train", "test"):
        part = torchvision.datasets.CelebA(root=str(downloads), split=split, target_type=[], download=True)
        images = np.empty((len(part), FACE_SIDE, FACE_SIDE, 3), np.uint8)
        for place in range(len(part)):
            images[place] = face(part[place][0])
        arrays[f"{split}_images"], arrays[f"{split}_labels"] = images, np.zeros(len(part), np.int64)
    return Prepared("celeba", "generation", ["face"], "torchvision.datasets.CelebA", arrays)


def face(image: "Image.Image") -> np.ndarray:
    """The centre square of a picture, resized bilinearly: uint8 (64, 64, 3)."""
    from PIL import Image

    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    square = image.convert("RGB").crop((left, top, left + side, top + side))
    return np.asarray(square.resize((FACE_SIDE, FACE_SIDE), Image.Resampling.BILINEAR))


#: sources that need a download, by dataset name: folder for the raw downloads -> the dataset
DOWNLOADS: dict[str, Callable[[Path], Prepared]] = {
    "mnist": functools.partial(_from_torchvision, "mnist", "MNIST"),
    "cifar10": functools.partial(_from_torchvision, "cifar10", "CIFAR10"),
    "cifar100": functools.partial(_from_torchvision, "cifar100", "CIFAR100"),
    "celeba": _celeba,
}


@functools.lru_cache(maxsize=2)
def load_prepared(name: str, root: Path, download: bool = True) -> Prepared:
    """The dataset called `name`: embedded, from its prepared folder under `root`, or downloaded into it.

    Raises:
        UserError: unknown name, a damaged folder, or nothing there and no download to be had.
    """
    if name == "digits":
        return digits()
    folder = root / name
    if not (folder / "dataset.json").exists():
        if not download:
            raise UserError(_missing(name, folder, "and downloads are off (download=false)"))
        prepare(name, root)
    return read_prepared(folder)


def prepare(name: str, root: Path, again: bool = False) -> Path:
    """Download the dataset and write its prepared folder, where it is not there or `again`; returns the folder.

    Of several processes one downloads, the others wait for it.
    """
    folder = root / name
    if name not in DOWNLOADS:
        allowed = ", ".join(["digits", *DOWNLOADS])
        raise UserError(f"dataset={name} has no download here: allowed are {allowed}")
    try:
        with lock(root / f"{name}.lock", wait=True):
            if again or not (folder / "dataset.json").exists():
                write_prepared(DOWNLOADS[name](root / "downloads"), folder)
    except (OSError, RuntimeError) as error:
        raise UserError(_missing(name, folder, f"and its download failed ({' '.join(str(error).split())})")) from error
    return folder


def _missing(name: str, folder: Path, why: str) -> str:
    return (
        f"dataset={name}: no {folder}/dataset.json (with train_images.npy, train_labels.npy, test_images.npy, "
        f"test_labels.npy), {why}; make it with `python scripts/prepare_data.py {name}`, "
        "or set REGBENCH_DATA to the folder that holds it"
    )
