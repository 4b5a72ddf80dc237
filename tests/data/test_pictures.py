"""Pictures to arrays: how they are cut and resized, and what is said of those that cannot be read."""

import numpy as np
import pytest
from PIL import Image

from regbench.data.pictures import centre_square, open_picture, pictures, resized, stretched
from regbench.errors import UserError


def quarters(width, height):
    """A picture whose left half is red, and whose upper half is green."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0] = pixels[: height // 2, :, 1] = 200
    return Image.fromarray(pixels)


@pytest.mark.parametrize("size", [(40, 20), (20, 40), (20, 20)])
def test_the_centre_square_is_the_middle_of_the_longer_side(size):
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    left, top = (size[0] - 20) // 2, (size[1] - 20) // 2
    pixels[top : top + 20, left : left + 20] = 9
    found = centre_square(Image.fromarray(pixels), 10)
    assert found.shape == (10, 10, 3) and found.dtype == np.uint8 and (found == 9).all()
    half = centre_square(quarters(*size), 10)
    assert (half[:, :4, 0] == 200).all() and (half[:, 6:, 0] == 0).all()
    assert (half[:4, :, 1] == 200).all() and (half[6:, :, 1] == 0).all()


def test_a_stretched_picture_keeps_all_of_it():
    pixels = np.zeros((10, 40, 3), np.uint8)
    pixels[:, -10:] = 100  # outside of the centre square
    found = stretched(Image.fromarray(pixels), 8)
    assert found.shape == (8, 8, 3) and (found[:, 7] == 100).all() and (found[:, :5] == 0).all()


def test_grey_pictures_have_three_equal_channels(tmp_path):
    Image.fromarray(np.full((12, 12), 77, np.uint8)).save(tmp_path / "grey.png")
    found = pictures([tmp_path / "grey.png"] * 2, 8, tmp_path / "deep" / "all.npy")
    assert found.shape == (2, 8, 8, 3) and (found == 77).all()
    np.testing.assert_array_equal(np.load(tmp_path / "deep" / "all.npy"), found)


def test_pictures_keep_their_order(tmp_path):
    for level in (10, 20, 30):
        Image.fromarray(np.full((9, 9, 3), level, np.uint8)).save(tmp_path / f"{level}.png")
    paths = [tmp_path / f"{level}.png" for level in (20, 30, 10)]
    assert pictures(paths, 8, tmp_path / "all.npy")[:, 0, 0, 0].tolist() == [20, 30, 10]


@pytest.mark.parametrize("kind", ["jpg", "png"])
@pytest.mark.parametrize("damage", ["truncated", "empty", "text", "missing"])
def test_a_picture_that_cannot_be_read_is_named(tmp_path, kind, damage):
    path = tmp_path / f"broken.{kind}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    whole = path.read_bytes()
    path.write_bytes({"truncated": whole[: len(whole) // 2], "text": b"<html>404</html>"}.get(damage, b""))
    if damage == "missing":
        path.unlink()
    with pytest.raises(UserError, match=rf"broken\.{kind} is no picture that can be read .*download it again"):
        open_picture(path)


@pytest.mark.parametrize("channels", [1, 3])
def test_resized_images_are_pils(tmp_path, channels):
    images = np.random.default_rng(0).integers(0, 256, (3, 24, 24, channels), dtype=np.uint8)
    found = resized(images, 8, tmp_path / "images.npy")
    assert found.shape == (3, 8, 8, channels) and found.dtype == np.uint8
    for ours, image in zip(found, images, strict=True):
        for channel in range(channels):
            one = Image.fromarray(image[..., channel]).resize((8, 8), Image.Resampling.BILINEAR)
            np.testing.assert_array_equal(ours[..., channel], np.asarray(one))


def test_resized_masks_stay_0_or_1(tmp_path):
    masks = np.random.default_rng(0).integers(0, 2, (5, 24, 24), dtype=np.uint8)
    found = resized(masks, 8, tmp_path / "masks.npy")
    np.testing.assert_array_equal(found, masks[:, 1::3, 1::3])  # the pixel in the middle of each block of nine


RAMP = np.tile(np.arange(0, 256, 15, dtype=np.uint8), (12, 1))  # (12, 18), 0 to 255
DEEP = ["8 bits", "16 bits", "16 bits, TIFF", "16 bits, big-endian", "16 bits, PGM", "float up to 1", "float up to 255"]


def ramp(kind):
    """The same grey picture in another kind of pixel, and the format that can hold it."""
    deep = RAMP.astype(np.uint16) * 257
    return {
        "8 bits": (Image.fromarray(RAMP), "PNG"),
        "16 bits": (Image.fromarray(deep), "PNG"),
        "16 bits, TIFF": (Image.fromarray(deep), "TIFF"),
        "16 bits, big-endian": (Image.frombytes("I;16B", (18, 12), deep.byteswap().tobytes()), "TIFF"),
        "16 bits, PGM": (Image.fromarray(deep), "PPM"),
        "float up to 1": (Image.fromarray((RAMP / 255).astype(np.float32)), "TIFF"),
        "float up to 255": (Image.fromarray(RAMP.astype(np.float32)), "TIFF"),
        **{mode: (Image.fromarray(RAMP).convert(mode), "PNG") for mode in ("LA", "P", "RGB", "RGBA")},
        "CMYK": (Image.fromarray(RAMP).convert("CMYK"), "TIFF"),
    }[kind]


@pytest.mark.parametrize("made", [centre_square, stretched])
@pytest.mark.parametrize(
    "kind",
    [*DEEP, "LA", "P", "RGB", "RGBA", "CMYK"],
)
def test_grey_pictures_keep_their_range_whatever_their_depth(tmp_path, kind, made):
    image, suffix = ramp(kind)
    image.save(tmp_path / "ramp", suffix)
    np.testing.assert_array_equal(made(open_picture(tmp_path / "ramp"), 12), made(Image.fromarray(RAMP), 12))
    assert np.ptp(made(open_picture(tmp_path / "ramp"), 12)) > 150


@pytest.mark.parametrize(
    "levels,words",
    [
        (RAMP.astype(np.int32) * 257, r"has 32-bit levels, here from 0 to 65535: allowed are 8 and 16 bits"),
        (RAMP.astype(np.float32) * 257, r"has float levels from 0 to 65535: allowed are \[0, 1\] and \[0, 255\]"),
        (RAMP.astype(np.float32) - 1, r"has float levels from -1 to 254"),
        (np.where(RAMP > 0, RAMP, np.nan).astype(np.float32), r"has float levels from nan to nan"),
    ],
)
def test_levels_of_no_known_range_are_refused_by_name(tmp_path, levels, words):
    Image.fromarray(levels).save(tmp_path / "deep.tif")
    with pytest.raises(UserError, match=rf"deep\.tif {words}"):
        stretched(open_picture(tmp_path / "deep.tif"), 8)


@pytest.mark.parametrize("turn", range(9))
@pytest.mark.parametrize("suffix", ["PNG", "TIFF"])
def test_pictures_are_turned_as_their_orientation_says(tmp_path, turn, suffix):
    stored = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x112] = turn  # 0 is none that there is
    Image.fromarray(stored).save(tmp_path / "turned", suffix, exif=exif)
    upright = {2: np.fliplr, 3: lambda a: a[::-1, ::-1], 4: np.flipud, 5: lambda a: a.swapaxes(0, 1)}
    upright |= {6: lambda a: np.rot90(a, -1), 7: lambda a: a[::-1, ::-1].swapaxes(0, 1), 8: np.rot90}
    wanted = Image.fromarray(np.ascontiguousarray(upright.get(turn, lambda a: a)(stored)))
    for made in (stretched, centre_square):
        np.testing.assert_array_equal(made(open_picture(tmp_path / "turned"), 8), made(wanted, 8))


def test_exif_that_cannot_be_read_turns_nothing(tmp_path):
    Image.fromarray(RAMP).save(tmp_path / "junk.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08junk")
    plain = np.asarray(Image.open(tmp_path / "junk.jpg").convert("RGB").resize((8, 8), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(stretched(open_picture(tmp_path / "junk.jpg"), 8), plain)
