"""Where datasets come from."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import pytest
import torchvision.datasets
from PIL import Image

from regbench.data import sources
from regbench.data.prepared import Prepared, read_prepared, write_prepared
from regbench.data.sources import digits, load_prepared, prepare
from regbench.errors import UserError
from tests.data.test_prepared import tiny


@pytest.fixture(autouse=True)
def fresh_cache():
    load_prepared.cache_clear()


def test_digits_are_embedded_and_split_without_overlap():
    arrays = digits().arrays
    assert arrays["train_images"].shape == (1297, 16, 16, 1) and arrays["test_images"].shape == (500, 16, 16, 1)
    assert arrays["train_images"].dtype == np.uint8 and arrays["train_images"].max() == 255
    assert set(arrays["test_labels"]) == set(range(10))
    np.testing.assert_array_equal(arrays["train_labels"], digits().arrays["train_labels"])


def test_digits_are_these_images_in_this_order():
    """The labels pin the order, the digest the pixels, too.

    Of the same file in scikit-learn 1.5 and 1.9 Pillow 9.5, 10.4, 12 and 13 make the same pixels: where the digest
    alone differs, a newer one resizes in another way.
    """
    dataset = digits()
    labels = dataset.arrays["test_labels"]
    assert labels[:20].tolist() == [1, 7, 6, 5, 2, 2, 9, 1, 8, 5, 5, 0, 1, 0, 6, 2, 7, 5, 5, 8]
    assert labels.sum() == 2169 and dataset.arrays["train_labels"].sum() == 5901
    assert dataset.provenance() == {"source": "scikit-learn", "test_images": 500, "digest": "f69ea346bf1d"}


def test_the_digest_of_embedded_images_is_that_of_a_folder_with_them(tmp_path):
    write_prepared(digits(), tmp_path / "written")
    assert read_prepared(tmp_path / "written").digest == digits().digest


def test_a_prepared_folder_wins_over_a_download(tmp_path, monkeypatch):
    write_prepared(tiny("mnist"), tmp_path / "mnist")
    monkeypatch.setitem(sources.DOWNLOADS, "mnist", lambda *folders: pytest.fail("downloaded"))
    assert load_prepared("mnist", tmp_path).source == "made by a test"


def test_torchvision_download_becomes_a_prepared_folder(tmp_path, monkeypatch):
    def downloaded(root, train, download):
        assert download
        count = 6 if train else 3
        data = np.full((count, 28, 28), 7, np.uint8)
        return SimpleNamespace(data=data, targets=list(range(count)), classes=[str(c) for c in range(10)])

    monkeypatch.setattr(torchvision.datasets, "MNIST", downloaded)
    dataset = load_prepared("mnist", tmp_path)
    assert dataset.arrays["train_images"].shape == (6, 28, 28, 1)
    assert (tmp_path / "mnist" / "dataset.json").exists()
    assert dataset.arrays["test_labels"].tolist() == [0, 1, 2]


def test_celeba_download_becomes_square_faces_without_labels(tmp_path, monkeypatch):
    class Downloaded:
        def __init__(self, root, split, target_type, download):
            assert download and target_type == []
            self.count = 3 if split == "train" else 2

        def __len__(self):
            return self.count

        def __getitem__(self, place):
            pixels = np.zeros((218, 178, 3), np.uint8)
            pixels[20:198] = 200  # the centre square of an upright picture
            return Image.fromarray(pixels), None

    monkeypatch.setattr(torchvision.datasets, "CelebA", Downloaded)
    dataset = load_prepared("celeba", tmp_path)
    assert dataset.arrays["train_images"].shape == (3, 64, 64, 3) and (dataset.arrays["train_images"] == 200).all()
    assert dataset.arrays["test_labels"].tolist() == [0, 0] and dataset.task == "generation"


def test_a_missing_set_gives_one_line_with_files_place_and_command(tmp_path):
    with pytest.raises(UserError) as error:
        load_prepared("cifar10", tmp_path, download=False)
    message = str(error.value)
    assert "\n" not in message
    for part in (str(tmp_path / "cifar10"), "train_images.npy", "prepare_data.py cifar10", "REGBENCH_DATA"):
        assert part in message


def test_a_failed_download_gives_the_same_line_and_leaves_no_dataset(tmp_path, monkeypatch):
    def offline(**kwargs):
        raise RuntimeError("Error downloading\nx.gz")

    monkeypatch.setattr(torchvision.datasets, "CIFAR100", offline)
    with pytest.raises(UserError, match=r"its download failed \(Error downloading x\.gz\)"):
        load_prepared("cifar100", tmp_path)
    assert not (tmp_path / "cifar100" / "dataset.json").exists()


def test_of_two_processes_one_downloads_and_a_damaged_folder_is_made_again(tmp_path, monkeypatch):
    downloads = []

    def download(folder, scratch):
        downloads.append(folder)
        return tiny("mnist")

    monkeypatch.setitem(sources.DOWNLOADS, "mnist", download)
    with ThreadPoolExecutor(2) as both:
        list(both.map(lambda _: prepare("mnist", tmp_path), range(2)))
    assert len(downloads) == 1
    (tmp_path / "mnist" / "test_labels.npy").unlink()
    prepare("mnist", tmp_path, again=True)
    assert load_prepared("mnist", tmp_path).arrays["test_labels"].shape == (12,)


def test_unknown_dataset_is_named(tmp_path):
    with pytest.raises(UserError, match="dataset=svhn has no download here: allowed are mnist"):
        prepare("svhn", tmp_path)


def colours(count, side=24, task="classification"):
    """A prepared set of colour pictures, with masks for segmentation."""
    random = np.random.default_rng(1)
    arrays = {}
    for split, size in (("train", count), ("test", 2)):
        arrays[f"{split}_images"] = random.integers(0, 256, (size, side, side, 3), dtype=np.uint8)
        masks = random.integers(0, 2, (size, side, side), dtype=np.uint8)
        labelled = task == "classification"
        arrays[f"{split}_{'labels' if labelled else 'masks'}"] = random.integers(0, 3, size) if labelled else masks
    return Prepared("imagenette", task, ["a", "b", "c"], "made by a test", arrays)


@pytest.mark.parametrize("task", ["classification", "segmentation"])
def test_a_smaller_side_is_resized_once_and_kept_beside(tmp_path, monkeypatch, task):
    whole = colours(4, task=task)
    write_prepared(whole, tmp_path / "imagenette")
    small = load_prepared("imagenette", tmp_path, side=8)
    assert small.name == "imagenette" and small.task == task and small.classes == whole.classes
    assert "resized from 24 to 8 pixels" in small.source
    assert small.arrays.keys() == whole.arrays.keys()
    for key, array in whole.arrays.items():
        if key.endswith("labels"):
            np.testing.assert_array_equal(small.arrays[key], array)
        else:
            assert small.arrays[key].shape == (len(array), 8, 8, *array.shape[3:])
            assert small.arrays[key].dtype == np.uint8
    for split in ("train", "test"):
        picture = Image.fromarray(whole.arrays[f"{split}_images"][-1]).resize((8, 8), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(small.arrays[f"{split}_images"][-1], np.asarray(picture))
        if task == "segmentation":
            middle = whole.arrays[f"{split}_masks"][:, 1::3, 1::3]
            np.testing.assert_array_equal(small.arrays[f"{split}_masks"], middle)
    kept = sorted(path.name for path in tmp_path.iterdir() if path.is_dir())
    assert kept == ["imagenette", "imagenette-8px"]

    load_prepared.cache_clear()
    monkeypatch.setattr(sources, "resized", lambda *args: pytest.fail("resized again"))
    again = load_prepared("imagenette", tmp_path, side=8)
    np.testing.assert_array_equal(again.arrays["train_images"], small.arrays["train_images"])


def test_its_own_side_or_none_is_the_set_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "resized", lambda *args: pytest.fail("resized"))
    write_prepared(colours(3), tmp_path / "imagenette")
    for side in (None, 24):
        assert load_prepared("imagenette", tmp_path, side=side).arrays["train_images"].shape == (3, 24, 24, 3)


def test_of_two_processes_one_resizes(tmp_path, monkeypatch):
    write_prepared(colours(3), tmp_path / "imagenette")
    calls, real = [], sources.resized
    monkeypatch.setattr(sources, "resized", lambda *args: calls.append(1) or real(*args))
    with ThreadPoolExecutor(2) as both:
        found = list(both.map(lambda _: load_prepared("imagenette", tmp_path, side=8), range(2)))
    assert len(calls) == 2  # training and test images, once
    np.testing.assert_array_equal(*(each.arrays["train_images"] for each in found))


def test_resized_images_of_a_set_that_is_made_anew_are_made_anew(tmp_path, monkeypatch):
    write_prepared(colours(3), tmp_path / "imagenette")
    load_prepared("imagenette", tmp_path, side=8)
    write_prepared(colours(3), tmp_path / "imagenette-mine")
    monkeypatch.setitem(sources.DOWNLOADS, "imagenette", lambda *folders: colours(5))
    prepare("imagenette", tmp_path, again=True)
    load_prepared.cache_clear()
    assert len(load_prepared("imagenette", tmp_path, side=8).arrays["train_images"]) == 5
    assert (tmp_path / "imagenette-mine").exists()


def test_an_interrupted_resize_leaves_nothing(tmp_path, monkeypatch):
    write_prepared(colours(3), tmp_path / "imagenette")

    def interrupted(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(sources, "resized", interrupted)
        load_prepared("imagenette", tmp_path, side=8)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["imagenette"]
    assert load_prepared("imagenette", tmp_path, side=8).arrays["test_images"].shape == (2, 8, 8, 3)


@pytest.mark.parametrize(
    "name,side,words",
    [
        ("imagenette", 25, "dataset.side=25 is not allowed: imagenette is prepared at 24 pixels"),
        ("imagenette", 7, "dataset.side=7 is not allowed: pixels, an integer of 8 or more, or null"),
        ("imagenette", 8.0, r"dataset.side=8\.0 is not allowed"),
        ("imagenette", "large", "dataset.side=large is not allowed"),
        ("imagenette", True, "dataset.side=True is not allowed"),
        ("digits", 8, "dataset.side=8 is not allowed for digits: it is embedded as it is"),
    ],
)
def test_sides_that_cannot_be_are_refused(tmp_path, name, side, words):
    write_prepared(colours(3), tmp_path / "imagenette")
    with pytest.raises(UserError, match=words):
        load_prepared(name, tmp_path, side=side)
    assert not list(tmp_path.glob("*px"))


@pytest.fixture
def imagenette(tmp_path, monkeypatch):
    """torchvision's Imagenette with three pictures to train on and two to test; what it was called with."""
    calls = []
    folder = tmp_path / "downloads" / "imagenette2-320"

    class Downloaded:
        classes: ClassVar = [("tench", "Tinca tinca"), ("English springer",), ("cassette player",)]

        def __init__(self, root, split, size, download):
            calls.append((root, split, size, download))
            assert download or folder.is_dir()
            folder.mkdir(parents=True, exist_ok=True)
            self._samples = []
            for number in range(3 if split == "train" else 2):
                path = folder / f"{split}{number}.png"
                if not path.exists():
                    pixels = np.zeros((20, 32, 3), np.uint8)
                    pixels[:, 6:26] = 50 * number + (10 if split == "train" else 20)  # the centre square
                    Image.fromarray(pixels).save(path)
                self._samples.append((str(path), 2 - number))

        def __len__(self):
            return len(self._samples)

    monkeypatch.setattr(torchvision.datasets, "Imagenette", Downloaded)
    monkeypatch.setattr(sources, "IMAGENETTE", {"train": 3, "test": 2})
    monkeypatch.setattr(sources, "IMAGENETTE_SIDE", 16)
    return calls


def test_an_interrupted_imagenette_is_not_taken_for_the_whole(tmp_path, imagenette, monkeypatch):
    monkeypatch.setattr(sources, "IMAGENETTE", {"train": 4, "test": 2})
    with pytest.raises(UserError, match="has 3 pictures, Imagenette has 4: delete"):
        load_prepared("imagenette", tmp_path)
    assert not (tmp_path / "imagenette").exists()


def test_digits_need_no_preparing(tmp_path):
    with pytest.raises(UserError, match="there is nothing to prepare"):
        prepare("digits", tmp_path)


def test_imagenette_becomes_centre_squares_with_its_val_as_the_test(tmp_path, imagenette):
    dataset = load_prepared("imagenette", tmp_path)
    assert dataset.arrays["train_images"].shape == (3, 16, 16, 3) and dataset.task == "classification"
    for split, levels in (("train", [10, 60, 110]), ("test", [20, 70])):
        images = dataset.arrays[f"{split}_images"]
        assert [sorted(np.unique(image)) for image in images] == [[level] for level in levels]
    assert dataset.arrays["train_labels"].tolist() == [2, 1, 0] and dataset.arrays["test_labels"].tolist() == [2, 1]
    assert dataset.arrays["train_labels"].dtype == np.int64
    assert dataset.classes == ["tench", "English springer", "cassette player"]
    downloads = str(tmp_path / "downloads")
    assert imagenette == [(downloads, "train", "320px", True), (downloads, "val", "320px", False)]


def test_an_unpacked_imagenette_is_not_downloaded_again(tmp_path, imagenette):
    (tmp_path / "downloads" / "imagenette2-320").mkdir(parents=True)
    load_prepared("imagenette", tmp_path)
    assert [download for *_, download in imagenette] == [False, False]


def test_a_broken_picture_of_imagenette_is_named(tmp_path, imagenette):
    folder = tmp_path / "downloads" / "imagenette2-320"
    folder.mkdir(parents=True)
    (folder / "val1.png").write_bytes(b"half a picture")
    with pytest.raises(UserError, match=r"val1\.png is no picture that can be read"):
        load_prepared("imagenette", tmp_path)
    assert not (tmp_path / "imagenette" / "dataset.json").exists()
