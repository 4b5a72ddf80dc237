"""Pictures with masks: COCO from its annotations, DUTS and ECSSD from their folders."""

import json

import numpy as np
import pytest
from PIL import Image

from regbench.data import segmentation
from regbench.data.prepared import read_prepared
from regbench.data.segmentation import coco, duts
from regbench.data.sources import load_prepared, prepare
from regbench.errors import UserError

SIDE = 32
COUNT = 14  # of pictures with an instance


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Arrays of 32 pixels, and no download."""
    load_prepared.cache_clear()
    monkeypatch.setattr(segmentation, "SIDE", SIDE)
    monkeypatch.setattr(segmentation, "_download_coco", lambda folder: pytest.fail("downloaded"))


def box(left, top, right, bottom):
    """A polygon around these pixels."""
    return [left, top, right, top, right, bottom, left, bottom]


def run_lengths(mask):
    """COCO's uncompressed run lengths: down the columns, zeros first."""
    flat = mask.T.flatten()
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff([0, *edges, len(flat)]).tolist()
    return {"counts": counts if flat[0] == 0 else [0, *counts], "size": list(mask.shape)}


def instances(place):
    """The annotations of a picture of 64x48 pixels and the mask that they make."""
    mask = np.zeros((48, 64), np.uint8)
    if place % 3 == 0:  # two instances, one of them in two pieces; they overlap
        mask[8:24, 8:24] = mask[16:40, 16:32] = mask[0:4, 60:64] = 1
        return [[box(8, 8, 24, 24), box(60, 0, 64, 4)], [box(16, 16, 32, 40)]], mask
    if place % 3 == 1:  # a crowd, as run lengths
        mask[place : place + 20, 30:50] = 1
        return [run_lengths(mask)], mask
    mask[0:48, 0 : 4 * place + 4] = 1
    return [[box(0, 0, 4 * place + 4, 48)]], mask


@pytest.fixture
def made(tmp_path):
    """A folder of downloads with 14 annotated pictures, one without instances and one that is not there."""
    folder = tmp_path / "downloads" / "coco"
    (folder / "train2017").mkdir(parents=True)
    (folder / "annotations").mkdir()
    images, annotations = [], []
    for place in range(COUNT + 2):
        name = f"{1000 - place:012}.jpg"  # names go down where ids go up: ids count
        images.append({"id": 10 + place, "file_name": name, "width": 64, "height": 48})
        if place <= COUNT:
            Image.fromarray(np.full((48, 64, 3), 10 * place + 5, np.uint8)).save(folder / "train2017" / name)
        for shape in [] if place == COUNT else instances(place)[0]:
            number, crowd = 500 - len(annotations), int(isinstance(shape, dict))
            place_of = {"id": number, "image_id": 10 + place, "category_id": 1}
            annotations.append({**place_of, "iscrowd": crowd, "segmentation": shape, "area": 1.0})
    index = {"images": images[::-1], "annotations": annotations, "categories": [{"id": 1, "name": "thing"}]}
    (folder / "annotations" / "instances_train2017.json").write_text(json.dumps(index))
    return tmp_path / "downloads"


def place_of(image):
    """Which picture this is, by its grey level."""
    return round((float(image.mean()) - 5) / 10)


def test_cocos_masks_are_all_instances_of_a_picture_in_one(made, tmp_path):
    dataset = coco(made, tmp_path / "scratch")
    assert dataset.task == "segmentation" and dataset.classes == ["background", "foreground"]
    seen = []
    for split, count in (("train", 12), ("test", 2)):
        images, masks = dataset.arrays[f"{split}_images"], dataset.arrays[f"{split}_masks"]
        assert images.shape == (count, SIDE, SIDE, 3) and masks.shape == (count, SIDE, SIDE)
        assert images.dtype == masks.dtype == np.uint8
        for image, mask in zip(images, masks, strict=True):
            seen.append(place_of(image))
            whole = Image.fromarray(instances(seen[-1])[1])
            expected = np.asarray(whole.resize((SIDE, SIDE), Image.Resampling.NEAREST))
            np.testing.assert_array_equal(mask, expected, err_msg=str(seen[-1]))
            assert set(np.unique(mask)) == {0, 1}
    assert sorted(seen) == list(range(COUNT))
    assert dataset.source == "COCO 2017, train2017, 14 of its 15 pictures with an instance"


def test_cocos_split_is_the_permutation_of_ids_that_is_written_down(made, tmp_path):
    dataset = coco(made, tmp_path / "scratch")
    order = np.random.default_rng(0).permutation(COUNT)
    assert [place_of(image) for image in dataset.arrays["train_images"]] == order[:12].tolist()
    assert [place_of(image) for image in dataset.arrays["test_images"]] == order[12:].tolist()


@pytest.mark.parametrize(
    "train,test,trains,tests", [(6, 3, slice(0, 6), slice(6, 9)), (6, 1, slice(0, 6), slice(6, 7))]
)
def test_of_more_pictures_than_the_paper_has_the_next_ones_are_the_test(
    made, tmp_path, monkeypatch, train, test, trains, tests
):
    monkeypatch.setattr(segmentation, "TRAIN", train)
    monkeypatch.setattr(segmentation, "TEST", test)
    dataset = coco(made, tmp_path / "scratch")
    order = np.random.default_rng(0).permutation(COUNT)
    assert [place_of(image) for image in dataset.arrays["train_images"]] == order[trains].tolist()
    assert [place_of(image) for image in dataset.arrays["test_images"]] == order[tests].tolist()


def test_coco_becomes_a_prepared_folder(made, tmp_path):
    folder = prepare("coco", tmp_path)
    read = read_prepared(folder)
    assert set(read.arrays) == {"train_images", "train_masks", "test_images", "test_masks"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["coco", "downloads"]  # nothing left over


def test_a_folder_without_annotations_is_no_coco(tmp_path):
    (tmp_path / "coco" / "train2017").mkdir(parents=True)
    with pytest.raises(UserError, match=r"has no annotations/instances_train2017\.json: COCO without it has no masks"):
        coco(tmp_path, tmp_path / "scratch")


@pytest.mark.parametrize("text", ['{"images": [{"id"', "[]", '{"images": [{}]}'])
def test_annotations_that_cannot_be_read_are_named(made, tmp_path, text):
    (made / "coco" / "annotations" / "instances_train2017.json").write_text(text)
    with pytest.raises(UserError, match=r"instances_train2017\.json cannot be read \(.*\): delete it or download"):
        prepare("coco", tmp_path)


def test_a_picture_that_is_cut_off_is_named_and_leaves_no_dataset(made, tmp_path):
    path = made / "coco" / "train2017" / f"{1000 - 4:012}.jpg"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UserError, match=r"000000000996\.jpg is no picture that can be read"):
        prepare("coco", tmp_path)
    assert not (tmp_path / "coco" / "dataset.json").exists()


def test_a_picture_of_another_size_than_its_annotation_is_named(made, tmp_path):
    Image.new("RGB", (48, 64)).save(made / "coco" / "train2017" / f"{1000 - 4:012}.jpg")
    with pytest.raises(UserError, match=r"000000000996\.jpg is 48x64, its annotation's mask 64x48: a mask has its"):
        coco(made, tmp_path / "scratch")


def test_too_few_pictures_are_said(made, tmp_path):
    for place in range(8):
        (made / "coco" / "train2017" / f"{1000 - place:012}.jpg").unlink()
    with pytest.raises(UserError, match="train2017 has 6 pictures with an instance: allowed are 7 or more"):
        coco(made, tmp_path / "scratch")


@pytest.fixture
def salient(tmp_path):
    """DUTS-TR with three pairs, ECSSD with two, each with a mask that is no pair's."""
    folder = tmp_path / "downloads" / "duts"
    for place, (images, masks, count) in enumerate(
        [("DUTS-TR/DUTS-TR-Image", "DUTS-TR/DUTS-TR-Mask", 3), ("ECSSD/images", "ECSSD/ground_truth_mask", 2)]
    ):
        (folder / images).mkdir(parents=True)
        (folder / masks).mkdir(parents=True)
        for number in range(count):
            level = 100 * place + 20 * number + 5
            Image.fromarray(np.full((40, 60, 3), level, np.uint8)).save(folder / images / f"{9 - number}.jpg")
            mask = np.zeros((40, 60), np.uint8)
            mask[:, : 10 * (number + 1)] = 255
            Image.fromarray(mask).save(folder / masks / f"{9 - number}.png")
        Image.fromarray(mask).save(folder / masks / "other.png")
    return tmp_path / "downloads"


def test_duts_trains_and_ecssd_tests_by_pairs_of_one_name(salient, tmp_path):
    dataset = duts(salient, tmp_path / "scratch")
    assert dataset.task == "segmentation" and dataset.classes == ["background", "foreground"]
    for split, base, count in (("train", 5, 3), ("test", 105, 2)):
        images, masks = dataset.arrays[f"{split}_images"], dataset.arrays[f"{split}_masks"]
        levels = [base + 20 * number for number in reversed(range(count))]  # by name
        assert images[:, 0, 0, 0].tolist() == pytest.approx(levels, abs=1)
        assert images.shape == (count, SIDE, SIDE, 3) and set(np.unique(masks)) == {0, 1}
        shares = [round(float(mask.mean()) * 6) for mask in masks]
        assert shares == [number + 1 for number in reversed(range(count))]


def test_a_mask_of_another_size_than_its_picture_is_named(salient, tmp_path):
    Image.new("L", (60, 41)).save(salient / "duts" / "ECSSD" / "ground_truth_mask" / "8.png")
    with pytest.raises(UserError, match=r"8\.png is 60x41, its picture 60x40: a mask has its size"):
        duts(salient, tmp_path / "scratch")


@pytest.mark.parametrize(
    "missing", ["DUTS-TR/DUTS-TR-Image", "DUTS-TR/DUTS-TR-Mask", "ECSSD/images", "ECSSD/ground_truth_mask"]
)
def test_a_missing_folder_is_named(salient, tmp_path, missing):
    (salient / "duts" / missing).rename(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=rf"dataset=duts: no folder .*{missing}; .* unpacked there by hand") as error:
        prepare("duts", tmp_path)
    assert "\n" not in str(error.value) and not (tmp_path / "duts" / "dataset.json").exists()


def test_a_picture_without_a_mask_is_named(salient, tmp_path):
    (salient / "duts" / "ECSSD" / "ground_truth_mask" / "8.png").unlink()
    words = (
        r"dataset=duts: 1 of 2 pictures of .*ECSSD/images \(the first is 8\.jpg\) have no mask of their name in .*mask"
    )
    with pytest.raises(UserError, match=words):
        duts(salient, tmp_path / "scratch")


def test_a_folder_without_pictures_is_said(salient, tmp_path):
    for path in (salient / "duts" / "ECSSD" / "images").glob("*.jpg"):
        path.unlink()
    with pytest.raises(UserError, match=r"0 of 0 pictures of .*ECSSD/images have no mask .*: allowed are pairs, 1 or"):
        duts(salient, tmp_path / "scratch")


def test_a_missing_segmentation_set_names_masks(tmp_path):
    with pytest.raises(
        UserError, match=r"train_masks\.npy, test_images\.npy, test_masks\.npy\), .*prepare_data\.py coco"
    ):
        load_prepared("coco", tmp_path, download=False)
