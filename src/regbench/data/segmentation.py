"""Pictures with a mask of their foreground: COCO 2017, and DUTS with ECSSD, its named substitute."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from regbench.data.pictures import array_on_disk, foreground, open_picture, shown, stretched
from regbench.data.prepared import Prepared
from regbench.errors import UserError

SIDE = 256
CLASSES = ["background", "foreground"]
#: COCO's own addresses, for what is not in the folder of downloads
COCO_URL = "http://images.cocodataset.org/"
COCO_FILES = ("annotations/annotations_trainval2017.zip", "zips/train2017.zip")
TRAIN, TEST = 60_000, 10_000  # of the paper
ORDER_SEED = 0


def coco(downloads: Path, scratch: Path) -> Prepared:
    """COCO 2017: all annotated instances of a picture as one foreground mask.

    Reads `downloads/coco/train2017/*.jpg` and `downloads/coco/annotations/instances_train2017.json`, or downloads both
    (19 GB). Pictures with an instance, by id, are put into the order of NumPy's `default_rng(0).permutation`; the first
    60,000 train, the next 10,000 are the test; of fewer the same shares, six sevenths and one. Annotated pictures that
    are not in the folder are left out, and the dataset's source says how many are there.

    Raises:
        UserError: no annotations, a file that cannot be read, a picture that is not of its annotation's size.
    """
    from pycocotools.coco import COCO

    folder = downloads / "coco"
    annotations = folder / "annotations" / "instances_train2017.json"
    if not folder.exists():
        _download_coco(folder)
    if not annotations.is_file():
        raise UserError(f"{folder} has no annotations/instances_train2017.json: COCO without it has no masks")
    try:
        index = COCO(str(annotations))
    except (ValueError, AssertionError, KeyError, TypeError) as error:
        raise UserError(f"{annotations} cannot be read ({error}): delete it or download it again") from error
    annotated = [key for key in sorted(index.imgs) if index.getAnnIds(key)]
    ids = [key for key in annotated if _picture_path(folder, index, key).is_file()]
    if len(ids) < 7:
        raise UserError(f"{folder}/train2017 has {len(ids)} pictures with an instance: allowed are 7 or more")
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


def _picture_path(folder: Path, index, key: int) -> Path:
    return folder / "train2017" / index.imgs[key]["file_name"]


def _coco_pair(folder: Path, index, key: int) -> tuple[np.ndarray, np.ndarray]:
    path, info = _picture_path(folder, index, key), index.imgs[key]
    image = open_picture(path)
    if image.size != (info["width"], info["height"]):
        size = f"{info['width']}x{info['height']}"
        raise UserError(f"{path} is {image.width}x{image.height}, its annotation's mask {size}: a mask has its size")
    mask = np.zeros((info["height"], info["width"]), np.uint8)
    for annotation in index.loadAnns(index.getAnnIds(key)):
        mask |= index.annToMask(annotation)
    small = Image.fromarray(mask).resize((SIDE, SIDE), Image.Resampling.NEAREST)
    return stretched(image, SIDE), np.asarray(small)


def _download_coco(folder: Path) -> None:
    from torchvision.datasets.utils import download_and_extract_archive

    partial = folder.with_name("coco.partial")  # an interrupted download is not taken for the whole
    for file in COCO_FILES:
        download_and_extract_archive(COCO_URL + file, str(partial), remove_finished=True)
    partial.rename(folder)


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
    arrays = {}
    for name, (images, masks) in parts.items():
        pairs = _pairs(images, masks)
        arrays[f"{name}_images"] = array_on_disk(scratch / f"{name}_images.npy", (len(pairs), SIDE, SIDE, 3))
        arrays[f"{name}_masks"] = array_on_disk(scratch / f"{name}_masks.npy", (len(pairs), SIDE, SIDE))
        for row, (picture, mask) in enumerate(shown(pairs, f"duts {name}")):
            image = open_picture(picture)
            arrays[f"{name}_images"][row] = stretched(image, SIDE)
            arrays[f"{name}_masks"][row] = foreground(mask, image.size, SIDE)
    return Prepared("duts", "segmentation", CLASSES, "DUTS-TR (train), ECSSD (test)", arrays)


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
