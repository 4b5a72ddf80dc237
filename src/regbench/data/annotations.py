"""COCO's annotations: checked before they are drawn, since pycocotools reads past what is malformed."""

import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from regbench.data.raw import Damaged
from regbench.errors import UserError

CORNERS = 3  # of a polygon, at least
LONGEST = 255  # bytes of a file's name
FIRST, LAST = ord("0"), ord("0") + 63  # characters of compressed run lengths
CONTINUES, NEGATIVE, BITS = 0x20, 0x10, 5  # in such a character


@dataclass(frozen=True)
class Annotations:
    """Pictures by id (`file_name`, `width`, `height`) and, of those that have any, their annotations."""

    path: Path
    images: dict[int, dict]
    by_image: dict[int, list[dict]]

    def check(self, image: int) -> None:
        """Check a picture's segmentations; raises UserError naming annotation and picture."""
        for annotation in self.by_image[image]:
            self._check(annotation)

    def mask(self, image: int) -> np.ndarray:
        """All annotated instances of a picture as one mask, uint8 (height, width), 1 is foreground."""
        info = self.images[image]
        mask = np.zeros((info["height"], info["width"]), np.uint8)
        for annotation in self.by_image[image]:
            shape = annotation["segmentation"]
            mask |= _polygons(shape, *mask.shape) if isinstance(shape, list) else _filled(shape)
        return mask

    def _check(self, annotation: dict) -> None:
        info = self.images[annotation["image_id"]]
        shape = annotation.get("segmentation")
        if isinstance(shape, list) and shape:
            wrong = next((said for polygon in shape if (said := _wrong_polygon(polygon, info))), "")
        elif isinstance(shape, dict):
            wrong = _wrong_run_lengths(shape, info)
        else:
            wrong = f"it has {_brief(shape)}: allowed are polygons, 1 or more, or run lengths"
        if wrong:
            which = f"annotation {annotation.get('id')} of picture {annotation['image_id']} ({info['file_name']})"
            raise UserError(f"{self.path}: the segmentation of {which} is malformed: {wrong}")


def read_annotations(path: Path) -> Annotations:
    """COCO's annotation file, its pictures and whose annotations are whose checked; segmentations are not yet.

    Raises:
        Damaged: a file that is not such JSON.
        UserError: a malformed picture or annotation.
    """
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise Damaged(path, f"{path} cannot be read ({error}): delete it or download it again") from error
    if not isinstance(found, dict) or not all(isinstance(found.get(key), list) for key in ("images", "annotations")):
        raise Damaged(
            path, f"{path} cannot be read (no lists of images and annotations): delete it or download it again"
        )
    images = {}
    for place, info in enumerate(found["images"]):
        if wrong := _wrong_picture(info):
            raise UserError(
                f"{path} cannot be read (picture {place} of its list: {wrong}): delete it or download it again"
            )
        if info["id"] in images:
            raise UserError(f"{path}: picture {info['id']} is there twice: allowed is one of an id")
        images[info["id"]] = info
    if len({info["file_name"] for info in images.values()}) < len(images):
        raise UserError(f"{path}: two pictures have one file_name: allowed is one of a name, or it trains and tests")
    by_image: dict[int, list[dict]] = {}
    for place, annotation in enumerate(found["annotations"]):
        if not isinstance(annotation, dict):
            raise UserError(f"{path}: annotation {place} of its list is {_brief(annotation)}: allowed is an object")
        image = annotation.get("image_id")
        if not _whole(image) or image not in images:
            which = f"annotation {annotation.get('id')}, number {place} of its list,"
            raise UserError(f"{path}: {which} has image_id={_brief(image)}: allowed are ids of its pictures")
        by_image.setdefault(image, []).append(annotation)
    return Annotations(path, images, by_image)


def _wrong_picture(info: object) -> str:
    if not isinstance(info, dict):
        return f"{_brief(info)}: allowed is an object"
    for key in ("id", "width", "height"):
        if not _whole(info.get(key)) or (key != "id" and info[key] < 1):
            return f"{key}={_brief(info.get(key))}: allowed are whole numbers" + (", 1 or more" if key != "id" else "")
    name = info.get("file_name")
    if (
        not isinstance(name, str)
        or not name
        or not name.isprintable()
        or name.startswith("/")
        or ".." in PurePosixPath(name).parts
        or any(len(part.encode()) > LONGEST for part in PurePosixPath(name).parts)
    ):
        return f"file_name={_brief(name)}: allowed are names inside of the folder of pictures"
    return ""


def _wrong_polygon(polygon: object, info: dict) -> str:
    """What is wrong with a polygon's list of x, y, x, y, ..., in pixels; nothing: ""."""
    if not isinstance(polygon, list) or len(polygon) < 2 * CORNERS or len(polygon) % 2:
        had = f"{len(polygon)} coordinates" if isinstance(polygon, list) else _brief(polygon)
        return f"it has a polygon of {had}: allowed are pairs, {CORNERS} or more"
    for place, value in enumerate(polygon):
        side = info["height"] if place % 2 else info["width"]
        # false of NaN; far outside the library overflows. What is a little outside it cuts off.
        if isinstance(value, bool) or not isinstance(value, int | float) or not -side <= value <= 2 * side:
            return f"it has a coordinate {_brief(value)}: allowed are numbers from {-side} to {2 * side}"
    return ""


def _wrong_run_lengths(shape: dict, info: dict) -> str:
    size, wanted = shape.get("size"), [info["height"], info["width"]]
    if not isinstance(size, list) or size != wanted or not all(map(_whole, size)):
        return f"it has size={_brief(size)}: allowed is its picture's [height, width], {wanted}"
    try:
        counts = _counts(shape)
    except ValueError as error:
        return f"its counts {error}"
    if sum(counts) != size[0] * size[1]:
        return f"its counts sum to {_brief(sum(counts))}: allowed are the {size[0] * size[1]} pixels of its picture"
    return ""


def _counts(shape: dict) -> list[int]:
    counts = shape.get("counts")
    if isinstance(counts, str):
        counts = _unpacked(counts)
    if not isinstance(counts, list):
        raise ValueError(f"are {_brief(counts)}: allowed are a list or a string")
    for count in counts:
        if not _whole(count) or count < 0:
            raise ValueError(f"have {_brief(count)}: allowed are whole numbers, 0 or more")
    return counts


def _unpacked(text: str) -> list[int]:
    """Run lengths from COCO's compressed form: five bits a character, low ones first, from the third on differences.

    Raises:
        ValueError: a character that is none of its 64, or an end in the middle of a number.
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        if not FIRST <= ord(character) <= LAST:
            raise ValueError(f"have the character {character!r}: allowed are {chr(FIRST)} to {chr(LAST)}")
        code = ord(character) - FIRST
        value |= (code & (CONTINUES - 1)) << shift
        shift += BITS
        if code & CONTINUES:
            continue
        if code & NEGATIVE:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    if shift:
        raise ValueError("end in the middle of a number")
    return counts


def _filled(shape: dict) -> np.ndarray:
    """The mask of run lengths, down the columns, background first: uint8 (height, width)."""
    counts = _counts(shape)
    values = (np.arange(len(counts)) % 2).astype(np.uint8)
    return np.repeat(values, counts).reshape(shape["size"][::-1]).T


def _polygons(polygons: list, height: int, width: int) -> np.ndarray:
    from pycocotools import mask

    return mask.decode(mask.merge(mask.frPyObjects(polygons, height, width)))


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _brief(value: object) -> str:
    """A value of the file as JSON, in at most 40 characters."""
    try:
        text = json.dumps(value)
    except (ValueError, RecursionError):  # digits beyond Python's limit, nested without end
        text = f"a very large {type(value).__name__}"
    return text if len(text) <= 40 else f"{text[:37]}..."
