"""Prepared datasets: a folder of plain arrays and `dataset.json`, which says what must be in them.

    train_images.npy  uint8 (N, H, W, C), C = 1 or 3, memory-mappable
    train_labels.npy  int64 (N,)           for classification
    train_masks.npy   uint8 (N, H, W) 0/1  for segmentation, instead of labels
    test_images.npy, test_labels.npy / test_masks.npy   the same for the test split
    dataset.json      name, task, classes, source; shape, dtype and sha256 of every array

`dataset.json` is written last: where it stands, the folder is complete.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from regbench.errors import UserError
from regbench.rows.locks import replacing

BLOCK = 1 << 22  # bytes
TARGETS = {"classification": "labels", "generation": "labels", "segmentation": "masks"}  # by task
SPLITS = ("train", "test")
KEYS = {f"{split}_{what}" for split in SPLITS for what in ("images", *TARGETS.values())}
DESCRIPTION = ("shape", "dtype", "sha256")  # of an array in dataset.json
CHANNELS = (1, 3)
Span = tuple[int, int]


@dataclass(frozen=True)
class Prepared:
    """One dataset: its name, task, class names and arrays by key (`train_images`, ...).

    `digest` is that of all arrays where they were read from a prepared folder or are embedded.
    """

    name: str
    task: str
    classes: list[str]
    source: str
    arrays: dict[str, np.ndarray]
    digest: str = ""

    def provenance(self) -> dict[str, str | int]:
        """What a row says of its data: the source, the number of test images, a digest of all arrays where known."""
        return {"source": self.source, "test_images": len(self.arrays["test_images"]), "digest": self.digest}


def validated(dataset: Prepared, folder: Path | None = None, spans: dict[str, Span] | None = None) -> Prepared:
    """The dataset, checked against the contract above: every source and every prepared folder passes here.

    folder: where its arrays are files, to name them; spans: least and greatest value of arrays that were seen already.

    Raises:
        UserError: another task, a name or source that is no text, classes that are no names, an array too many or
            missing, of another dtype or shape than the contract's, no images, images and targets of different number,
            test images of another shape than the training images, labels that are no class, masks of other values than
            0 and 1, or all of one value.
    """
    for key, had, allowed in _faults(dataset, spans or {}):
        if folder is None:
            raise UserError(f"dataset={dataset.name}: {key} has {had}, allowed is {allowed}")
        place = folder / ("dataset.json" if key == "it" else f"{key}.npy")
        raise UserError(f"{place} has {had}, allowed is {allowed}: {_remedy(folder)}")
    return dataset


def _faults(dataset: Prepared, spans: dict[str, Span]) -> Iterator[tuple[str, str, str]]:
    """What breaks the contract: array, what it has, what is allowed; later ones take the earlier for granted."""
    if not isinstance(dataset.task, str) or dataset.task not in TARGETS:
        yield "it", f"the task {dataset.task}", f"one of {', '.join(TARGETS)}"
    for key in ("name", "source"):
        if not isinstance(said := getattr(dataset, key), str) or not said:
            yield "it", f"{key}={str(said)[:40]}", "text"
    classes = dataset.classes
    if not isinstance(classes, list) or not classes or not all(isinstance(each, str) and each for each in classes):
        yield "it", f"classes={str(classes)[:40]}", "a list of names, 1 or more"
    wanted = [f"{split}_{what}" for split in SPLITS for what in ("images", TARGETS[dataset.task])]
    if sorted(dataset.arrays) != sorted(wanted):
        yield "it", f"the arrays {', '.join(sorted(dataset.arrays)) or 'none'}", f"{', '.join(wanted)}"
    each = dataset.arrays["train_images"].shape[1:]
    for split in SPLITS:
        key = f"{split}_images"
        images = dataset.arrays[key]
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in CHANNELS or not images.size:
            yield key, _described(images), "uint8 [N, H, W, C], none of them 0, C 1 or 3"
        if images.shape[1:] != each:
            yield key, _described(images), f"{list(each)} an image, as the training images"
        yield from _target_faults(dataset, split, spans)


def _target_faults(dataset: Prepared, split: str, spans: dict[str, Span]) -> Iterator[tuple[str, str, str]]:
    kind = TARGETS[dataset.task]
    key, images = f"{split}_{kind}", dataset.arrays[f"{split}_images"]
    targets = dataset.arrays[key]
    dtype, shape = ("int64", images.shape[:1]) if kind == "labels" else ("uint8", images.shape[:3])
    if targets.dtype != dtype or targets.shape != shape:
        yield key, _described(targets), f"{dtype} {list(shape)}, one for each image"
    low, high = spans.get(key) or _span(targets)
    top = len(dataset.classes) - 1 if kind == "labels" else 1
    if low < 0 or high > top:
        yield (
            key,
            f"values from {low} to {high}",
            f"0 to {top}, the classes there are" if kind == "labels" else "0 and 1",
        )
    if kind == "masks" and low == high:
        yield key, f"{low} everywhere: all masks are {'full' if low else 'empty'}", "masks of 0 and 1"


def _described(array: np.ndarray) -> str:
    return f"{array.dtype} {list(array.shape)}"


def _span(array: np.ndarray) -> Span:
    """The least and the greatest value of an array, a block of rows at a time."""
    rows = max(1, BLOCK // array[:1].nbytes)
    blocks = [array[start : start + rows] for start in range(0, len(array), rows)]
    return min(int(block.min()) for block in blocks), max(int(block.max()) for block in blocks)


def _remedy(folder: Path) -> str:
    if whole := re.fullmatch(r"(.+)-\d+px", folder.name):  # what is resized is kept beside its whole
        return f"delete {folder}, it is made anew from {whole[1]}"
    return f"`{command(folder, again=True)}` makes it anew"


def command(folder: Path, again: bool = False) -> str:
    """The command that makes a prepared folder."""
    return f"python scripts/prepare_data.py {'--again ' if again else ''}{folder.name} --root {folder.parent}"


def write_prepared(dataset: Prepared, folder: Path) -> None:
    """Write the folder, of a dataset that is valid.

    `dataset.json` goes last and by rename, so that an interrupted write is never taken for one.
    """
    validated(dataset)
    folder.mkdir(parents=True, exist_ok=True)
    described = {}
    for key, array in dataset.arrays.items():
        array = np.ascontiguousarray(array)
        with replacing(folder / f"{key}.npy") as file:  # whoever has the old file mapped keeps it whole
            np.save(file, array)
        described[key] = {"shape": list(array.shape), "dtype": str(array.dtype), "sha256": _sha256(array)}
    meta = {"name": dataset.name, "task": dataset.task, "classes": dataset.classes, "source": dataset.source}
    with replacing(folder / "dataset.json") as file:
        file.write(f"{json.dumps({**meta, 'arrays': described}, indent=2)}\n".encode())


def read_prepared(folder: Path) -> Prepared:
    """Read a prepared folder, its arrays memory-mapped, after checking every array against `dataset.json`.

    Raises:
        UserError: a missing, truncated or altered array, an unreadable `dataset.json`, or what `validated` refuses.
    """
    meta_path = folder / "dataset.json"
    try:
        meta = json.loads(meta_path.read_bytes())
        described = {key: {name: each[name] for name in DESCRIPTION} for key, each in meta["arrays"].items()}
        dataset = Prepared(meta["name"], meta["task"], meta["classes"], meta["source"], {})
        if strange := sorted(set(described) - KEYS):
            raise ValueError(f"it names {strange[0]}")  # a file outside of the folder, maybe
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(f"{meta_path} cannot be read ({' '.join(str(error).split())}): {_remedy(folder)}") from error
    spans: dict[str, Span] = {}
    for key, expected in described.items():
        dataset.arrays[key] = _read_array(folder / f"{key}.npy", expected, spans)
    digest = _joined({key: expected["sha256"] for key, expected in described.items()})
    return replace(validated(dataset, folder, spans), digest=digest)


def arrays_digest(arrays: dict[str, np.ndarray]) -> str:
    """The digest that `read_prepared` gives these arrays."""
    return _joined({key: _sha256(np.ascontiguousarray(array)) for key, array in arrays.items()})


def _joined(digests: dict[str, str]) -> str:
    every = "".join(digests[key] for key in sorted(digests))
    return hashlib.blake2b(every.encode(), digest_size=6).hexdigest()


def _read_array(path: Path, expected: dict, spans: dict[str, Span]) -> np.ndarray:
    """The array of a file, mapped; of masks the span is left in `spans`."""
    remedy = _remedy(path.parent)
    try:
        # "c": a torch tensor may share it, and nothing that is written reaches the disk
        array = np.load(path, mmap_mode="c", allow_pickle=False)
        if not isinstance(array, np.memmap):
            raise ValueError("it is an archive of arrays")
    except (OSError, ValueError, EOFError) as error:
        said = " ".join(str(error).split()).split(". ")[0]  # then NumPy advises to trust the file
        raise UserError(f"{path} is missing or truncated ({said}): {remedy}") from error
    if list(array.shape) != expected["shape"] or str(array.dtype) != expected["dtype"]:
        said = f"{expected['dtype']} {expected['shape']}"
        raise UserError(f"{path} holds {_described(array)}, dataset.json says {said}: {remedy}")
    seen = [] if path.stem.endswith("masks") and array.dtype == np.uint8 else None
    if _file_sha256(path, array, seen) != expected["sha256"]:
        raise UserError(f"{path} was altered: its sha256 is not that of dataset.json; {remedy}")
    if seen:
        spans[path.stem] = min(seen), max(seen)
    return array


def _sha256(array: np.ndarray) -> str:
    return hashlib.sha256(memoryview(array).cast("B") if array.size else b"").hexdigest()


def _file_sha256(path: Path, array: np.memmap, seen: list[int] | None = None) -> str:
    """The same of a mapped array, read from its file in blocks: mapped pages would count as this process's memory.

    The least and the greatest byte of each block are added to `seen`: no second pass over a large file.
    """
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        file.seek(array.offset)
        while block := file.read(BLOCK):
            digest.update(block)
            if seen is not None:
                values = np.frombuffer(block, np.uint8)
                seen += [int(values.min()), int(values.max())]
    return digest.hexdigest()
