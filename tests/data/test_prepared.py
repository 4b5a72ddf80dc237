"""The prepared-dataset contract: what is written is read, and what was damaged is refused."""

import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest

from regbench.data import prepared
from regbench.data.prepared import Prepared, arrays_digest, read_prepared, validated, write_prepared
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


def labelled(**arrays):
    """A valid set of four and two pictures, but for these arrays."""
    made = {
        "train_images": np.zeros((4, 8, 8, 3), np.uint8),
        "train_labels": np.array([0, 1, 2, 1]),
        "test_images": np.zeros((2, 8, 8, 3), np.uint8),
        "test_labels": np.array([0, 2]),
    }
    return Prepared("made", "classification", ["a", "b", "c"], "a test", made | arrays)


def masked(**arrays):
    """The same with masks."""
    made = {key: array for key, array in labelled().arrays.items() if key.endswith("images")}
    half = np.tile(np.arange(8, dtype=np.uint8) // 4, (8, 1))
    made |= {"train_masks": np.stack([half] * 4), "test_masks": np.stack([half] * 2)}
    return Prepared("made", "segmentation", ["background", "foreground"], "a test", made | arrays)


def without(dataset, key):
    del dataset.arrays[key]
    return dataset


def images(*shape, dtype=np.uint8):
    return np.zeros(shape, dtype)


BROKEN = {
    "a label beyond the classes": (
        labelled(test_labels=np.array([0, 3])),
        "test_labels",
        "values from 0 to 3, .* 0 to 2",
    ),
    "a negative label": (labelled(train_labels=np.array([0, -1, 2, 1])), "train_labels", "values from -1 to 2"),
    "too few labels": (labelled(train_labels=np.array([0, 1, 2])), "train_labels", r"int64 \[3\], .* int64 \[4\]"),
    "float labels": (labelled(test_labels=np.array([0.0, 1.0])), "test_labels", r"float64 \[2\]"),
    "short labels": (labelled(test_labels=np.array([0, 1], np.int32)), "test_labels", r"int32 \[2\]"),
    "labels of two columns": (labelled(test_labels=np.zeros((2, 1), np.int64)), "test_labels", r"int64 \[2, 1\]"),
    "float images": (labelled(train_images=images(4, 8, 8, 3, dtype=np.float32)), "train_images", r"float32 \[4, 8"),
    "no channels": (labelled(train_images=images(4, 8, 8)), "train_images", r"uint8 \[4, 8, 8\], .* C 1 or 3"),
    "four channels": (labelled(train_images=images(4, 8, 8, 4)), "train_images", r"uint8 \[4, 8, 8, 4\]"),
    "no pixels": (labelled(train_images=images(4, 0, 8, 3)), "train_images", "none of them 0"),
    "no images": (labelled(test_images=images(0, 8, 8, 3)), "test_images", r"uint8 \[0, 8, 8, 3\]"),
    "another test side": (labelled(test_images=images(2, 8, 9, 3)), "test_images", r"allowed is \[8, 8, 3\] an image"),
    "grey test images": (labelled(test_images=images(2, 8, 8, 1)), "test_images", r"allowed is \[8, 8, 3\] an image"),
    "masks of 0/255": (masked(test_masks=masked().arrays["test_masks"] * 255), "test_masks", "values from 0 to 255"),
    "empty masks": (masked(train_masks=images(4, 8, 8)), "train_masks", "0 everywhere: all masks are empty"),
    "full masks": (masked(test_masks=images(2, 8, 8) + 1), "test_masks", "1 everywhere: all masks are full"),
    "masks of another side": (masked(test_masks=images(2, 8, 7)), "test_masks", r"uint8 \[2, 8, 7\], .*\[2, 8, 8\]"),
    "bool masks": (masked(test_masks=images(2, 8, 8, dtype=bool)), "test_masks", r"bool \[2, 8, 8\]"),
    "labels missing": (
        without(labelled(), "test_labels"),
        "dataset",
        "the arrays test_images, train_images, train_labels",
    ),
    "labels and masks": (labelled(test_masks=images(2, 8, 8)), "dataset", "the arrays .*test_masks"),
    "no classes": (replace(labelled(), classes=[]), "dataset", r"classes=\[\], allowed is a list of names"),
    "classes that are a number": (replace(labelled(), classes=3), "dataset", "classes=3"),
    "classes that are a text": (replace(labelled(), classes="abc"), "dataset", "classes=abc"),
    "an unknown task": (
        replace(labelled(), task="detection"),
        "dataset",
        "the task detection, allowed is one of class",
    ),
    "a source that is no text": (replace(labelled(), source=None), "dataset", "source=None, allowed is text"),
    "a task of another kind": (replace(labelled(), task=["a"]), "dataset", "the task"),
}


@pytest.mark.parametrize("dataset", [labelled(), masked()])
def test_what_keeps_the_contract_is_itself(dataset):
    assert validated(dataset) is dataset


@pytest.mark.parametrize("fault", BROKEN)
def test_what_breaks_the_contract_is_refused_before_it_is_written(tmp_path, fault):
    dataset, key, words = BROKEN[fault]
    name = "it" if key == "dataset" else key
    with pytest.raises(UserError, match=f"^dataset=made: {name} has .*{words}"):
        write_prepared(dataset, tmp_path / "made")
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("fault", BROKEN)
def test_what_breaks_the_contract_is_refused_where_it_is_found(tmp_path, fault, monkeypatch):
    """A folder that another program made, with the right checksums."""
    dataset, key, words = BROKEN[fault]
    with monkeypatch.context() as patch:
        patch.setattr(prepared, "validated", lambda dataset: dataset)
        write_prepared(dataset, tmp_path / "made")
    file = f"{key}.json" if key == "dataset" else rf"{key}\.npy"
    with pytest.raises(UserError, match=rf"made/{file} (has .*{words}|is missing or truncated .*empty file)") as error:
        read_prepared(tmp_path / "made")
    assert "\n" not in str(error.value)
    assert f"`python scripts/prepare_data.py --again made --root {tmp_path}` makes it anew" in str(error.value)


def test_masks_are_seen_in_the_pass_that_reads_them_and_not_in_another(tmp_path, monkeypatch):
    write_prepared(masked(), tmp_path / "made")
    monkeypatch.setattr(prepared, "BLOCK", 100)
    spanned, real = [], prepared._span
    monkeypatch.setattr(prepared, "_span", lambda array: spanned.append(array.shape) or real(array))
    assert read_prepared(tmp_path / "made").arrays["test_masks"].max() == 1
    assert spanned == []
    write_prepared(labelled(), tmp_path / "other")
    spanned.clear()
    read_prepared(tmp_path / "other")
    assert spanned == [(4,), (2,)]


@pytest.mark.parametrize("block", [1, 64, 100, 1 << 22])
def test_the_span_of_an_array_is_that_of_all_of_its_blocks(monkeypatch, block):
    monkeypatch.setattr(prepared, "BLOCK", block)
    array = np.full((5, 8), 7)
    array[4, 7], array[2, 0] = 9, -3
    assert prepared._span(array) == (-3, 9)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "<html>",
        "[]",
        "3",
        "null",
        '{"name": "a", "task": "b", "classes": [], "source": "s", "arrays": ["train_images"]}',
        '{"name": "a", "task": "b", "classes": [], "source": "s", "arrays": {"train_images": {}}}',
        "[" * 99999,
    ],
)
def test_a_description_of_junk_is_refused(folder, content):
    (folder / "dataset.json").write_text(content)
    with pytest.raises(UserError, match=r"dataset\.json cannot be read \(.*\): `python .*--again tiny") as error:
        read_prepared(folder)
    assert "\n" not in str(error.value)


def test_a_description_does_not_lead_out_of_its_folder(folder):
    path = folder / "dataset.json"
    path.write_text(path.read_text().replace('"test_labels"', '"../tiny/test_labels"'))
    with pytest.raises(UserError, match=r"dataset\.json cannot be read \(it names \.\./tiny/test_labels\)"):
        read_prepared(folder)


@pytest.mark.parametrize("damage", ["HTML", "empty", "archive", "folder"])
def test_an_array_of_junk_is_refused(folder, damage):
    path = folder / "train_labels.npy"
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage == "archive":
        with open(path, "wb") as file:
            np.savez(file, np.zeros(3))
    else:
        path.write_bytes(b"<html>" if damage == "HTML" else b"")
    with pytest.raises(UserError, match=r"train_labels\.npy is missing or truncated .*--again tiny") as error:
        read_prepared(folder)
    assert "allow_pickle" not in str(error.value)


def test_a_damaged_resized_folder_is_to_be_deleted(tmp_path):
    """`--again` makes no folder of that name: it is made from its whole where it is not there."""
    write_prepared(tiny(), tmp_path / "tiny-8px")
    (tmp_path / "tiny-8px" / "test_labels.npy").unlink()
    with pytest.raises(UserError, match=r"delete .*tiny-8px, it is made anew from tiny$"):
        read_prepared(tmp_path / "tiny-8px")
