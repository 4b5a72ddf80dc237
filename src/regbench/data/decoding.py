"""Picture files to pixels: decoded, upright as their EXIF orientation says, in 8 bits whatever their depth."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from regbench.data.raw import Damaged
from regbench.errors import UserError

#: by EXIF orientation, what turns a stored picture upright
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = 5  # orientations from here on swap width and height


def open_picture(path: Path) -> Image.Image:
    """A picture, decoded, as it is stored; raises Damaged naming the file where that cannot be done."""
    return decoded(lambda: Image.open(path), lambda: path)


def decoded(opened: Callable[[], Image.Image], path: Callable[[], Path]) -> Image.Image:
    """What `opened()` opens, decoded; raises Damaged naming the file, `path()`, where that cannot be done."""
    try:
        image = opened()
        image.load()
    except Exception as error:  # decoders raise whatever a damaged file leads them to, SyntaxError for a broken PNG
        why = f"{path()} is no picture that can be read ({error}): delete it or download it again"
        raise Damaged(path(), " ".join(why.split())) from error
    return image


def orientation(image: Image.Image) -> int:
    """A picture's EXIF orientation, 1 to 8; 1, upright, where it has none."""
    try:
        turn = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # what cannot be read says nothing; the pixels can
        return 1
    return turn if turn in TURNS else 1


def turned(image: Image.Image, turn: int) -> Image.Image:
    """The picture upright, where `turn` is its EXIF orientation."""
    return image.transpose(TURNS[turn]) if turn in TURNS else image


def upright(image: Image.Image) -> Image.Image:
    """A picture in 8-bit RGB, turned as its EXIF orientation says."""
    return turned(_rgb(image), orientation(image))


def _rgb(image: Image.Image) -> Image.Image:
    """The picture in 8-bit RGB; grey ones of more bits keep their range, where PIL cuts it off at 255.

    Raises:
        UserError: levels whose range is not known: float ones outside of [0, 1] and [0, 255], 32-bit ones.
    """
    if image.mode.startswith("I"):
        image = Image.fromarray((sixteen_bits(image) >> 8).astype(np.uint8))
    elif image.mode == "F":
        levels = np.asarray(image)
        if not (levels.min() >= 0 and levels.max() <= 255):  # false of NaN
            span = f"{levels.min():g} to {levels.max():g}"
            raise UserError(f"{_name(image)} has float levels from {span}: allowed are [0, 1] and [0, 255]")
        image = Image.fromarray(np.round(levels * (255 if levels.max() <= 1 else 1)).astype(np.uint8))
    try:
        return image.convert("RGB")
    except ValueError as error:
        raise UserError(f"{_name(image)} cannot be read as RGB ({error}): save it as RGB or grey") from error


def sixteen_bits(image: Image.Image) -> np.ndarray:
    """The levels of a grey picture of 16 bits, uint16 (H, W); of 12 bits, at their range.

    Raises:
        UserError: a picture of 32 bits, of which no range is known.
    """
    levels, bits = np.asarray(image), 16
    if image.format == "TIFF":
        bits = image.tag_v2.get(ExifTags.Base.BitsPerSample, (16,))[0]
    if bits > 16 or levels.min() < 0 or levels.max() >= 1 << 16:
        span = f"{levels.min()} to {levels.max()}"
        raise UserError(f"{_name(image)} has 32-bit levels, here from {span}: allowed are 8 and 16 bits, 0 to 65535")
    return levels.astype(np.uint16) << (16 - bits)


def _name(image: Image.Image) -> str:
    return str(getattr(image, "filename", "") or "a picture")


def upright_size(size: tuple[int, int], turn: int) -> tuple[int, int]:
    """(width, height) of a picture of this stored size once it is upright."""
    return size[::-1] if turn >= SIDEWAYS else size
