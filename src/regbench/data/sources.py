"""Where datasets come from: a prepared folder, scikit-learn's digits, a download, or raw files put there by hand."""

import functools
import hashlib
import http.client
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from regbench.data.decoding import decoded
from regbench.data.pictures import array_on_disk, centre_square, pictures, resized, shown
from regbench.data.prepared import Prepared, arrays_digest, command, read_prepared, validated, write_prepared
from regbench.data.raw import Damaged, check_mnist, set_aside
from regbench.data.segmentation import coco, download_again, duts
from regbench.errors import NO_ROOM, UserError
from regbench.rows.files import check_writable, why
from regbench.rows.locks import lock

DIGITS_TEST = 500
FACE_SIDE = 64
IMAGENETTE_SIDE = 224
IMAGENETTE = {"train": 9469, "test": 3925}  # pictures: an interrupted download has fewer
FACES = 202_599  # pictures of CelebA, likewise
#: what torchvision reads and neither checks nor downloads again: description of the classes, and its MD5
CIFAR_META = {
    "cifar10": ("cifar-10-batches-py/batches.meta", "5ff9c542aee3614f3951f8cda6e48888"),
    "cifar100": ("cifar-100-python/meta", "7973b15100ade9c7d40fb424638fde48"),
}
#: the folder under the downloads that is unpacked as a whole, where one damaged file means to unpack all of it again
UNPACKED = {
    "cifar10": "cifar-10-batches-py",
    "cifar100": "cifar-100-python",
    "celeba": "celeba/img_align_celeba",
    "imagenette": "imagenette2-320",
}
BY_HAND = ("duts",)  # without a download
#: by a source, what downloads a damaged file alone; the others do so where it is missing
DOWNLOAD_AGAIN: dict[str, Callable[[Path, Path], None]] = {"coco": download_again}


@functools.cache
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
    classes = [str(c) for c in range(10)]
    return validated(Prepared("digits", "classification", classes, "scikit-learn", arrays, arrays_digest(arrays)))


def _from_torchvision(name: str, class_name: str, downloads: Path, scratch: Path) -> Prepared:
    import torchvision.datasets

    dataset_class = getattr(torchvision.datasets, class_name)
    _check_found(name, downloads)
    arrays: dict[str, np.ndarray] = {}
    for split in ("train", "test"):
        part = dataset_class(root=str(downloads), train=split == "train", download=True)
        images, labels = np.asarray(part.data), np.asarray(part.targets)
        arrays[f"{split}_images"] = images[..., None] if images.ndim == 3 else images
        arrays[f"{split}_labels"] = labels.astype(np.int64) if labels.dtype.kind in "iu" else labels
    return Prepared(name, "classification", list(part.classes), f"torchvision.datasets.{class_name}", arrays)


def _check_found(name: str, downloads: Path) -> None:
    """Check those raw files that torchvision itself would believe; raises Damaged."""
    if name == "mnist":
        old = downloads / "MNIST" / "processed"
        if any(old.glob("*.pt")):  # torchvision would read them in place of the raw files
            raise Damaged(old, f"{old} is an old format of torchvision, which cannot be checked: delete it")
        check_mnist(downloads / "MNIST" / "raw")
    if name in CIFAR_META:
        file, md5 = CIFAR_META[name]
        path = downloads / file
        found = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() if path.is_file() else ""
        if path.exists() and found != md5:
            raise Damaged(path, f"{path} is not what was published: its MD5 is not {md5}")


def _celeba(downloads: Path, scratch: Path) -> Prepared:
    """CelebA's aligned faces, centre squares of 64x64; no labels."""
    import torchvision.datasets

    arrays: dict[str, np.ndarray] = {}
    folder = downloads / UNPACKED["celeba"]
    for split in ("train", "test"):
        part = torchvision.datasets.CelebA(root=str(downloads), split=split, target_type=[], download=True)
        if folder.is_dir() and (count := sum(1 for _ in folder.glob("*.jpg"))) != FACES:
            raise Damaged(folder, f"{folder} has {count:,} pictures, CelebA has {FACES:,}")
        images = array_on_disk(scratch / f"{split}_images.npy", (len(part), FACE_SIDE, FACE_SIDE, 3))
        for place in shown(range(len(part)), f"celeba {split}"):
            face = decoded(lambda: part[place][0], lambda: folder / part.filename[place])  # noqa: B023 (called at once)
            images[place] = centre_square(face, FACE_SIDE)
        arrays[f"{split}_images"], arrays[f"{split}_labels"] = images, np.zeros(len(part), np.int64)
    return Prepared("celeba", "generation", ["face"], "torchvision.datasets.CelebA", arrays)


def _imagenette(downloads: Path, scratch: Path) -> Prepared:
    """Imagenette, ten classes of ImageNet: centre squares of 224x224, the 320-pixel edition; its `val` is the test."""
    arrays: dict[str, np.ndarray] = {}
    for split in ("train", "test"):
        folder = downloads / UNPACKED["imagenette"] / ("train" if split == "train" else "val")
        part = _imagenette_part(downloads, folder)
        if len(part) != IMAGENETTE[split]:
            said = f"{folder} has {len(part)} pictures, Imagenette has {IMAGENETTE[split]}"
            raise Damaged(folder, f"{said}: delete imagenette2-320 and its archive there to download it again")
        paths, labels = zip(*part._samples, strict=True)
        file = scratch / f"{split}_images.npy"
        arrays[f"{split}_images"] = pictures([Path(path) for path in paths], IMAGENETTE_SIDE, file)
        arrays[f"{split}_labels"] = np.array(labels, np.int64)
    classes = [names[0] for names in part.classes]
    return Prepared("imagenette", "classification", classes, "torchvision.datasets.Imagenette", arrays)


def _imagenette_part(downloads: Path, folder: Path):
    from torchvision.datasets import Imagenette

    there = folder.parent.exists()
    try:
        return Imagenette(root=str(downloads), split=folder.name, size="320px", download=not there)
    except (OSError, KeyError) as error:  # KeyError: the folder of no class that it knows
        if not folder.parent.exists():
            raise
        raise Damaged(folder, f"{folder} is not Imagenette's ({error})") from error


#: sources that need a download, by dataset name: (folder of raw downloads, folder for arrays in the making) -> dataset
DOWNLOADS: dict[str, Callable[[Path, Path], Prepared]] = {
    "mnist": functools.partial(_from_torchvision, "mnist", "MNIST"),
    "cifar10": functools.partial(_from_torchvision, "cifar10", "CIFAR10"),
    "cifar100": functools.partial(_from_torchvision, "cifar100", "CIFAR100"),
    "celeba": _celeba,
    "imagenette": _imagenette,
    "coco": coco,
    "duts": duts,
}

#: of a download or of an archive that it left
FAILURES = (
    OSError,
    RuntimeError,
    EOFError,
    http.client.HTTPException,
    zipfile.BadZipFile,
    tarfile.TarError,
    zlib.error,
)


@functools.lru_cache(maxsize=2)
def load_prepared(name: str, root: Path, download: bool = True, side: int | None = None) -> Prepared:
    """The dataset called `name`: embedded, from its prepared folder under `root`, or downloaded into it.

    With `side` its images are squares of so many pixels; what is resized is kept in a prepared folder beside it.

    Raises:
        UserError: unknown name, a damaged folder, or nothing there and no download to be had.
    """
    if side is not None and (not isinstance(side, int) or isinstance(side, bool) or side < 8):
        raise UserError(f"dataset.side={side} is not allowed: pixels, an integer of 8 or more, or null")
    if name == "digits":
        if side is not None:
            raise UserError(f"dataset.side={side} is not allowed for digits: it is embedded as it is")
        return digits()
    if side is not None and (root / _resized_name(name, side) / "dataset.json").exists():
        return read_prepared(root / _resized_name(name, side))
    folder = root / name
    if not (folder / "dataset.json").exists():
        if not download:
            raise UserError(_missing(name, folder, "and downloads are off (download=false)"))
        prepare(name, root)
    whole = read_prepared(folder)
    if side is None or whole.arrays["train_images"].shape[1:3] == (side, side):
        return whole
    return _at_side(whole, root, side)


def _resized_name(name: str, side: int | str) -> str:
    return f"{name}-{side}px"


def _at_side(whole: Prepared, root: Path, side: int) -> Prepared:
    """The dataset resized, from its own prepared folder; of several processes one makes it."""
    largest = min(whole.arrays["train_images"].shape[1:3])
    if side > largest:
        raise UserError(f"dataset.side={side} is not allowed: {whole.name} is prepared at {largest} pixels")
    folder = root / _resized_name(whole.name, side)
    try:
        with lock(root / f"{folder.name}.lock", wait=True), tempfile.TemporaryDirectory(dir=root) as scratch:
            if not (folder / "dataset.json").exists():
                arrays = {
                    key: resized(array, side, Path(scratch) / f"{key}.npy") if array.ndim > 2 else array
                    for key, array in whole.arrays.items()
                }
                source = f"{whole.source}, resized from {largest} to {side} pixels"
                write_prepared(Prepared(whole.name, whole.task, whole.classes, source, arrays), folder)
    except OSError as error:
        raise UserError(
            f"dataset.side={side}: {error.filename or folder} cannot be written ({why(error)}); set REGBENCH_DATA"
        ) from error
    return read_prepared(folder)


def prepare(name: str, root: Path, again: bool = False) -> Path:
    """Download the dataset and write its prepared folder, where it is not there or `again`; returns the folder.

    Of several processes one downloads, the others wait for it.
    """
    folder = root / name
    if name == "digits":
        raise UserError("dataset=digits comes with scikit-learn: there is nothing to prepare")
    if name not in DOWNLOADS:
        raise UserError(f"dataset={name} has no download here: allowed are {', '.join(DOWNLOADS)}")
    check_writable(root)
    try:
        with lock(root / f"{name}.lock", wait=True), tempfile.TemporaryDirectory(dir=root) as scratch:
            if again or not (folder / "dataset.json").exists():
                write_prepared(_made(name, root / "downloads", Path(scratch), again), folder)
                for old in root.glob(_resized_name(name, "*")):  # of what was there before
                    shutil.rmtree(old)
    except Damaged as error:
        if again or name in BY_HAND:
            raise
        remedy = f"`{command(folder, again=True)}` downloads it again"
        raise UserError(f"{error}; {remedy}") from error
    except FAILURES as error:
        if getattr(error, "errno", None) in NO_ROOM:
            raise UserError(
                f"{getattr(error, 'filename', None) or folder} cannot be written ({why(error)}): make room or set "
                "REGBENCH_DATA"
            ) from error
        raise UserError(_missing(name, folder, f"and its download failed ({' '.join(str(error).split())})")) from error
    return folder


def _made(name: str, downloads: Path, scratch: Path, again: bool, cured: frozenset[Path] = frozenset()) -> Prepared:
    """The dataset from its raw files. With `again` those that turn out damaged are downloaded again, each once."""
    try:
        return DOWNLOADS[name](downloads, scratch)
    except Damaged as error:
        bad = downloads / UNPACKED[name] if name in UNPACKED else error.path
        if not again or name in BY_HAND or bad in cured:
            raise
    with set_aside(bad):
        if name in DOWNLOAD_AGAIN:
            DOWNLOAD_AGAIN[name](bad, downloads)
        return _made(name, downloads, scratch, again, cured | {bad})


def _missing(name: str, folder: Path, why: str) -> str:
    kind = "masks" if DOWNLOADS.get(name) in (coco, duts) else "labels"
    return (
        f"dataset={name}: no {folder}/dataset.json (with train_images.npy, train_{kind}.npy, test_images.npy, "
        f"test_{kind}.npy), {why}; make it with `{command(folder)}`, "
        "or set REGBENCH_DATA to the folder that holds it"
    )
