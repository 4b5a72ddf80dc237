"""The prepared-dataset contract: what is written is read, and what was damaged is refused."""

import hashlib
import json

import numpy as np
import pytest

from regbench.data import prepared
from regbench.data.prepared import Prepared, arrays_digest, read_prepared, write_prepared
from regbench.errors import UserError


def tiny(name="tiny", size=12):
    random = np.random.default_rng(0)
    arrays = {}
    for split, count in (("train", 3 * size), ("test", size)):
        arrays[f"{split}_images"] = random.integers(0, 256, (count, 16, 16, 1), dtype=np.uint8)
        arrays[f"{split}_labels"] = random.integers(0, 10, count)
    return Prepared(name, "classification", [str(c) for c in range(10)], "made by a test", arrays)


@pytest.fixture
def folder(tmp_path):
    write_prepared(tiny(), tmp_path / "tiny")
    return tmp_path / "tiny"


def test_round_trip(folder):
    read = read_prepared(folder)
    assert read.classes == tiny().classes and read.task == "classification"
    for key, array in tiny().arrays.items():
        np.testing.assert_array_equal(read.arrays[key], array)
        assert isinstance(read.arrays[key], np.memmap)


@pytest.mark.parametrize("key", sorted(tiny().arrays))
def test_the_digest_changes_with_any_array_and_not_with_their_order_or_layout(key):
    arrays = tiny().arrays
    turned = {name: np.asfortranarray(arrays[name]) for name in reversed(arrays)}
    assert arrays_digest(turned) == arrays_digest(arrays)
    other = arrays[key].copy()
    other.reshape(-1)[-1] ^= 1
    assert arrays_digest({**arrays, key: other}) != arrays_digest(arrays)


def test_truncated_array_is_refused(folder):
    path = folder / "train_images.npy"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match=r"train_images\.npy is missing or truncated"):
        read_prepared(folder)


def test_missing_array_is_refused(folder):
    (folder / "test_labels.npy").unlink()
    with pytest.raises(UserError, match=r"test_labels\.npy is missing"):
        read_prepared(folder)


def test_one_altered_byte_is_refused(folder):
    path = folder / "test_images.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(UserError, match=r"test_images\.npy was altered"):
        read_prepared(folder)


@pytest.mark.parametrize("block", [1, 7, 64, 1 << 22])
def test_the_hash_is_of_the_whole_array_whatever_the_block(folder, monkeypatch, block):
    monkeypatch.setattr(prepared, "BLOCK", block)
    array = np.load(folder / "test_images.npy", mmap_mode="r")[:3]
    np.save(folder / "few.npy", array)
    mapped = np.load(folder / "few.npy", mmap_mode="r")
    expected = hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
    assert prepared._file_sha256(folder / "few.npy", mapped) == expected


@pytest.mark.parametrize("place", [0, 100, 5000, -1])
def test_an_altered_byte_is_seen_in_every_block(folder, monkeypatch, place):
    monkeypatch.setattr(prepared, "BLOCK", 1000)
    array = np.load(folder / "train_images.npy", mmap_mode="r+")
    array.reshape(-1)[place] ^= 1
    array.flush()
    with pytest.raises(UserError, match=r"train_images\.npy was altered"):
        read_prepared(folder)


def test_bytes_behind_the_array_are_refused(folder):
    with open(folder / "test_labels.npy", "ab") as file:
        file.write(b"more")
    with pytest.raises(UserError, match=r"test_labels\.npy was altered"):
        read_prepared(folder)


def test_a_file_is_read_in_blocks_and_not_through_its_map(folder, monkeypatch):
    """Mapped pages would count as this process's memory, and a whole set does not fit there."""
    sizes = []
    real = hashlib.sha256

    class Watched:
        def __init__(self):
            self.digest = real()

        def update(self, block):
            sizes.append(len(block))
            self.digest.update(block)

        def hexdigest(self):
            return self.digest.hexdigest()

    monkeypatch.setattr(prepared, "BLOCK", 1000)
    monkeypatch.setattr(prepared.hashlib, "sha256", Watched)
    read_prepared(folder)
    assert max(sizes) == 1000 and sum(sizes) == sum(array.nbytes for array in tiny().arrays.values())


def test_what_is_written_into_a_read_array_does_not_reach_the_disk(folder):
    before = (folder / "train_images.npy").read_bytes()
    read = read_prepared(folder).arrays["train_images"]
    read[:] = 0
    assert (folder / "train_images.npy").read_bytes() == before


def test_array_of_another_shape_is_refused(folder):
    np.save(folder / "train_labels.npy", np.zeros(5, np.int64))
    with pytest.raises(UserError, match=r"holds int64 \[5\], dataset\.json says"):
        read_prepared(folder)


def test_unreadable_description_is_refused(folder):
    (folder / "dataset.json").write_text(json.dumps({"name": "tiny"}))
    with pytest.raises(UserError, match=r"dataset\.json cannot be read"):
        read_prepared(folder)


def test_interrupted_write_is_not_taken_for_a_dataset(folder, monkeypatch):
    (folder / "dataset.json").unlink()

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(OSError):
        write_prepared(tiny(), folder)
    assert not (folder / "dataset.json").exists()
