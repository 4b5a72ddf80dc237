"""Pictures with a mask of their foreground: COCO 2017, and DUTS with ECSSD, its named substitute."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from regbench.data.annotations import Annotations, read_annotations
from regbench.data.decoding import open_picture, orientation, turned
from regbench.data.pictures import array_on_disk, foreground, mask_turn, shown, stretched
from regbench.data.prepared import Prepared
from regbench.data.raw import Damaged
from regbench.errors import UserError

SIDE = 256
CLASSES = ["background", "foreground"]
#: COCO's own addresses, for what is not in the folder of downloads
COCO_URL = "http://images.cocodataset.org/"
COCO_FILES = ("annotations/annotations_trainval2017.zip", "zips/train2017.zip")
ANNOTATIONS, PICTURES = "annotations/instances_train2017.json", "train2017"
TRAIN, TEST = 60_000, 10_000  # of the paper
ORDER_SEED = 0
DUTS_PAIRS = {"train": 10_553, "test": 1_000}


def coco(downloads: Path, scratch: Path) -> Prepared:
    """COCO 2017: all annotated instances of a picture as one foreground mask.

    Reads `downloads/coco/train2017/*.jpg` and `downloads/coco/annotations/instances_train2017.json`, or downloads both
    (19 GB). Pictures with an instance, by id, are put into the order of NumPy's `default_rng(0).permutation`; the first
    60,000 train, the next 10,000 are the test; of fewer the same shares, six sevenths and one. Annotated pictures that
    are not in the folder are left out, and the dataset's source says how many are there.

    Raises:
        UserError: no annotations, a file that cannot be read, a picture that is not of its annotation's size.
    """
    folder = downloads / "coco"
    annotations = folder / ANNOTATIONS
    if not folder.exists():
        _download_coco(folder)
    if not annotations.is_file():
        raise Damaged(annotations, f"{folder} has no {ANNOTATIONS}: COCO without it has no masks")
    index = read_annotations(annotations)
    annotated = sorted(index.by_image)
    ids = [key for key in annotated if _picture_path(folder, index, key).is_file()]
    if len(ids) < 7:
        raise UserError(f"{folder}/train2017 has {len(ids)} pictures with an instance: allowed are 7 or more")
    for key in ids:
        index.check(key)
    order = np.random.default_rng(ORDER_SEED).permutation(len(ids))
    tests = min(TEST, len(ids) // 7)
    split = {"train": order[: min(TRAIN, len(ids) - tests)], "test": order[len(ids) - tests :]}
    if len(ids) > TRAIN + TEST:
        split["test"] = order[TRAIN : TRAIN + TEST]
    arrays = {}
    for name, places in split.items():
        images = array_on_disk(scratch / f"{name}_images.npy", (len(places), SIDE, SIDE, 3))
        masks = array_on_disk(scratch / f"{name}_masks.npy", (len(places), SIDE, SIDE))
        for row, place in enumerate(shown(places, f"coco {name}")):
            images[row], masks[row] = _coco_pair(folder, index, ids[place])
        arrays |= {f"{name}_images": images, f"{name}_masks": masks}
    share = "" if len(ids) == len(annotated) else f", {len(ids):,} of its {len(annotated):,} pictures with an instance"
    return Prepared("coco", "segmentation", CLASSES, f"COCO 2017, train2017{share}", arrays)


def _picture_path(folder: Path, index: Annotations, key: int) -> Path:
    return folder / PICTURES / index.images[key]["file_name"]


def _coco_pair(folder: Path, index: Annotations, key: int) -> tuple[np.ndarray, np.ndarray]:
    path, info = _picture_path(folder, index, key), index.images[key]
    image, size = open_picture(path), (info["width"], info["height"])
    said = f"{image.width}x{image.height}, its annotation's mask {size[0]}x{size[1]}: a mask has its size"
    turn = mask_turn(path, size, image.size, orientation(image), f"{path} is {said}")
    mask = turned(Image.fromarray(index.mask(key)), turn)
    return stretched(image, SIDE), np.asarray(mask.resize((SIDE, SIDE), Image.Resampling.NEAREST))


def _download_coco(folder: Path) -> None:
    partial = folder.with_name("coco.partial")  # an interrupted download is not taken for the whole
    for file in COCO_FILES:
        _download_archive(file, partial)
    partial.rename(folder)


def download_again(path: Path, downloads: Path) -> None:
    """Download one file of COCO: a picture, or the archive of the annotations."""
    from torchvision.datasets.utils import download_url

    folder = downloads / "coco"
    if path == folder / ANNOTATIONS:
        _download_archive(COCO_FILES[0], folder)
    else:
        download_url(COCO_URL + path.relative_to(folder).as_posix(), str(path.parent), path.name)


def _download_archive(file: str, folder: Path) -> None:
    from torchvision.datasets.utils import download_and_extract_archive

    archive = folder / Path(file).name
    if archive.exists() and not zipfile.is_zipfile(archive):  # torchvision takes what is there for the whole
        archive.unlink()
    try:
        download_and_extract_archive(COCO_URL + file, str(folder), remove_finished=True)
    except zipfile.BadZipFile:
        archive.unlink(missing_ok=True)
        raise


def duts(downloads: Path, scratch: Path) -> Prepared:
    """DUTS-TR (10,553 pairs) to train, ECSSD (1,000) as the test: salient objects, a substitute for COCO's instances.

    Both are unpacked by hand: `downloads/duts/DUTS-TR/{DUTS-TR-Image,DUTS-TR-Mask}` and
    `downloads/duts/ECSSD/{images,ground_truth_mask}`, masks with their pictures' names.
    """
    folder = downloads / "duts"
    parts = {
        "train": (folder / "DUTS-TR" / "DUTS-TR-Image", folder / "DUTS-TR" / "DUTS-TR-Mask"),
        "test": (folder / "ECSSD" / "images", folder / "ECSSD" / "ground_truth_mask"),
    }
    arrays, said = {}, []
    for name, (images, masks) in parts.items():
        pairs = _pairs(images, masks)
        said.append("" if len(pairs) == DUTS_PAIRS[name] else f", {len(pairs):,} of its {DUTS_PAIRS[name]:,} pairs")
        arrays[f"{name}_images"] = array_on_disk(scratch / f"{name}_images.npy", (len(pairs), SIDE, SIDE, 3))
        arrays[f"{name}_masks"] = array_on_disk(scratch / f"{name}_masks.npy", (len(pairs), SIDE, SIDE))
        for row, (picture, mask) in enumerate(shown(pairs, f"duts {name}")):
            image = open_picture(picture)
            arrays[f"{name}_images"][row] = stretched(image, SIDE)
            arrays[f"{name}_masks"][row] = foreground(mask, image.size, SIDE, orientation(image))
    source = f"DUTS-TR (train{said[0]}), ECSSD (test{said[1]})"
    return Prepared("duts", "segmentation", CLASSES, source, arrays)


def _pairs(images: Path, masks: Path) -> Sequence[tuple[Path, Path]]:
    """Pictures and masks with one stem, by name."""
    for folder in (images, masks):
        if not folder.is_dir():
            raise UserError(f"dataset=duts: no folder {folder}; DUTS-TR and ECSSD are unpacked there by hand")
    by_stem = {path.stem: path for path in masks.glob("*.png")}
    found = sorted(images.glob("*.jpg"))
    alone = [path.name for path in found if path.stem not in by_stem]
    if alone or not found:
        said = f"{len(alone)} of {len(found)} pictures of {images}" + (f" (the first is {alone[0]})" if alone else "")
        raise UserError(f"dataset=duts: {said} have no mask of their name in {masks}: allowed are pairs, 1 or more")
    return [(path, by_stem[path.stem]) for path in found]
