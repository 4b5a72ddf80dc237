"""Mask pictures: what a file may be, and where it is foreground."""

from pathlib import Path

import numpy as np
from PIL import Image

from regbench.data.decoding import sixteen_bits
from regbench.errors import UserError

TOP = {"F": 1.0}  # the brightest level by PIL's mode; 255 and 65,535 otherwise
KINDS = "allowed are 0/1, 0/255, grey that reaches mid-grey, a palette with a black background"


def mask_pixels(mask: Image.Image, path: Path) -> np.ndarray:
    """Where a decoded mask, as stored in `path`, is foreground: bool (H, W).

    Of levels 0/1 or 0/255, whatever their depth, foreground is what is not 0; of other grey ones what is not below
    mid-grey; of a coloured palette what is not black. Three colour channels have to be equal, an alpha channel opaque.

    Raises:
        UserError: any other file.
    """
    if mask.mode == "1":
        return np.asarray(mask)
    if mask.mode == "P":
        return _of_palette(mask, path)
    if mask.mode in ("LA", "RGB", "RGBA", "RGBX"):
        return _of_levels(_of_channels(mask, path), 255, path)
    if mask.mode.startswith("I"):
        return _of_levels(sixteen_bits(mask), 65_535, path)
    if mask.mode in ("L", "F"):
        return _of_levels(np.asarray(mask), TOP.get(mask.mode, 255), path)
    raise UserError(f"{path} is a mask of mode {mask.mode}: {KINDS}")


def _of_levels(levels: np.ndarray, top: float, path: Path) -> np.ndarray:
    found = np.unique(levels)
    if set(found[:3].tolist()) <= {0, 1} or set(found[:3].tolist()) <= {0, 255}:
        return levels > 0
    if not (found[0] >= 0 and top / 2 <= found[-1] <= top):  # false of NaN
        raise UserError(f"{path} is a mask of levels from {found[0]:g} to {found[-1]:g} of {top:g}: {KINDS}")
    return levels >= top / 2


def _of_channels(mask: Image.Image, path: Path) -> np.ndarray:
    with path.open("rb") as file:
        header = file.read(25)
    if header.startswith(b"\x89PNG") and header[24] == 16:  # PIL keeps the upper byte alone: 0/1 becomes 0
        raise UserError(f"{path} is a mask of several channels of 16 bits: allowed are 16 bits in one, or 8")
    pixels = np.asarray(mask)
    if mask.mode in ("LA", "RGBA") and (pixels[..., -1] != 255).any():
        raise UserError(f"{path} is a mask with transparent pixels: allowed is an opaque one")
    colours = pixels[..., :1] if mask.mode == "LA" else pixels[..., :3]
    if (colours != colours[..., :1]).any():
        raise UserError(f"{path} is a mask in colours: {KINDS}")
    return colours[..., 0]


def _of_palette(mask: Image.Image, path: Path) -> np.ndarray:
    places = np.asarray(mask)
    used = np.unique(places)
    palette = np.array(mask.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    if used[-1] >= len(palette) or (len(used) > 1 and (palette[used] == palette[used[0]]).all()):
        return places > 0  # its colours tell nothing apart: numbers of classes, 0 is the background
    if (palette[used] == palette[used, :1]).all():
        return _of_levels(palette[places, 0], 255, path)
    black = ~palette.any(axis=1)
    if not black[used].any() and not black[0]:
        raise UserError(f"{path} is a mask in colours without black: {KINDS}")
    return ~black[places]
