"""What a mask file may be: every kind is read as the same mask, the rest is refused by name."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from regbench.data.pictures import foreground
from regbench.errors import UserError

HALF = np.tile(np.arange(12) < 6, (8, 1))  # (8, 12): foreground on the left
SIZE = (12, 8)


def levels(low, high, dtype=np.uint8):
    return Image.fromarray(np.where(HALF, high, low).astype(dtype))


def palette(*colours, background=0):
    """A palette picture of two places of the palette; without colours its palette says nothing."""
    image = Image.new("P", SIZE)
    image.putdata(np.where(HALF, 1 - background, background).ravel().tolist())
    if colours:
        image.putpalette([value for colour in colours for value in colour])
    return image


def channels(mode, low, high):
    return levels(low, high).convert(mode)


BLACK, WHITE, RED = (0, 0, 0), (255, 255, 255), (128, 0, 0)
READ = {
    "0/1": levels(0, 1),
    "0/255": levels(0, 255),
    "bool": levels(0, 1, bool),
    "soft grey": Image.fromarray(np.where(HALF, 255, 0).astype(np.uint8) - np.eye(8, 12, dtype=np.uint8) * 100),
    "grey about the middle": levels(127, 128),
    "16 bits, 0/1": levels(0, 1, np.uint16),
    "16 bits, 0/255": levels(0, 255, np.uint16),
    "16 bits, 0/65535": levels(0, 65535, np.uint16),
    "16 bits, about the middle": levels(32767, 32768, np.uint16),
    "float, 0/1": levels(0, 1, np.float32),
    "float, soft": levels(0.2, 0.7, np.float32),
    "float, 0/255": levels(0, 255, np.float32),
    "palette, black and red": palette(BLACK, RED),
    "palette, red and black": palette(RED, BLACK, background=1),
    "palette, white and black": palette(WHITE, BLACK, background=1),
    "palette, nearly black": palette(BLACK, (1, 1, 1)),
    "palette of nothing": palette(),
    "palette of one colour": palette(WHITE, WHITE),
    "grey as palette": channels("P", 0, 255),
    **{f"{mode}, 0/{high}": channels(mode, 0, high) for mode in ("LA", "RGB", "RGBA") for high in (1, 255)},
}
#: of 16 bits and float there are no PNG files of every mode: the name does not decide how PIL reads it
SUFFIX = {"F": "TIFF", "CMYK": "TIFF"}


def saved(image, path, **how):
    image.save(path, SUFFIX.get(image.mode, "PNG"), **how)
    return path


@pytest.mark.parametrize("kind", READ)
def test_every_kind_of_mask_is_the_same_mask(tmp_path, kind):
    image = READ[kind]
    wanted = HALF
    if kind == "soft grey":
        wanted = np.asarray(image) >= 128
        assert 0 < wanted[HALF].mean() <= 1
    found = foreground(saved(image, tmp_path / "mask.png"), SIZE, 24)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found[1::3, ::2], wanted)  # the middle of each pixel's block, nearest


@pytest.mark.parametrize("level", [0, 1, 255])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_one_mask_may_be_empty_or_full(tmp_path, level, dtype):
    found = foreground(saved(levels(level, level, dtype), tmp_path / "mask.png"), SIZE, 8)
    assert (found == (level > 0)).all()


THREE = np.array([0, 1, 2], np.uint8)[np.arange(12) // 4].repeat(8).reshape(12, 8).T
REFUSED = {
    "numbers of classes": (
        Image.fromarray(THREE.copy()),
        "of levels from 0 to 2 of 255: allowed are 0/1, 0/255, grey that",
    ),
    "a dark grey": (levels(0, 38), "of levels from 0 to 38 of 255"),
    "a grey below the middle": (levels(0, 127), "of levels from 0 to 127 of 255"),
    "16 bits, dark": (levels(2, 300, np.uint16), "of levels from 2 to 300 of 65535"),
    "float, dark": (levels(0, 0.3, np.float32), "of levels from 0 to 0.3 of 1"),
    "float, negative": (levels(-1, 1, np.float32), "of levels from -1 to 1 of 1"),
    "float, not a number": (levels(np.nan, 1, np.float32), "of levels from 1 to nan of 1"),
    "colours": (Image.merge("RGB", [levels(0, 255), levels(0, 0), levels(0, 0)]), "in colours: allowed are"),
    "a palette without black": (palette((0, 0, 200), RED), "in colours without black"),
    "an alpha channel": (Image.merge("LA", [levels(0, 0), levels(0, 255)]), "with transparent pixels"),
    "transparent colours": (Image.merge("RGBA", [levels(0, 255)] * 4), "with transparent pixels"),
    "printing colours": (channels("CMYK", 0, 255), "of mode CMYK"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_any_other_kind_is_refused_by_name(tmp_path, kind):
    image, words = REFUSED[kind]
    with pytest.raises(UserError, match=rf"mask\.png is a mask .*{words}") as error:
        foreground(saved(image, tmp_path / "mask.png"), SIZE, 8)
    assert "\n" not in str(error.value)


def chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def test_colours_of_16_bits_are_refused_since_their_lower_byte_is_not_read(tmp_path):
    """PIL reads 0/1 and 0/255 of them as black, and writes no such file."""
    rows = b"".join(b"\0" + np.repeat(row, 3).astype(">u2").tobytes() for row in HALF)
    header = struct.pack(">IIBBBBB", *SIZE, 16, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "mask.png").write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    assert not np.asarray(Image.open(tmp_path / "mask.png")).any()
    with pytest.raises(
        UserError, match=r"mask\.png is a mask of several channels of 16 bits: allowed are 16 bits in one"
    ):
        foreground(tmp_path / "mask.png", SIZE, 8)


def exif(turn):
    found = Image.Exif()
    found[0x112] = turn
    return found


@pytest.mark.parametrize("turn", range(1, 9))
def test_a_mask_is_turned_by_its_own_orientation(tmp_path, turn):
    stored = np.zeros((8, 12), bool)
    stored[:2, :3] = True  # a corner tells all eight apart from the two sides
    path = saved(Image.fromarray(stored.astype(np.uint8) * 255), tmp_path / "mask.png", exif=exif(turn))
    upright = {1: lambda a: a, 2: np.fliplr, 3: lambda a: a[::-1, ::-1], 4: np.flipud, 5: np.transpose}
    upright |= {6: lambda a: np.rot90(a, -1), 7: lambda a: a[::-1, ::-1].T, 8: np.rot90}
    wanted = upright[turn](stored)
    found = foreground(path, SIZE, 24, turn)
    np.testing.assert_array_equal(found, wanted.repeat(24 // wanted.shape[0], 0).repeat(24 // wanted.shape[1], 1))


@pytest.mark.parametrize("turn", [5, 6, 7, 8])
def test_a_mask_without_orientation_turns_with_its_picture_where_its_size_tells(tmp_path, turn):
    stored, upright = tmp_path / "stored.png", tmp_path / "upright.png"
    whole = Image.fromarray(HALF.astype(np.uint8))
    saved(whole, stored)
    saved(whole, tmp_path / "tagged.png", exif=exif(turn))
    Image.fromarray(HALF.T.astype(np.uint8)).save(upright)
    by_own = foreground(tmp_path / "tagged.png", SIZE, 8, turn)
    np.testing.assert_array_equal(foreground(stored, SIZE, 8, turn), by_own)
    assert foreground(upright, SIZE, 8, turn)[0].all() and not foreground(upright, SIZE, 8, turn)[-1].any()


@pytest.mark.parametrize("turn,size", [(2, SIZE), (3, SIZE), (4, SIZE), (6, (8, 8))])
def test_a_mask_without_orientation_is_refused_where_its_size_leaves_it_open(tmp_path, turn, size):
    Image.new("L", size).save(tmp_path / "mask.png")
    words = rf"mask\.png: the picture is turned by EXIF orientation {turn}, its mask not: save both upright"
    with pytest.raises(UserError, match=words):
        foreground(tmp_path / "mask.png", size, 8, turn)
