"""Where datasets come from."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import torchvision.datasets
from PIL import Image

from regbench.data import sources
from regbench.data.prepared import write_prepared
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
    with pytest.raises(UserError, match="dataset=svhn has no download here: allowed are digits, mnist"):
        prepare("svhn", tmp_path)
