"""Pictures in files to arrays on disk, one picture in memory at a time."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from regbench.data.decoding import open_picture, orientation, turned, upright, upright_size
from regbench.data.masks import mask_pixels
from regbench.errors import UserError
from regbench.rows.files import naming, reserve


def centre_square(image: Image.Image, side: int) -> np.ndarray:
    """The centre square of a picture, upright, resized bilinearly: uint8 (side, side, 3)."""
    image = upright(image)
    length = min(image.size)
    left, top = (image.width - length) // 2, (image.height - length) // 2
    square = image.crop((left, top, left + length, top + length))
    return np.asarray(square.resize((side, side), Image.Resampling.BILINEAR))


def stretched(image: Image.Image, side: int) -> np.ndarray:
    """The whole picture, upright, resized bilinearly to a square: uint8 (side, side, 3)."""
    return np.asarray(upright(image).resize((side, side), Image.Resampling.BILINEAR))


def foreground(path: Path, size: tuple[int, int], side: int, turn: int = 1) -> np.ndarray:
    """A mask picture, upright, at the size of its network: uint8 (side, side), 1 is foreground.

    size: (width, height) of its picture as stored; turn: the picture's EXIF orientation.

    Raises:
        UserError: a file that `mask_pixels` refuses, or one that does not have its picture's size.
    """
    mask = open_picture(path)
    flat = Image.fromarray(mask_pixels(mask, path).astype(np.uint8))
    own, wanted = orientation(mask), upright_size(size, turn)
    said = f"{path} is {mask.width}x{mask.height}, its picture {size[0]}x{size[1]}: a mask has its size"
    flat = turned(flat, mask_turn(path, flat.size, size, turn, said) if own == 1 else own)
    if flat.size != wanted:
        raise UserError(said)
    return np.asarray(flat.resize((side, side), Image.Resampling.NEAREST))


def mask_turn(path: Path, mask: tuple[int, int], picture: tuple[int, int], turn: int, mismatch: str) -> int:
    """The EXIF orientation that a mask without one of its own has, by its picture's `turn` and their stored sizes.

    Raises:
        UserError: a mask of another size (`mismatch`), or where the size leaves open whether it lies on the picture as
            that is stored or as it is shown.
    """
    wanted = upright_size(picture, turn)
    if mask not in (picture, wanted):
        raise UserError(mismatch)
    if turn != 1 and picture == wanted:
        raise UserError(f"{path}: the picture is turned by EXIF orientation {turn}, its mask not: save both upright")
    return turn if mask == picture else 1


def array_on_disk(path: Path, shape: tuple[int, ...]) -> np.memmap:
    """A new uint8 array that is a file from the start, of its full size.

    Raises:
        OSError: the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with naming(path):
        array = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    reserve(path, array.offset + array.nbytes)
    return array


def pictures(paths: Sequence[Path], side: int, file: Path) -> np.memmap:
    """The centre squares of pictures as one array on disk, uint8 (N, side, side, 3)."""
    array = array_on_disk(file, (len(paths), side, side, 3))
    for place, path in enumerate(shown(paths, file.stem)):
        array[place] = centre_square(open_picture(path), side)
    return array


def shown(items: Iterable, what: str) -> Iterable:
    """The items, with a progress bar where there is a terminal."""
    return tqdm(items, desc=what, unit="picture", disable=None)


def resized(array: np.ndarray, side: int, file: Path) -> np.memmap:
    """Images (N, H, W, C), bilinearly, or masks (N, H, W), each at its nearest pixel, at another side, on disk."""
    smaller = array_on_disk(file, (len(array), side, side, *array.shape[3:]))
    method = Image.Resampling.BILINEAR if array.ndim == 4 else Image.Resampling.NEAREST
    for place, pixels in enumerate(shown(array, file.stem)):
        picture = Image.fromarray(np.asarray(pixels[..., 0] if pixels.shape[-1:] == (1,) else pixels))
        smaller[place] = np.asarray(picture.resize((side, side), method)).reshape(smaller.shape[1:])
    return smaller
