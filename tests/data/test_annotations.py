"""COCO's annotations: drawn as pycocotools draws them, and checked before it sees them."""

import json

import numpy as np
import pytest
from pycocotools import mask as library

from regbench.data.annotations import read_annotations
from regbench.errors import UserError

HEIGHT, WIDTH = 24, 32
SQUARE = [4, 4, 12, 4, 12, 12, 4, 12]


def index(tmp_path, segmentations, images=None, **changes):
    """The annotations of one picture, 7, with these segmentations, read."""
    picture = {"id": 7, "file_name": "a.jpg", "width": WIDTH, "height": HEIGHT}
    annotations = [{"id": 50 + place, "image_id": 7, "segmentation": each} for place, each in enumerate(segmentations)]
    annotations[0] |= changes
    path = tmp_path / "instances.json"
    path.write_text(json.dumps({"images": images or [picture], "annotations": annotations}))
    return read_annotations(path)


def runs(mask):
    """Uncompressed run lengths."""
    flat = mask.T.ravel()
    edges = [0, *(np.flatnonzero(np.diff(flat)) + 1).tolist(), flat.size]
    return [0] * int(flat[0]) + np.diff(edges).tolist()


def masks():
    """Masks of several kinds, by name."""
    random = np.random.default_rng(0)
    corner = np.zeros((HEIGHT, WIDTH), np.uint8)
    corner[0, 0] = corner[-1, -1] = 1
    noise = {f"noise {share}": random.random((HEIGHT, WIDTH)) < share for share in (0.001, 0.1, 0.5, 0.99)}
    return {"empty": corner * 0, "full": corner * 0 + 1, "corners": corner} | noise


@pytest.mark.parametrize("kind", masks())
@pytest.mark.parametrize("compressed", [False, True])
def test_run_lengths_are_read_as_the_library_reads_them(tmp_path, kind, compressed):
    mask = masks()[kind].astype(np.uint8)
    packed = library.encode(np.asfortranarray(mask))["counts"].decode()
    shape = {"size": [HEIGHT, WIDTH], "counts": packed if compressed else runs(mask)}
    found = index(tmp_path, [shape])
    found.check(7)
    np.testing.assert_array_equal(found.mask(7), mask)
    np.testing.assert_array_equal(mask, library.decode({"size": [HEIGHT, WIDTH], "counts": packed}))


def test_run_lengths_of_a_large_picture_need_more_than_one_character(tmp_path):
    picture = {"id": 7, "file_name": "a.jpg", "width": 700, "height": 500}
    mask = np.zeros((500, 700), np.uint8)
    mask[100:400, 20:690] = mask[3, 5] = 1
    shape = {"size": [500, 700], "counts": library.encode(np.asfortranarray(mask))["counts"].decode()}
    found = index(tmp_path, [shape], [picture])
    found.check(7)
    np.testing.assert_array_equal(found.mask(7), mask)


def test_all_polygons_and_annotations_of_a_picture_are_one_mask(tmp_path):
    found = index(tmp_path, [[SQUARE, [20, 0, 24, 0, 24, 4, 20, 4]], [[8, 8, 16, 8, 16, 16, 8, 16]]])
    wanted = np.zeros((HEIGHT, WIDTH), np.uint8)
    wanted[4:12, 4:12] = wanted[0:4, 20:24] = wanted[8:16, 8:16] = 1
    found.check(7)
    np.testing.assert_array_equal(found.mask(7), wanted)


def test_what_is_a_little_outside_is_cut_off(tmp_path):
    found = index(tmp_path, [[[-3, -3, 40, -3, 40, 5, -3, 5]]])
    found.check(7)
    assert found.mask(7)[:5].all() and not found.mask(7)[5:].any()


def rle(counts, size=(HEIGHT, WIDTH)):
    return {"size": list(size) if isinstance(size, tuple) else size, "counts": counts}


WHOLE = HEIGHT * WIDTH
MALFORMED = [
    (None, "it has null: allowed are polygons, 1 or more, or run lengths"),
    (7, "it has 7: allowed are polygons"),
    ("text", 'it has "text": allowed are polygons'),
    ([], r"it has \[\]: allowed are polygons"),
    ([[]], "a polygon of 0 coordinates: allowed are pairs, 3 or more"),
    ([[1, 1]], "a polygon of 2 coordinates"),
    ([[1, 1, 9, 9]], "a polygon of 4 coordinates"),
    ([SQUARE, [1, 1, 9, 9]], "a polygon of 4 coordinates"),
    ([SQUARE, []], "a polygon of 0 coordinates"),
    ([[*SQUARE, 5]], "a polygon of 9 coordinates"),
    (SQUARE, "a polygon of 4: allowed are pairs"),
    ([[SQUARE]], "a polygon of 1 coordinates"),
    ([[[1, 1], [9, 1], [9, 9], [1, 9], [1, 1], [1, 1]]], r"a coordinate \[1, 1\]: allowed are numbers from -32 to 64"),
    ([{"counts": [1]}], r'a polygon of {"counts": \[1\]}'),
    ([[1, 1, "9", 1, 9, 9]], 'a coordinate "9"'),
    ([[1, 1, None, 1, 9, 9]], "a coordinate null"),
    ([[1, 1, True, 1, 9, 9]], "a coordinate true"),
    ([[1, 1, float("nan"), 1, 9, 9]], "a coordinate NaN"),
    ([[1, 1, float("inf"), 1, 9, 9]], "a coordinate Infinity"),
    ([[1, 1, 1e12, 1, 9, 9]], r"a coordinate 1000000000000\.0"),
    ([[1, 1, 10**400, 1, 9, 9]], r"a coordinate 1000.*\.\.\.: allowed"),
    ([[1, 50, 9, 1, 9, 9]], "a coordinate 50: allowed are numbers from -24 to 48"),
    (rle([WHOLE], (WIDTH, HEIGHT)), r"size=\[32, 24\]: allowed is its picture's \[height, width\], \[24, 32\]"),
    (rle([WHOLE], None), "size=null"),
    (rle([WHOLE], "24"), 'size="24"'),
    (rle([WHOLE], [24.0, 32.0]), r"size=\[24\.0, 32\.0\]"),
    ({"counts": [WHOLE]}, "size=null"),
    ({"size": [HEIGHT, WIDTH]}, "its counts are null: allowed are a list or a string"),
    (rle({"a": 1}), 'its counts are {"a": 1}'),
    (rle([50, 50]), f"its counts sum to 100: allowed are the {WHOLE} pixels"),
    (rle([]), "its counts sum to 0"),
    (rle(""), "its counts sum to 0"),
    (rle([50, WHOLE]), f"its counts sum to {WHOLE + 50}"),
    (rle([-5, WHOLE + 5]), "its counts have -5: allowed are whole numbers, 0 or more"),
    (rle([0.5, WHOLE - 0.5]), r"its counts have 0\.5"),
    (rle(["a"]), 'its counts have "a"'),
    (rle([True, WHOLE - 1]), "its counts have true"),
    (rle("hello you"), "its counts have the character ' ': allowed are 0 to o"),
    (rle("Pé"), "its counts have the character 'é'"),
    (rle("oooo"), "its counts end in the middle of a number"),
    (rle("PP1"), "its counts sum to 1024"),
    (rle("O"), "its counts have -1"),
]


@pytest.mark.parametrize("segmentation,words", MALFORMED)
def test_a_malformed_segmentation_is_named_with_annotation_and_picture(tmp_path, segmentation, words):
    found = index(tmp_path, [[SQUARE], segmentation])
    start = r"instances\.json: the segmentation of annotation 51 of picture 7 \(a\.jpg\) is malformed: .*"
    with pytest.raises(UserError, match=start + words) as error:
        found.check(7)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400


@pytest.mark.parametrize("image", [8, "7", None, [7], 7.5, True, {}])
def test_an_annotation_of_no_picture_is_named(tmp_path, image):
    with pytest.raises(
        UserError, match=r"annotation 50, number 0 of its list, has image_id=.*: allowed are ids of its"
    ):
        index(tmp_path, [[SQUARE]], image_id=image)


@pytest.mark.parametrize(
    "change,words",
    [
        ({"id": "7"}, 'id="7": allowed are whole numbers'),
        ({"id": None}, "id=null"),
        ({"width": None}, "width=null: allowed are whole numbers, 1 or more"),
        ({"width": "32"}, 'width="32"'),
        ({"height": 0}, "height=0"),
        ({"height": 24.0}, r"height=24\.0"),
        ({"file_name": None}, "file_name=null: allowed are names inside of the folder of pictures"),
        ({"file_name": 3}, "file_name=3"),
        ({"file_name": ""}, 'file_name=""'),
        ({"file_name": "../a.jpg"}, r'file_name="\.\./a\.jpg"'),
        ({"file_name": "/a.jpg"}, 'file_name="/a.jpg"'),
        ({"file_name": "a" * 256}, 'file_name="aaa'),
        ({"file_name": "\ud800.jpg"}, "file_name="),
        ({"file_name": "a\n.jpg"}, "file_name="),
    ],
)
def test_a_malformed_picture_is_named(tmp_path, change, words):
    picture = {"id": 7, "file_name": "a.jpg", "width": WIDTH, "height": HEIGHT} | change
    with pytest.raises(UserError, match=rf"instances\.json cannot be read \(picture 0 of its list: {words}"):
        index(tmp_path, [[SQUARE]], [picture])


@pytest.mark.parametrize("other,words", [({"id": 7}, "picture 7 is there twice"), ({"id": 8}, "have one file_name")])
def test_pictures_are_there_once(tmp_path, other, words):
    picture = {"id": 7, "file_name": "a.jpg", "width": WIDTH, "height": HEIGHT}
    with pytest.raises(UserError, match=words):
        index(tmp_path, [[SQUARE]], [picture, picture | other])


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", b"[]", b"{}", b'{"images": []}', b'{"images": {}, "annotations": []}', b"\xff", b"[" * 99999],
)
def test_a_file_that_is_no_annotations_is_named(tmp_path, content):
    (tmp_path / "instances.json").write_bytes(content)
    with pytest.raises(
        UserError, match=r"instances\.json cannot be read \(.*\): delete it or download it again"
    ) as error:
        read_annotations(tmp_path / "instances.json")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("junk", [5, "a", None, []])
def test_an_annotation_that_is_no_object_is_named(tmp_path, junk):
    (tmp_path / "instances.json").write_text(json.dumps({"images": [], "annotations": [junk]}))
    with pytest.raises(UserError, match=r"annotation 0 of its list is .*: allowed is an object"):
        read_annotations(tmp_path / "instances.json")
