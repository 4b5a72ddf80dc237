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
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from regbench.errors import UserError

BLOCK = 1 << 22  # bytes
REMEDY = "`python scripts/prepare_data.py --again NAME` makes it anew"


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


def write_prepared(dataset: Prepared, folder: Path) -> None:
    """Write the folder; `dataset.json` goes last and by rename, so that an interrupted write is never taken for one."""
    folder.mkdir(parents=True, exist_ok=True)
    described = {}
    for key, array in dataset.arrays.items():
        array = np.ascontiguousarray(array)
        partial = folder / f"{key}.partial.npy"
        np.save(partial, array)
        partial.replace(folder / f"{key}.npy")  # whoever has the old file mapped keeps it whole
        described[key] = {"shape": list(array.shape), "dtype": str(array.dtype), "sha256": _sha256(array)}
    meta = {"name": dataset.name, "task": dataset.task, "classes": dataset.classes, "source": dataset.source}
    partial = folder / "dataset.json.partial"
    partial.write_text(json.dumps({**meta, "arrays": described}, indent=2) + "\n")
    partial.replace(folder / "dataset.json")


def read_prepared(folder: Path) -> Prepared:
    """Read a prepared folder, its arrays memory-mapped, after checking every array against `dataset.json`.

    Raises:
        UserError: a missing, truncated or altered array, or an unreadable `dataset.json`.
    """
    meta_path = folder / "dataset.json"
    try:
        meta = json.loads(meta_path.read_text())
        described = meta["arrays"]
        name, task, classes, source = meta["name"], meta["task"], meta["classes"], meta["source"]
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{meta_path} cannot be read ({error}): {REMEDY}") from error
    arrays = {key: _read_array(folder / f"{key}.npy", expected) for key, expected in described.items()}
    digest = _joined({key: expected["sha256"] for key, expected in described.items()})
    return Prepared(name, task, list(classes), source, arrays, digest)


def arrays_digest(arrays: dict[str, np.ndarray]) -> str:
    """The digest that `read_prepared` gives these arrays."""
    return _joined({key: _sha256(np.ascontiguousarray(array)) for key, array in arrays.items()})


def _joined(digests: dict[str, str]) -> str:
    every = "".join(digests[key] for key in sorted(digests))
    return hashlib.blake2b(every.encode(), digest_size=6).hexdigest()


def _read_array(path: Path, expected: dict) -> np.ndarray:
    try:
        # "c": a torch tensor may share it, and nothing that is written reaches the disk
        array = np.load(path, mmap_mode="c", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path} is missing or truncated ({error}): {REMEDY}") from error
    if list(array.shape) != expected["shape"] or str(array.dtype) != expected["dtype"]:
        raise UserError(
            f"{path} holds {array.dtype} {list(array.shape)}, dataset.json says "
            f"{expected['dtype']} {expected['shape']}: {REMEDY}"
        )
    if _file_sha256(path, array) != expected["sha256"]:
        raise UserError(f"{path} was altered: its sha256 is not that of dataset.json; {REMEDY}")
    return array


def _sha256(array: np.ndarray) -> str:
    return hashlib.sha256(memoryview(array).cast("B") if array.size else b"").hexdigest()


def _file_sha256(path: Path, array: np.memmap) -> str:
    """The same of a mapped array, read from its file in blocks: mapped pages would count as this process's memory."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        file.seek(array.offset)
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()
