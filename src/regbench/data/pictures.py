"""Pictures in files to arrays on disk, one picture in memory at a time."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from regbench.errors import UserError

MASK_THRESHOLD = 128  # grey levels from here on are foreground


def centre_square(image: Image.Image, side: int) -> np.ndarray:
    """The centre square of a picture, resized bilinearly: uint8 (side, side, 3)."""
    length = min(image.size)
    left, top = (image.width - length) // 2, (image.height - length) // 2
    square = image.convert("RGB").crop((left, top, left + length, top + length))
    return np.asarray(square.resize((side, side), Image.Resampling.BILINEAR))


def stretched(image: Image.Image, side: int) -> np.ndarray:
    """The whole picture, resized bilinearly to a square: uint8 (side, side, 3)."""
    return np.asarray(image.convert("RGB").resize((side, side), Image.Resampling.BILINEAR))


def open_picture(path: Path) -> Image.Image:
    """A picture, decoded; raises UserError naming the file where that cannot be done."""
    try:
        image = Image.open(path)
        image.load()
    except (OSError, UnidentifiedImageError, SyntaxError) as error:  # a broken PNG is a SyntaxError
        raise UserError(f"{path} is no picture that can be read ({error}): delete it or download it again") from error
    return image


def foreground(path: Path, size: tuple[int, int], side: int) -> np.ndarray:
    """A mask picture at the size of its network: uint8 (side, side), 1 where it is brighter than mid-grey.

    Raises:
        UserError: a mask that is not as large as its picture of `size` (width, height).
    """
    mask = open_picture(path).convert("L")
    if mask.size != size:
        raise UserError(f"{path} is {mask.width}x{mask.height}, its picture {size[0]}x{size[1]}: a mask has its size")
    return (np.asarray(mask.resize((side, side), Image.Resampling.NEAREST)) >= MASK_THRESHOLD).astype(np.uint8)


def array_on_disk(path: Path, shape: tuple[int, ...]) -> np.memmap:
    """A new uint8 array that is a file from the start."""
    path.parent.mkdir(parents=True, exist_ok=True)
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)


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
