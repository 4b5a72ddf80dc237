"""Raw files of a download: what an interruption leaves of them is named, and `again` makes them anew."""

import gzip
import hashlib
import pickle
import shutil
import struct
import sys
import tarfile

import numpy as np
import pytest
import torchvision.datasets
from PIL import Image

from regbench.data import raw, segmentation, sources
from regbench.data.prepared import read_prepared
from regbench.data.raw import Damaged, set_aside
from regbench.data.sources import prepare
from regbench.errors import UserError

COUNTS = {"train": 6, "t10k": 3}


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """No download, and an MNIST of nine pictures."""

    def refuse(*args, **kwargs):
        raise OSError("offline")

    monkeypatch.setattr("torchvision.datasets.utils._get_redirect_url", refuse)
    monkeypatch.setattr("torchvision.datasets.utils._urlretrieve", refuse)
    monkeypatch.setattr(raw, "MNIST_PICTURES", COUNTS)


def idx(values):
    """MNIST's format of a uint8 array."""
    return struct.pack(f">{1 + values.ndim}I", 0x800 + values.ndim, *values.shape) + values.tobytes()


def contents():
    """The four files by name."""
    random = np.random.default_rng(0)
    files = {}
    for part, count in COUNTS.items():
        files[f"{part}-images-idx3-ubyte"] = idx(random.integers(0, 256, (count, 28, 28), dtype=np.uint8))
        files[f"{part}-labels-idx1-ubyte"] = idx(np.arange(count, dtype=np.uint8))
    return files


@pytest.fixture
def mnist(tmp_path):
    """The folder of MNIST's raw files, without their archives."""
    folder = tmp_path / "downloads" / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name, content in contents().items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def archives(mnist, monkeypatch):
    """The archives beside the raw files, which torchvision takes for those that it would download."""
    resources = []
    for name, content in contents().items():
        (mnist / f"{name}.gz").write_bytes(gzip.compress(content))
        resources.append((f"{name}.gz", hashlib.md5((mnist / f"{name}.gz").read_bytes()).hexdigest()))
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", resources)


def made(root):
    return read_prepared(prepare("mnist", root)).arrays


def test_whole_raw_files_are_what_they_hold(mnist, tmp_path):
    arrays = made(tmp_path)
    assert arrays["train_labels"].tolist() == [0, 1, 2, 3, 4, 5] and arrays["test_labels"].tolist() == [0, 1, 2]
    for split, part in (("train", "train"), ("test", "t10k")):
        assert arrays[f"{split}_images"].tobytes() == contents()[f"{part}-images-idx3-ubyte"][16:]


def another(values):
    return lambda whole: idx(np.asarray(values, np.uint8))


DAMAGES = {
    "truncated": lambda whole: whole[: len(whole) // 2],
    "one byte short": lambda whole: whole[:-1],
    "more behind": lambda whole: whole + b"x",
    "empty": lambda whole: b"",
    "HTML": lambda whole: b"<html><title>404 Not Found</title></html>",
    "still packed": gzip.compress,
    "another kind of number": lambda whole: whole[:2] + b"\x0d" + whole[3:],
    "another number of them": lambda whole: whole[:7] + b"\x01" + whole[8:],
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", contents())
def test_what_is_no_whole_raw_file_is_named_with_its_cure(mnist, tmp_path, name, damage):
    (mnist / name).write_bytes(DAMAGES[damage](contents()[name]))
    with pytest.raises(
        UserError, match=rf"raw/{name} is not MNIST's: it.* --again mnist --root .*downloads it"
    ) as error:
        prepare("mnist", tmp_path)
    assert "\n" not in str(error.value) and not (tmp_path / "mnist").exists()


@pytest.mark.parametrize(
    "name,content,words",
    [
        ("train-labels-idx1-ubyte", another(np.arange(5)), "it has 13 bytes, allowed are 14"),
        ("train-labels-idx1-ubyte", another([0, 1, 2, 3, 4, 10]), "it has a label 10, allowed are 0 to 9"),
        ("t10k-images-idx3-ubyte", another(np.zeros((3, 28, 27))), "it has 2,284 bytes, allowed are 2,368"),
        ("t10k-images-idx3-ubyte", another(np.zeros((3, 14, 56))), r"does not say uint8 \[3, 28, 28\]"),
    ],
)
def test_raw_files_of_something_else_are_named(mnist, tmp_path, name, content, words):
    (mnist / name).write_bytes(content(b""))
    with pytest.raises(UserError, match=f"{name} is not MNIST's: .*{words}"):
        prepare("mnist", tmp_path)


def test_pixels_that_are_not_those_of_the_archive_beside_are_seen(mnist, archives, tmp_path):
    made(tmp_path)
    path = mnist / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-900] + bytes(900))  # as a file system leaves it that lost its power
    with pytest.raises(UserError, match=r"train-images-idx3-ubyte is not what train-images-idx3-ubyte\.gz beside"):
        sources.DOWNLOADS["mnist"](tmp_path / "downloads", tmp_path)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("names", [["train-images-idx3-ubyte"], ["t10k-labels-idx1-ubyte", "train-labels-idx1-ubyte"]])
def test_again_makes_damaged_raw_files_anew(mnist, archives, tmp_path, names, damage):
    for name in names:
        (mnist / name).write_bytes(DAMAGES[damage](contents()[name]))
    assert read_prepared(prepare("mnist", tmp_path, again=True)).arrays["train_labels"].tolist() == [0, 1, 2, 3, 4, 5]
    assert {name: (mnist / name).read_bytes() for name in contents()} == contents()
    assert not list(mnist.glob("*.damaged"))


def test_without_a_download_again_leaves_what_was_there(mnist, tmp_path):
    before = contents()["train-labels-idx1-ubyte"][:9]
    (mnist / "train-labels-idx1-ubyte").write_bytes(before)
    with pytest.raises(UserError, match="its download failed"):
        prepare("mnist", tmp_path, again=True)
    assert (mnist / "train-labels-idx1-ubyte").read_bytes() == before
    assert sorted(path.name for path in mnist.iterdir()) == sorted(contents())


def test_an_old_format_of_torchvision_is_not_read_in_place_of_the_raw_files(mnist, archives, tmp_path):
    old = mnist.parent / "processed"
    old.mkdir()  # empty, it is what a former torchvision left
    made(tmp_path)
    shutil.rmtree(tmp_path / "mnist")
    for name in ("training.pt", "test.pt"):
        (old / name).write_bytes(b"junk")
    with pytest.raises(UserError, match="MNIST/processed is an old format of torchvision, which cannot be checked"):
        prepare("mnist", tmp_path)
    assert read_prepared(prepare("mnist", tmp_path, again=True)).arrays["test_labels"].tolist() == [0, 1, 2]
    assert not old.exists()


def test_the_script_says_one_line_and_cures(mnist, archives, tmp_path, monkeypatch, capsys):
    from scripts import prepare_data

    (mnist / "train-labels-idx1-ubyte").write_bytes(b"")
    monkeypatch.setattr(sys, "argv", ["prepare_data.py", "mnist", "--root", str(tmp_path)])
    assert prepare_data.main() == 2
    said = capsys.readouterr().err.strip()
    assert said.startswith("error: ") and "\n" not in said
    advised = said.split("`")[1].split()  # the command that the line gives is the one that helps
    assert advised[:2] == ["python", "scripts/prepare_data.py"]
    monkeypatch.setattr(sys, "argv", advised[1:])
    assert prepare_data.main() == 0
    assert "train_labels (6,)" in capsys.readouterr().out


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    """CIFAR-10 of 60 pictures with its archive; the path of its description of the classes."""
    folder = tmp_path / "downloads" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    kind = torchvision.datasets.CIFAR10

    def write(name, content):
        (folder / name).write_bytes(pickle.dumps(content))
        return [name, hashlib.md5((folder / name).read_bytes()).hexdigest()]

    pixels = np.random.default_rng(0).integers(0, 256, (10, 3072), dtype=np.uint8)
    names = [name for name, _ in kind.train_list + kind.test_list]
    listed = [write(name, {"data": pixels, "labels": list(range(10))}) for name in names]
    meta = write("batches.meta", {"label_names": list("abcdefghij")})
    archive = tmp_path / "downloads" / kind.filename
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(folder, folder.name)
    monkeypatch.setattr(kind, "train_list", listed[:5])
    monkeypatch.setattr(kind, "test_list", listed[5:])
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": meta[1]})
    monkeypatch.setattr(kind, "tgz_md5", hashlib.md5(archive.read_bytes()).hexdigest())
    monkeypatch.setitem(sources.CIFAR_META, "cifar10", (f"{folder.name}/batches.meta", meta[1]))
    return folder / "batches.meta"


def test_cifars_names_of_classes_are_checked_and_made_anew(cifar, tmp_path):
    """torchvision refuses them and takes the rest for complete: its advice to download leads to the same error."""
    cifar.write_bytes(b"half of it")
    with pytest.raises(UserError, match=r"batches\.meta is not what was published: .* --again cifar10"):
        prepare("cifar10", tmp_path)
    dataset = read_prepared(prepare("cifar10", tmp_path, again=True))
    assert dataset.classes == list("abcdefghij") and len(dataset.arrays["train_images"]) == 50


@pytest.fixture
def imagenette(tmp_path, monkeypatch):
    """Imagenette of a picture a class and split with its archive; the folder of its `val`."""
    folder = tmp_path / "downloads" / "imagenette2-320"
    kind = torchvision.datasets.Imagenette
    for split in ("train", "val"):
        for name in kind._WNID_TO_CLASS:
            (folder / split / name).mkdir(parents=True)
            Image.new("RGB", (20, 24), (40, 90, 200)).save(folder / split / name / "a.jpeg", "JPEG")
    archive = tmp_path / "downloads" / "imagenette2-320.tgz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(folder, folder.name)
    url = (f"https://nowhere/{archive.name}", hashlib.md5(archive.read_bytes()).hexdigest())
    monkeypatch.setattr(kind, "_ARCHIVES", {"320px": url})
    monkeypatch.setattr(sources, "IMAGENETTE", {"train": 10, "test": 10})
    monkeypatch.setattr(sources, "IMAGENETTE_SIDE", 16)
    return folder / "val"


IMAGENETTES = {
    "a class without pictures": lambda val: (val / "n01440764" / "a.jpeg").unlink(),
    "a class missing": lambda val: shutil.rmtree(val / "n01440764"),
    "a class of another name": lambda val: (val / "n01440764").rename(val / "n1"),
    "a picture cut off": lambda val: (val / "n01440764" / "a.jpeg").write_bytes(b"\xff\xd8\xff"),
    "a split missing": shutil.rmtree,
    "nothing": lambda val: (shutil.rmtree(val.parent), val.parent.mkdir()),
    "no folder": lambda val: (shutil.rmtree(val.parent), val.parent.write_text("")),
}


@pytest.mark.parametrize("damage", IMAGENETTES)
def test_an_unpacked_imagenette_that_is_not_whole_is_named_and_unpacked_again(imagenette, tmp_path, damage):
    IMAGENETTES[damage](imagenette)
    with pytest.raises(
        UserError, match=r"imagenette2-320/.*`python scripts/prepare_data\.py --again imagenette"
    ) as error:
        prepare("imagenette", tmp_path)
    assert "\n" not in str(error.value)
    assert len(read_prepared(prepare("imagenette", tmp_path, again=True)).arrays["test_images"]) == 10


def test_celebas_pictures_are_counted_and_a_broken_one_is_named(tmp_path, monkeypatch):
    folder = tmp_path / "downloads" / "celeba" / "img_align_celeba"
    folder.mkdir(parents=True)
    for name in "abcd":
        Image.new("RGB", (178, 218), (9, 99, 199)).save(folder / f"{name}.jpg")

    class Unpacked:
        def __init__(self, root, split, target_type, download):
            self.filename = ["a.jpg", "b.jpg"] if split == "train" else ["c.jpg", "d.jpg"]

        def __len__(self):
            return len(self.filename)

        def __getitem__(self, place):
            return Image.open(folder / self.filename[place]), None

    monkeypatch.setattr(torchvision.datasets, "CelebA", Unpacked)
    with pytest.raises(UserError, match=r"img_align_celeba has 4 pictures, CelebA has 202,599; .* --again celeba"):
        prepare("celeba", tmp_path)
    monkeypatch.setattr(sources, "FACES", 4)
    (folder / "c.jpg").write_bytes((folder / "c.jpg").read_bytes()[:300])
    with pytest.raises(UserError, match=r"img_align_celeba/c\.jpg is no picture that can be read .* --again celeba"):
        prepare("celeba", tmp_path)


def test_a_broken_file_of_coco_is_downloaded_by_itself(tmp_path, monkeypatch):
    """A picture from its address, the annotations from their archive."""
    got = []
    monkeypatch.setattr(
        "torchvision.datasets.utils.download_url", lambda url, root, name: got.append((url, root, name))
    )
    monkeypatch.setattr(
        "torchvision.datasets.utils.download_and_extract_archive", lambda url, root, **how: got.append((url, root))
    )
    folder = tmp_path / "coco"
    segmentation.download_again(folder / "train2017" / "9.jpg", tmp_path)
    segmentation.download_again(folder / "annotations" / "instances_train2017.json", tmp_path)
    assert got == [
        (f"{segmentation.COCO_URL}train2017/9.jpg", str(folder / "train2017"), "9.jpg"),
        (f"{segmentation.COCO_URL}annotations/annotations_trainval2017.zip", str(folder)),
    ]


def test_the_half_of_an_archive_of_coco_is_not_unpacked_for_ever(tmp_path, monkeypatch):
    """torchvision takes any file of the archive's name for the archive where it knows no checksum."""
    archive = tmp_path / "coco.partial" / "annotations_trainval2017.zip"
    archive.parent.mkdir()
    archive.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(UserError, match=r"its download failed \(offline\)"):
        prepare("coco", tmp_path / "elsewhere")
    with pytest.raises(OSError, match="offline"):
        segmentation._download_coco(tmp_path / "coco")
    assert not archive.exists()


def test_what_is_set_aside_comes_back_unless_something_took_its_place(tmp_path):
    (tmp_path / "one").write_text("old")
    with pytest.raises(KeyboardInterrupt), set_aside(tmp_path / "one"):
        (tmp_path / "one").write_text("half of the new")
        raise KeyboardInterrupt
    assert (tmp_path / "one").read_text() == "old"
    with set_aside(tmp_path / "one"):
        (tmp_path / "one").write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == ["one"] and (tmp_path / "one").read_text() == "new"


def test_what_is_damaged_again_is_not_downloaded_for_ever(tmp_path, monkeypatch):
    tries = []

    def make(downloads, scratch):
        tries.append(1)
        raise Damaged(downloads / "x", "x is wrong")

    monkeypatch.setitem(sources.DOWNLOADS, "mnist", make)
    with pytest.raises(UserError, match=r"^x is wrong$"):
        prepare("mnist", tmp_path, again=True)
    assert len(tries) == 2
